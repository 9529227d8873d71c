/* Base64 (RFC 4648 4), strictly: padded, no spaces, nothing behind the padding. */
#ifndef SERVER_BASE64_H
#define SERVER_BASE64_H

#include "protocol/buf.h"

/* Decodes `in` into `out` (room for in.len / 4 * 3 + 1; a NUL is added).  False: it is not base64. */
MUST_USE bool base64_decode(struct span in, char *out, size_t *out_len);
/* Appends. */
void base64_encode(struct buf *out, const char *bytes, size_t len);

#endif
