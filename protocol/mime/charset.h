/*
 * Charsets to UTF-8 (iconv), as the bytes come.  Octets that are nothing in their charset, and everything in a charset that
 * is not known, go through as they are: they are compared as octets (RFC 5255 4.6).  One thread at a time; opening may
 * load a conversion table.
 */
#ifndef MIME_CHARSET_H
#define MIME_CHARSET_H

#include "protocol/buf.h"

enum { MIME_CHARSET_HELD_MAX = 16 };

struct mime_charset {
	void *cd; /* iconv_t; NULL: the bytes go through */
	bool bytewise;
	size_t held_n;
	char held[MIME_CHARSET_HELD_MAX]; /* the beginning of a character */
};

/* By any of its names.  False: it is not known, and the bytes go through.  UTF-8, US-ASCII and no name need no
 * conversion. */
bool mime_charset_open(struct mime_charset *c, struct span name);
/* Accepts a zeroed struct. */
void mime_charset_close(struct mime_charset *c);
/* Adds UTF-8 (and odd octets) to `out`. */
void mime_charset_feed(struct mime_charset *c, struct span in, struct buf *out);
/* No more comes; the next text may. */
void mime_charset_end(struct mime_charset *c, struct buf *out);

#endif
