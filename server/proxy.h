/*
 * What comes before the client on a listener with `proxy_networks`: the proxy's header (protocol/proxy.h), which says who
 * the client is.  Until then the connection is used by proxy_user; then by whom the listener's protocol names, and the
 * limits and the log see the client.  TLS begins behind the header.
 */
#ifndef SERVER_PROXY_H
#define SERVER_PROXY_H

#include "server/conn.h"

extern const struct conn_user proxy_user;

#endif
