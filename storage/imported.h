/*
 * Which changes came with imports from another server: their modseqs.  A message whose last change has one of those is as
 * the other server had it then; one that has another was changed here since, or came here in another way.  A jump of the clock
 * (jump.h) restamps all messages: after it all count as changed here.
 *
 * An import's ops follow one another, so that they make few ranges, one row each.  Thread: the account's lane.
 */
#ifndef STORAGE_IMPORTED_H
#define STORAGE_IMPORTED_H

#include "storage/account.h"

struct imported_range {
	uint64_t first, last;
};

struct imported {
	struct imported_range *v; /* ascending */
	size_t n, cap;
};

/* Inside an op: what it changed so far, and does from here on, is an import's. */
MUST_USE enum store_err imported_note(struct account *a);
/* Into a zeroed struct: what was noted so far.  imported_finish() it, also after a failure. */
MUST_USE enum store_err imported_load(struct account *a, struct imported *out);
void imported_finish(struct imported *im);
bool imported_has(const struct imported *im, uint64_t modseq);

#endif
