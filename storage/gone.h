/*
 * The graveyard: what EXPUNGE, MOVE and DELETE removed, whole entries in the segment's format, under the op's modseq, until
 * history_prune() takes them.  VANISHED, ghosts for views that were not told yet, undelete and the audit read it.
 */
#ifndef STORAGE_GONE_H
#define STORAGE_GONE_H

#include "storage/roster.h"

/* Parts of at most this many messages keep rows below the size where the table would need overflow pages. */
enum { GONE_PART = 128 };

/* Buries the messages at `indexes` (ascending): to be called before roster_remove(). */
MUST_USE enum store_err gone_bury(struct account *a, const struct roster *r, const uint32_t *indexes, uint32_t n);
/* UIDs below `below` expunged after modseq `since`, added to `out`. */
MUST_USE enum store_err gone_since(struct account *a, int64_t mailbox, uint64_t since, uint32_t below,
				   struct uidset *out);

/* Every entry of one mailbox's graves with the modseq of its burial, in that order, until `each` says false; `each` does
 * not write. */
MUST_USE enum store_err gone_each(struct account *a, int64_t mailbox,
				  bool (*each)(void *ctx, uint64_t modseq, const struct roster_entry *e), void *ctx);
/* The UIDs buried in a mailbox at just this modseq, to `out` (normalised). */
MUST_USE enum store_err gone_at(struct account *a, int64_t mailbox, uint64_t modseq, struct uidset *out);

/* The entries of messages that were expunged after a modseq: ghosts (RFC 2180 4.1.1). */
struct ghosts {
	struct roster_entry *v; /* by UID */
	size_t n;
};
/* Those expunged after `since` that lie in `set` (normalised): 56 bytes each, so ask for what one slice needs.
 * ghosts_finish() it, also after a failure. */
MUST_USE enum store_err ghosts_load(struct account *a, int64_t mailbox, uint64_t since, const struct uidset *set,
				    struct ghosts *out);
void ghosts_finish(struct ghosts *g);
/* NULL: not there, or buried too long ago. */
const struct roster_entry *ghosts_find(const struct ghosts *g, uint32_t uid);

#endif
