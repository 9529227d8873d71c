#include "protocol/imap/numset.h"

static uint32_t seq_number(struct lexer *lx)
{
	return lexer_accept(lx, '*') ? (uint32_t)NUMSET_STAR : lexer_nz_number(lx);
}

void numset_parse(struct lexer *lx, struct numset *out)
{
	*out = (struct numset){0};
	do {
		struct numrange r = {.lo = seq_number(lx)};
		r.hi = lexer_accept(lx, ':') ? seq_number(lx) : r.lo;
		if (!lexer_within(lx, LIMIT_SET_RANGES, out->n + 1))
			return;
		out->v = arena_grow(lx->arena, out->v, out->n, sizeof(*out->v));
		out->v[out->n++] = r;
	} while (lexer_accept(lx, ','));
}

void numset_parse_messages(struct lexer *lx, struct numset *out)
{
	*out = (struct numset){.saved = lexer_accept(lx, '$')};
	if (!out->saved)
		numset_parse(lx, out);
}

void partial_parse(struct lexer *lx, struct partial *out)
{
	*out = (struct partial){.backwards = lexer_accept(lx, '-')};
	out->from = lexer_nz_number(lx);
	lexer_expect(lx, ':', "A range is expected");
	if (out->backwards)
		lexer_expect(lx, '-', "Both ends of a range count from the same side");
	out->to = lexer_nz_number(lx);
}

bool partial_places(const struct partial *p, uint64_t total, uint64_t *first, uint64_t *last)
{
	uint64_t near = p->from < p->to ? p->from : p->to, far = p->from < p->to ? p->to : p->from;
	if (near > total)
		return false;
	far = far < total ? far : total;
	*first = p->backwards ? total - far + 1 : near;
	*last = p->backwards ? total - near + 1 : far;
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct numrange *x = a, *y = b;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

void numset_normalise(struct numset *set, uint32_t star)
{
	bool sorted = true;
	size_t n = 0;
	for (size_t i = 0; i < set->n; i++) {
		struct numrange r = set->v[i];
		r.lo = r.lo == NUMSET_STAR ? star : r.lo;
		r.hi = r.hi == NUMSET_STAR ? star : r.hi;
		if (r.lo > r.hi)
			r = (struct numrange){r.hi, r.lo};
		if (r.hi == 0)
			continue;
		r.lo = r.lo ? r.lo : 1;
		sorted = sorted && (n == 0 || set->v[n - 1].lo <= r.lo);
		set->v[n++] = r;
	}
	if (!sorted)
		qsort(set->v, n, sizeof(*set->v), compare_ranges);
	set->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct numrange *last = set->n ? &set->v[set->n - 1] : NULL;
		if (last && (last->hi == UINT32_MAX || set->v[i].lo <= last->hi + 1))
			last->hi = set->v[i].hi > last->hi ? set->v[i].hi : last->hi;
		else
			set->v[set->n++] = set->v[i];
	}
}

bool numset_has(const struct numset *set, uint32_t number)
{
	size_t lo = 0, hi = set->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (set->v[mid].hi < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < set->n && set->v[lo].lo <= number;
}
