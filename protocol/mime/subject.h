/* The base subject (RFC 5256 2.1), by which SORT and THREAD compare.  Pure; any thread. */
#ifndef MIME_SUBJECT_H
#define MIME_SUBJECT_H

#include "protocol/buf.h"

/* Adds the base subject of a raw Subject value to `out`: UTF-8, not folded.  True when what was taken off says that the
 * message answers or forwards another: `re:`, `(fwd)`, `[fwd: ]`. */
bool mime_base_subject(struct span raw, struct buf *out);

#endif
