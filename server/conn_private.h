/* What conn.c and conn_io.c share; nobody else includes it. */
#ifndef SERVER_CONN_PRIVATE_H
#define SERVER_CONN_PRIVATE_H

#include "server/conn.h"

/* conn.c: after a callback of the user.  Sends what it wrote, and closes for a peer that has ended and whose input is
 * answered. */
void conn_settle(struct conn *c);
/* conn.c: a deadline came nearer. */
void conn_arm(struct conn *c);
/* conn.c: the peer took output, or has new output to take. */
void conn_progress(struct conn *c);
/* conn_io.c: output that has not reached the socket, in bytes. */
size_t conn_pending(const struct conn *c);
/* conn_io.c: there is input that c->in had no room for. */
bool conn_has_packed(const struct conn *c);
/* conn.c: the compression is needed again. */
void conn_stir(struct conn *c);
/* conn_io.c: decompresses as much of it as there is room for. */
void conn_unpack(struct conn *c);
/* conn_io.c: in any state but CONN_CLOSED. */
void conn_read(struct conn *c, bool on);

#endif
