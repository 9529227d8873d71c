/*
 * Mailbox names: as clients write them, and within, where they are UTF-8 in NFC, components separated by '/', and
 * "INBOX" in capitals wherever it is the first component (RFC 3501 5.1; RFC 9051 5.1).
 */
#ifndef IMAP_NAME_H
#define IMAP_NAME_H

#include "protocol/arena.h"
#include "protocol/buf.h"

enum { NAME_BYTES_MAX = 1000, NAME_LEVELS_MAX = 32 };

/*
 * The name within, NUL-terminated in the arena.  False: no mailbox can have this name, because it is not in the wire's
 * encoding, too long or too deep, has an empty component, or "." or ".." for one, or holds controls, line separators
 * (RFC 9755 3) or a wildcard.  One '/' at the end is a hint and dropped (RFC 3501 6.3.3).
 */
MUST_USE bool name_decode(struct arena *a, struct span wire, unsigned dialect, struct span *out);
/* Was the name, as it came in UTF-8, not the one within?  INBOX in another case and a '/' at the end do not count. */
bool name_was_changed(struct span wire, struct span within);
/* A name within as the client reads it, as atom or quoted. `name` is NUL-terminated. */
void name_write(struct buf *out, const char *name, unsigned dialect);

#endif
