/*
 * A message that comes as binary data (RFC 3516 4.4) made fit to be kept: parts whose Content-Transfer-Encoding is
 * "binary" become base64, and multiparts and messages that say so of themselves, "8bit" (RFC 3516 6: what BODYSTRUCTURE
 * and FETCH BODY tell must be in an encoding that IMAP itself has).  Everything else passes as it is, so that a NUL which
 * no part declares is still there for intake to refuse.
 *
 *	bytes as sent > unbinary > crlf > parser, digest, store
 *
 * Comes before crlf.h, since a bare LF of a binary part is content.  A line at a time, as parser.h reads it: a delimiter
 * line ends what it delimits whatever the part's encoding, and the line end before it is its own.  Where the parser does
 * not look (too deep, a header too long) nothing is changed.  Pure; one thread at a time.
 */
#ifndef MIME_UNBINARY_H
#define MIME_UNBINARY_H

#include "protocol/buf.h"

struct mime_unbinary;

/* Holds at most about 300 KiB, and most messages only a few. */
struct mime_unbinary *mime_unbinary_create(void);
/* Accepts NULL. */
void mime_unbinary_destroy(struct mime_unbinary *u);
/* Adds to `out` what the bytes become, in any cuts: at most two bytes for each, and what was held of before. */
void mime_unbinary_feed(struct mime_unbinary *u, struct span bytes, struct buf *out);
/* No more comes. */
void mime_unbinary_end(struct mime_unbinary *u, struct buf *out);

#endif
