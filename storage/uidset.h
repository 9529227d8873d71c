/* A set of UIDs as sorted, disjoint, non-adjacent ranges; grows at the end only.  Heap, owned. */
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

void uidset_finish(struct uidset *s);
/* `lo` must be above every UID in the set. */
void uidset_append(struct uidset *s, uint32_t lo, uint32_t hi);
bool uidset_has(const struct uidset *s, uint32_t uid);
/* Sorts and merges ranges added out of order to v directly. */
void uidset_add_any(struct uidset *s, uint32_t lo, uint32_t hi);
void uidset_normalise(struct uidset *s);
uint64_t uidset_count(const struct uidset *s);

#endif
