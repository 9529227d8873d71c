/*
 * One LMTP transaction: a sender, recipients, a message.  Its ops run on the recipients' lanes:
 *
 *	octets --chunk ops, one at a time, on the lane of some recipient--> the delivery, parsed once
 *	the delivery --an op or two a recipient, several at once--> each account; a reply each, in order
 *
 * A message of one chunk goes with the first recipient's op, so that it costs one op and one commit.  Whatever happens to
 * the connection, ops that run finish what they are at; those that wait are skipped, and the client, which has no reply,
 * sends the message again.
 *
 * Thread: the connection's loop.  An op that is away holds the transaction; until the delivery is sealed there is
 * only one, and it alone touches the delivery and the chunk.
 */
#ifndef SERVER_LMTP_TRANSACTION_H
#define SERVER_LMTP_TRANSACTION_H

#include "protocol/lmtp/reply.h"
#include "server/conn.h"
#include "server/delivery.h"
#include "storage/alias.h"

struct accounts;

struct recipient {
	struct span address; /* as the directory has it; in the arena */
	struct span detail;  /* user+detail@; in the arena */
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	bool begun, done;
	bool more; /* the next one is of the same RCPT, whose reply is one for all (RFC 2033 4.2) */
	enum lmtp_reply reply; /* once done */
};

struct transaction {
	unsigned references; /* the session's, and one for each op that is away */
	struct arena arena;
	struct span sender; /* the path of MAIL */
	struct recipient *recipients;
	size_t recipients_n;
	uint64_t message_bytes_max, received;
	struct delivery_rules rules;
	struct delivery *delivery; /* from the first octet on */
	struct buf chunk;          /* octets that no worker has taken */
	bool has_begun_chunks, chunk_is_away, ended, too_large;
	bool is_whole;             /* the delivery is sealed, or has failed */
	size_t feeder;             /* the recipient whose lane takes the chunks */
	size_t begun, answered, away;
};

/* When an op has come back, on_data() of the connection's user is called. */
struct transaction *transaction_create(struct span sender, uint64_t message_bytes_max, const struct delivery_rules *rules);
/* The session needs it no more.  Accepts NULL. */
void transaction_release(struct transaction *t);

/* `detail`: what stood behind the plus in the local part; copied. */
void transaction_add_recipient(struct transaction *t, const struct alias_target *user, struct span detail, bool more);
/* The data begin: `head` is the lines that all copies have before the message. */
void transaction_begin_data(struct transaction *t, struct accounts *accounts, struct span head);
/* False: no more octets now; the session is called when there is room. */
bool transaction_has_room(const struct transaction *t);
/* Octets of the message, at most 64 KiB at once. */
void transaction_add(struct transaction *t, struct conn *c, struct span octets);
/* The message is whole. */
void transaction_end_data(struct transaction *t);
/* After the end: sends what can be sent, writes the replies that are due.  True once all are written. */
bool transaction_step(struct transaction *t, struct conn *c);

#endif
