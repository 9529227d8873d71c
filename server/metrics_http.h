/*
 * The metrics over HTTP, for Prometheus and those that read its format: GET /metrics, on loopback or a local socket only, since
 * nobody is asked who it is.  A thread of its own; whatever asks slowly or often is in nobody's way.
 */
#ifndef SERVER_METRICS_HTTP_H
#define SERVER_METRICS_HTTP_H

#include "protocol/base.h"

struct metrics_http;
struct server;

/* `where`: "127.0.0.1:9143", "[::1]:9143", or the path of a socket.  False for anything else. */
MUST_USE bool metrics_http_is_address(const char *where);
/* NULL, with the reason printed.  `server` outlives it. */
struct metrics_http *metrics_http_open(const struct server *server, const char *where);
/* Takes NULL. */
void metrics_http_close(struct metrics_http *m);

#endif
