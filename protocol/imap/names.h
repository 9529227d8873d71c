/* Mailbox names on the wire and within: modified UTF-7 (RFC 3501 5.1.3), validity, LIST patterns. */
#ifndef IMAP_NAMES_H
#define IMAP_NAMES_H

#include "protocol/arena.h"
#include "protocol/buf.h"

enum { NAME_BYTES_MAX = 1000, NAME_LEVELS_MAX = 32 };

/* The name within: UTF-8, "INBOX" for any case of it, no trailing separator.  False: no mailbox can have it.
 * *out is NUL-terminated, in the arena. */
bool name_decode(struct arena *a, struct span wire, struct span *out);
/* Writes a name as a client of IMAP4rev1 reads it: modified UTF-7, as atom or quoted. */
void name_write(struct buf *out, const char *name);
/* '*' is any run, '%' any run without '/'.  Linear space, no exponential time. */
bool pattern_matches(struct span pattern, const char *name);

#endif
