/*
 * The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a proxy says before the client's first byte, so
 * that the server knows who the client is.  Pure; any thread.
 */
#ifndef PROTOCOL_PROXY_H
#define PROTOCOL_PROXY_H

#include "protocol/base.h"
#include "protocol/span.h"

enum {
	PROXY_V1_MAX = 107,    /* bytes, with CRLF (2.1) */
	PROXY_HEADER_MAX = 4096 /* of version 2 with its TLVs; more is refused */
};

enum proxy_status {
	PROXY_MORE, /* it may become one: come again with more bytes */
	PROXY_WHOLE,
	PROXY_BAD /* this is none, or not one that is understood */
};

struct proxy_header {
	size_t size; /* bytes of the header: behind them the client speaks */
	bool has_source; /* else the connection is the proxy's own (LOCAL), or it does not know (UNKNOWN) */
	unsigned char source[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
};

/* `bytes` is all that has come. */
MUST_USE enum proxy_status proxy_parse(struct span bytes, struct proxy_header *out);

#endif
