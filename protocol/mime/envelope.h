/* ENVELOPE (RFC 3501 7.4.2) from a header block.  Pure; any thread. */
#ifndef MIME_ENVELOPE_H
#define MIME_ENVELOPE_H

#include "protocol/mime/header.h"

/* Address lists end early rather than pass these: a whole ENVELOPE stays under ENVELOPE_MAX and four long values. */
enum { ENVELOPE_ADDRESSES_MAX = 10000, ENVELOPE_MAX = 262144 };

/* Adds `(date subject from sender reply-to to cc bcc in-reply-to message-id)`: syntactically valid whatever the header
 * holds.  Values are unfolded and trimmed, encoded-words and 8-bit text as they are; the first Date, Subject, In-Reply-To
 * and Message-ID win, address fields that are repeated are joined; Sender and Reply-To are From where they are absent or
 * empty.  `out` latches when its limit is passed. */
void mime_envelope_write(const struct mime_header *h, struct buf *out);

#endif
