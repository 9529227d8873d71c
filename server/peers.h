/*
 * Who is connected, counted: in all, for each address, and the strangers who have not logged in.  Any thread.
 *
 * An IPv6 address counts as its /64, since a host has all of that.  The machine itself (loopback, unix sockets) has no
 * limit of its own: a webmail or a delivery agent stands there for many people.
 */
#ifndef SERVER_PEERS_H
#define SERVER_PEERS_H

#include "protocol/base.h"

struct peers;
struct sockaddr;

struct peer_key {
	unsigned char bytes[16]; /* all zero: the machine itself */
};

struct peers_limits {
	size_t all, address, strangers;
};

enum peers_answer { PEERS_WELCOME, PEERS_TOO_MANY, PEERS_TOO_MANY_STRANGERS, PEERS_TOO_MANY_FROM_ADDRESS };

struct peer_key peer_key_of(const struct sockaddr *address);
struct peers *peers_create(const struct peers_limits *limits);
void peers_destroy(struct peers *peers);
/* A connection, so far a stranger's.  When it is welcome it is counted, until peers_leave(). */
MUST_USE enum peers_answer peers_enter(struct peers *peers, struct peer_key key);
/* It turns out to be another's.  When that one is not welcome, it stays the first one's. */
MUST_USE enum peers_answer peers_move(struct peers *peers, struct peer_key from, struct peer_key to);
/* It is no stranger any more; once a connection. */
void peers_admit(struct peers *peers);
void peers_leave(struct peers *peers, struct peer_key key, bool admitted);
enum peers_what { PEERS_ALL, PEERS_STRANGERS };
size_t peers_count(struct peers *peers, enum peers_what what);
/* For the log: static text. */
const char *peers_answer_text(enum peers_answer answer);

#endif
