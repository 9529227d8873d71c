/* Strings as ENVELOPE and BODYSTRUCTURE write them (RFC 3501 9).  Pure; any thread. */
#ifndef MIME_NSTRING_H
#define MIME_NSTRING_H

#include "protocol/buf.h"

/* A single header value longer than this is cut, at a character where it is UTF-8. */
enum { MIME_VALUE_MAX = 16384 };

/* nstring: NIL for a NULL ptr; quoted where quoting can say it, else a literal (8-bit text, CR, LF).  No IMAP string
 * may hold a NUL: it goes out as '?'. */
void mime_nstring(struct buf *out, struct span s);
/* A token as a quoted string in upper case, at most 255 bytes of it. */
void mime_upper(struct buf *out, struct span token);

#endif
