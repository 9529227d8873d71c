/*
 * The lines that a final delivery puts before a message (RFC 5321 4.4), and the one it takes away: a Return-Path that
 * is there already is of another delivery, or a lie.
 */
#ifndef LMTP_TRACE_H
#define LMTP_TRACE_H

#include "protocol/buf.h"

/* "Return-Path: <sender>" and "Delivered-To: recipient". */
void trace_write_recipient(struct buf *out, struct span sender, struct span recipient);
/* "Wed, 25 Nov 2026 18:00:05 +0000" (RFC 5322 3.3) */
void trace_write_date(struct buf *out, int64_t unix_s);
/* "Received: from domain ([peer]) by host with LMTP id ID; date", folded, in UTC; with UTF8LMTP (RFC 6531 4.3). */
struct trace_received {
	struct span domain; /* as LHLO had it */
	const char *peer; /* an IP address; NULL for the same machine */
	const char *host;
	bool is_utf8; /* SMTPUTF8 was asked for */
	uint64_t id; /* written in hexadecimal */
	int64_t unix_s;
};
void trace_write_received(struct buf *out, const struct trace_received *r);

enum { TRACE_HELD_MAX = 12 }; /* "Return-Path:" */

/* The filter over a message (CRLF line ends, any cuts). {0} starts one. */
struct trace_filter {
	enum trace_state { TRACE_NAME, TRACE_KEEP, TRACE_DROP, TRACE_BODY } state;
	bool dropped;  /* the line before was dropped, and so is its continuation */
	char held[TRACE_HELD_MAX]; /* the beginning of a line that may be one to drop */
	unsigned held_n;
};
/* What `in` becomes: `in` itself once the header is over, else a copy in `scratch` (emptied first; at most in.len +
 * TRACE_HELD_MAX octets), valid until the next call. */
struct span trace_filter_feed(struct trace_filter *f, struct span in, struct buf *scratch);
/* What is still held when the message ends in its header. */
struct span trace_filter_end(struct trace_filter *f);

#endif
