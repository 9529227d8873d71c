/*
 * Transfer encodings undone (RFC 2045 6), as the bytes come.  Lenient, and always the same for the same bytes however
 * they are cut: what is decoded is immutable to IMAP (RFC 3516 4.3).  Pure; any thread.
 */
#ifndef MIME_DECODE_H
#define MIME_DECODE_H

#include "protocol/mime/parts.h"

enum { MIME_DECODE_HELD_MAX = 256 };

struct mime_decoder {
	enum mime_encoding encoding;
	uint32_t bits;  /* base64: those not yet given out */
	unsigned bits_n;
	bool done;      /* base64: padding was met: what follows is not text */
	/* Quoted-printable: '=' and what follows it, or white space that may be the end of a line. */
	size_t held_n;
	char held[MIME_DECODE_HELD_MAX];
};

/* MIME_UNKNOWN_ENCODING is taken as it is. */
void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding);
/* Adds what is decoded to `out`: at most in.len + MIME_DECODE_HELD_MAX bytes. */
void mime_decoder_feed(struct mime_decoder *d, struct span in, struct buf *out);
/* No more comes. */
void mime_decoder_end(struct mime_decoder *d, struct buf *out);

/* The `B` and `Q` of RFC 2047 4, one word's text.  False: it is not of that encoding, `out` has something of it. */
MUST_USE bool mime_decode_b(struct span text, struct buf *out);
MUST_USE bool mime_decode_q(struct span text, struct buf *out);
/* `%41` of RFC 2231 4; a '%' that is nothing stays. */
void mime_decode_percent(struct span text, struct buf *out);

#endif
