/*
 * Reading the configuration again while the server runs: what can change without dropping a session does, for everything
 * else that is not what it was there is a line in the log.
 *
 * Taken over are log_level, the file of the log (opened afresh), the limits on failed logins and on sessions of a user, and
 * what can be set for users and domains as well; the certificates' directory is looked at.  A configuration that is wrong
 * changes nothing.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "protocol/base.h"

struct config;
struct server;

/* Any thread, one at a time: the caller sees to it.  `each` (or NULL) is told of each option that is not what it was.
 * False: the configuration cannot be read. */
bool reload_run(struct server *server, void (*each)(void *ctx, const char *option, bool taken), void *ctx);

#endif
