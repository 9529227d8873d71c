/* The running server: what its threads share.  Everything here is set before they start, or has its own lock. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/config.h"
#include "server/accounts.h"
#include "server/loop.h"

struct auth_pool;
struct conn_user;
struct tls;
struct workers;

struct server {
	struct config config;
	struct loop *loops;
	struct workers *workers;
	struct accounts *accounts;
	struct auth_pool *auth;
	struct tls *tls; /* NULL without certificates */
};

int server_run(const char *config_path);
extern const struct conn_user session_user, lmtp_user;

#endif
