/*
 * Listening sockets on the main loop.  An accepted socket goes to the loop with the fewest connections, in a letter;
 * nothing of the connection is made here.  What is over a limit is closed at once; when the system has no descriptor
 * left, accepting rests for a second.
 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "protocol/base.h"

#include <uv.h>

struct listen_config;
struct listeners;
struct server;

/* Binds everything the configuration names, and the admin socket; NULL, with the reason printed, when one cannot be.
 * Nothing is accepted yet, but clients may connect. */
struct listeners *listeners_open(struct server *server, uv_loop_t *loop);
/* Main loop's thread: from now on connections are accepted. */
void listeners_start(struct listeners *listeners);
/* Closes the handles; their memory goes with listeners_destroy(), after the loop has run once more. */
void listeners_close(struct listeners *listeners);
void listeners_destroy(struct listeners *listeners);

struct conn_peer;
struct networks;
struct sockaddr;

/* Who that is, for limits and for the log.  Any thread. */
void listener_describe(struct conn_peer *peer, const struct sockaddr *address, const struct networks *trusted);
/* Any thread: gives a connected socket of this machine to a loop, as if it had been accepted.  `config` outlives it. */
void listener_attach(struct server *server, int fd, const struct listen_config *config);

#endif
