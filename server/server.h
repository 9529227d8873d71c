/* The running server: what its threads share.  Everything here is set before they start, or has its own lock. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/config.h"
#include "server/lane.h"
#include "server/loop.h"

#include <openssl/ssl.h>

struct server {
	struct config config;
	struct loop *loops;
	struct lanes *lanes;
	SSL_CTX *tls; /* NULL without certificates; SNI picks among them */
};

int server_run(const char *config_path);
void session_accept(struct conn *c);
void lmtp_accept(struct conn *c);
/* A mailbox changed: runs on a loop for each of its connections that are IMAP sessions. */
void session_notify(struct conn *c, struct lane *lane, int64_t mailbox);
extern const struct conn_user session_user;
/* tls.c */
SSL_CTX *tls_create(const struct config *config);
void tls_destroy(SSL_CTX *ctx);

#endif
