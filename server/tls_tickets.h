/*
 * Session tickets (RFC 5077, RFC 8446 4.6.1): what a client needs to resume is sealed and given to the client, so the
 * server keeps nothing a session.  The keys are random, live in memory only, and are replaced every few hours; older
 * ones still open tickets until they are dropped, so that stolen memory opens at most that much recorded traffic (of
 * TLS 1.2; in TLS 1.3 each resumption has a key exchange of its own).
 */
#ifndef SERVER_TLS_TICKETS_H
#define SERVER_TLS_TICKETS_H

#include <openssl/ssl.h>

struct tls_tickets;

enum { TICKET_ROTATE_S = 6 * 3600, TICKET_KEYS = 3, TICKET_LIFE_S = TICKET_ROTATE_S * (TICKET_KEYS - 1) };

struct tls_tickets *tls_tickets_create(void);
/* Takes NULL. */
void tls_tickets_destroy(struct tls_tickets *tickets);
/* Connections of `ctx`, on any thread, use these tickets.  They outlive it. */
void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ctx);

#endif
