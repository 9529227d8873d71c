/*
 * A set of UIDs as ranges.  Normalised: sorted, disjoint, and no two that touch; that is what everything but
 * uidset_add_any() keeps and expects.  As large as its ranges are many, whatever UIDs they span.  Heap, owned.
 */
#ifndef STORAGE_UIDSET_H
#define STORAGE_UIDSET_H

#include "storage/base.h"

struct uidrange {
	uint32_t lo, hi; /* inclusive */
};

struct uidset {
	struct uidrange *v;
	size_t n, cap;
};

/* Leaves an empty set. */
void uidset_finish(struct uidset *s);
/* `lo` must be above every UID in the set. */
void uidset_append(struct uidset *s, uint32_t lo, uint32_t hi);
/* In any order and with any overlap (lo <= hi): uidset_normalise() before the set is used. */
void uidset_add_any(struct uidset *s, uint32_t lo, uint32_t hi);
/* O(n) when the ranges were added in order, else O(n log n) of their number. */
void uidset_normalise(struct uidset *s);
/* What both have, and what `a` has and `b` has not, to `out` (empty before).  O(n) in their ranges. */
void uidset_intersect(const struct uidset *a, const struct uidset *b, struct uidset *out);
void uidset_subtract(const struct uidset *a, const struct uidset *b, struct uidset *out);
/* O(log n) */
bool uidset_has(const struct uidset *s, uint32_t uid);
uint64_t uidset_count(const struct uidset *s);

#endif
