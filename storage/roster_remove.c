/*
 * Taking messages out of a roster: only the segments that hold them are touched, and their neighbours where a small
 * segment joins another.  The UID map is put together anew around them, all else of it shared.
 */
#include "storage/roster_private.h"

#include "storage/changes.h"
#include "storage/usage.h"

/* A run of touched segments, first to last, while messages are taken out. */
struct cut {
	uint32_t lo, hi;  /* segments */
	uint32_t **fresh; /* per segment of the run: its new UIDs, or NULL */
};

/* Takes `n` messages, at `indexes` less `first`, out of a segment. */
static void thin_segment(struct roster *r, struct segment *s, const uint32_t *indexes, uint32_t n, uint32_t first,
			 uint32_t **fresh)
{
	struct message_columns c = segment_columns(s);
	struct uids_run run = roster_chunk(r, first);
	invariant(run.n == s->count && n <= s->count);
	*fresh = xmalloc(s->count * sizeof(**fresh));
	uint32_t to = 0, from = 0;
	for (uint32_t k = 0; k <= n; k++) {
		uint32_t end = k < n ? indexes[k] - first : s->count;
		segment_copy(&c, to, &c, from, end - from);
		memcpy(*fresh + to, run.uid + from, (end - from) * sizeof(**fresh));
		to += end - from;
		from = end + 1;
	}
	s->count = to;
}

/* Adds segment `k` to its left neighbour `left`. */
static void join_segments(struct roster *r, uint32_t left, uint32_t k, uint32_t **left_fresh, uint32_t **k_fresh)
{
	struct segment *l = &r->segments[left], *s = &r->segments[k];
	uint32_t **fresh[2] = {left_fresh, k_fresh}, numbers[2] = {left, k};
	for (int i = 0; i < 2; i++) {
		if (*fresh[i])
			continue;
		struct uids_run run = roster_chunk(r, uids_chunk_first(&r->uids, numbers[i]));
		*fresh[i] = xmalloc(run.n * sizeof(*run.uid));
		memcpy(*fresh[i], run.uid, run.n * sizeof(*run.uid));
	}
	*left_fresh = xrealloc(*left_fresh, (l->count + s->count) * sizeof(**left_fresh));
	memcpy(*left_fresh + l->count, *k_fresh, s->count * sizeof(**k_fresh));
	segment_reserve(l, l->count + s->count);
	struct message_columns to = segment_columns(l), from = segment_columns(s);
	segment_copy(&to, l->count, &from, 0, s->count);
	l->count += s->count;
	l->unseen += s->unseen;
	l->deleted += s->deleted;
	l->dirty = true;
	roster_raise_modseq(r, l, r->modseq_max[k]);
	s->count = s->unseen = s->deleted = 0;
}

static void rebuild_uids(struct roster *r, const struct cut *cut)
{
	struct uids made = {0};
	for (uint32_t k = 0; k < r->segments_n;) {
		uint32_t first, end, node = uids_node(&r->uids, k, &first, &end);
		if (end <= cut->lo || first > cut->hi) {
			uids_share_node(&made, &r->uids, node);
			k = end;
			continue;
		}
		for (; k < end; k++) {
			const uint32_t *fresh = k >= cut->lo && k <= cut->hi ? cut->fresh[k - cut->lo] : NULL;
			uint32_t n = r->segments[k].count;
			if (n == 0)
				continue;
			if (!fresh)
				uids_share_chunk(&made, &r->uids, k);
			else
				memcpy(uids_add_chunk(&made, n, k + 1 < r->segments_n ? n : SEGMENT_MESSAGES, fresh[0]), fresh,
				       n * sizeof(*fresh));
		}
	}
	uids_release(&r->uids);
	r->uids = made;
}

static void squeeze_segments(struct roster *r, const struct cut *cut)
{
	uint32_t to = cut->lo;
	for (uint32_t k = cut->lo; k < r->segments_n; k++) {
		struct segment *s = &r->segments[k];
		if (s->count) {
			r->modseq_max[to] = r->modseq_max[k];
			r->segments[to++] = *s;
			continue;
		}
		free(s->columns);
		if (s->low == 0)
			continue;
		if (r->dead_n == r->dead_cap) {
			r->dead_cap = r->dead_cap ? r->dead_cap * 2 : 4;
			r->dead = xrealloc(r->dead, r->dead_cap * sizeof(*r->dead));
		}
		r->dead[r->dead_n++] = s->low;
	}
	r->segments_n = to;
}

static void uncount(struct roster *r, const struct segment *s, uint32_t at)
{
	struct message_columns c = segment_columns(s);
	r->info.messages--;
	r->info.bytes -= c.size[at];
	roster_depopulate(r, c.flagset[at], 1);
}

void roster_remove(struct account *a, struct roster *r, const uint32_t *indexes, uint32_t n)
{
	invariant(n > 0);
	uint64_t bytes = r->info.bytes;
	struct cut cut = {.lo = roster_chunk(r, indexes[0]).chunk, .hi = roster_chunk(r, indexes[n - 1]).chunk};
	/* Neighbours may be joined: they are part of the run. */
	cut.lo -= cut.lo > 0;
	cut.hi += cut.hi + 1 < r->segments_n;
	cut.fresh = xcalloc(cut.hi - cut.lo + 1, sizeof(*cut.fresh));
	roster_changed(a, r, CHANGE_EXPUNGED);
	r->info.expunge_modseq = a->op_modseq;
	for (uint32_t i = 0; i < n;) {
		struct uids_run run = roster_chunk(r, indexes[i]);
		uint32_t k = run.chunk, first = indexes[i] - run.offset, from = i;
		struct segment *s = &r->segments[k];
		for (; i < n && indexes[i] < first + s->count; i++)
			uncount(r, s, indexes[i] - first);
		thin_segment(r, s, indexes + from, i - from, first, &cut.fresh[k - cut.lo]);
		roster_summarise(a, r, s);
	}
	uint32_t live = UINT32_MAX;
	for (uint32_t k = cut.lo; k <= cut.hi; k++) {
		uint32_t **fresh = &cut.fresh[k - cut.lo], count = r->segments[k].count;
		if (count == 0)
			continue;
		uint32_t **left = live != UINT32_MAX ? &cut.fresh[live - cut.lo] : NULL;
		if (left && (*left || *fresh) && r->segments[live].count + count <= SEGMENT_MESSAGES / 2)
			join_segments(r, live, k, left, fresh);
		else
			live = k;
	}
	rebuild_uids(r, &cut);
	squeeze_segments(r, &cut);
	usage_subtract(a, bytes - r->info.bytes, n);
	invariant(r->uids.n == r->info.messages && uids_chunks(&r->uids) == r->segments_n);
	for (uint32_t k = cut.lo; k <= cut.hi; k++)
		free(cut.fresh[k - cut.lo]);
	free(cut.fresh);
}
