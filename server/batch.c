#include "server/batch.h"

void batch_init(struct batch *b, const struct uidset *set)
{
	*b = (struct batch){.set = set};
}

bool batch_next(struct batch *b, const struct uids *uids, uint32_t n, struct uidset *out)
{
	out->n = 0;
	for (; n && !batch_is_over(b); b->range++) {
		uint32_t lo = b->set->v[b->range].lo, hi = b->set->v[b->range].hi;
		lo = b->from > lo ? b->from : lo;
		uint32_t first = uids_lower(uids, lo), end = hi == UINT32_MAX ? uids->n : uids_lower(uids, hi + 1);
		if (end - first > n) {
			hi = uids_at(uids, first + n - 1);
			uidset_append(out, lo, hi);
			b->from = hi + 1;
			b->given += n;
			return true;
		}
		uidset_append(out, lo, hi);
		b->given += end - first;
		n -= end - first;
	}
	return out->n > 0;
}

uint64_t batch_total(const struct batch *b, const struct uids *uids)
{
	uint64_t total = 0;
	for (size_t i = 0; i < b->set->n; i++) {
		uint32_t hi = b->set->v[i].hi, end = hi == UINT32_MAX ? uids->n : uids_lower(uids, hi + 1);
		total += end - uids_lower(uids, b->set->v[i].lo);
	}
	return total;
}

bool batch_is_over(const struct batch *b)
{
	return b->range == b->set->n;
}
