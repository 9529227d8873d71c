/* Encoded-words (RFC 2047) for reading, never for ENVELOPE.  Pure; any thread. */
#ifndef MIME_WORDS_H
#define MIME_WORDS_H

#include "protocol/buf.h"

/* Adds an unfolded value to `out` as UTF-8 (with whatever raw octets it held).  White space between two encoded-words goes
 * (6.2); what they hold is joined before it is converted where their charset is the same, so that a character may be
 * split between them.  A word in an unknown charset or with a broken encoding stays as it is written. */
void mime_words_decode(struct span value, struct buf *out);

#endif
