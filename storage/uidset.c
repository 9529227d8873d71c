#include "storage/uidset.h"

void uidset_finish(struct uidset *s)
{
	free(s->v);
	*s = (struct uidset){0};
}

void uidset_add_any(struct uidset *s, uint32_t lo, uint32_t hi)
{
	invariant(lo <= hi);
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 8;
		s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
	}
	s->v[s->n++] = (struct uidrange){lo, hi};
}

void uidset_append(struct uidset *s, uint32_t lo, uint32_t hi)
{
	if (s->n && s->v[s->n - 1].hi + 1 == lo) {
		s->v[s->n - 1].hi = hi;
		return;
	}
	invariant(!s->n || s->v[s->n - 1].hi < lo);
	uidset_add_any(s, lo, hi);
}

static int range_order(const void *a, const void *b)
{
	const struct uidrange *x = a, *y = b;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

void uidset_normalise(struct uidset *s)
{
	if (s->n < 2)
		return;
	bool sorted = true;
	for (size_t i = 1; i < s->n && sorted; i++)
		sorted = s->v[i - 1].lo <= s->v[i].lo;
	if (!sorted)
		qsort(s->v, s->n, sizeof(*s->v), range_order);
	size_t out = 0;
	for (size_t i = 1; i < s->n; i++) {
		if (s->v[out].hi == UINT32_MAX || s->v[i].lo <= s->v[out].hi + 1) {
			if (s->v[i].hi > s->v[out].hi)
				s->v[out].hi = s->v[i].hi;
		} else {
			s->v[++out] = s->v[i];
		}
	}
	s->n = out + 1;
}

void uidset_intersect(const struct uidset *a, const struct uidset *b, struct uidset *out)
{
	for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
		uint32_t lo = a->v[i].lo > b->v[k].lo ? a->v[i].lo : b->v[k].lo;
		uint32_t hi = a->v[i].hi < b->v[k].hi ? a->v[i].hi : b->v[k].hi;
		if (lo <= hi)
			uidset_append(out, lo, hi);
		if (a->v[i].hi < b->v[k].hi)
			i++;
		else
			k++;
	}
}

void uidset_subtract(const struct uidset *a, const struct uidset *b, struct uidset *out)
{
	size_t k = 0;
	for (size_t i = 0; i < a->n; i++) {
		uint64_t lo = a->v[i].lo, hi = a->v[i].hi; /* wide, since a range may end at the last number */
		while (k < b->n && b->v[k].hi < lo)
			k++;
		for (; k < b->n && b->v[k].lo <= hi && lo <= hi; k++) {
			if (b->v[k].lo > lo)
				uidset_append(out, (uint32_t)lo, b->v[k].lo - 1);
			lo = (uint64_t)b->v[k].hi + 1;
			if (lo > hi)
				break; /* this range may reach into the next one of `a` */
		}
		if (lo <= hi)
			uidset_append(out, (uint32_t)lo, (uint32_t)hi);
	}
}

bool uidset_has(const struct uidset *s, uint32_t uid)
{
	size_t lo = 0, hi = s->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (s->v[mid].hi < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->v[lo].lo <= uid;
}

uint64_t uidset_count(const struct uidset *s)
{
	uint64_t count = 0;
	for (size_t i = 0; i < s->n; i++)
		count += (uint64_t)s->v[i].hi - s->v[i].lo + 1;
	return count;
}
