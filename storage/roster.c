/*
 * Invariants: segment k is chunk k of `uids`, so that the map says where a message's other columns are; no segment is
 * empty between calls; `population`, the segments' summaries and the mailbox row's counters agree with the columns.
 */
#include "storage/roster.h"

#include "storage/changes.h"
#include "storage/flagset.h"
#include "storage/roster_private.h"
#include "storage/usage.h"

enum { COLUMN_BYTES = 4 * 8 + 2 * 4 + 2, SEGMENT_CAP_FIRST = 16 };

/* All columns of a segment are one block, widest first, so that each is aligned. */
struct message_columns segment_columns(const struct segment *s)
{
	char *at = s->columns;
	size_t cap = s->cap;
	return (struct message_columns){.modseq = (uint64_t *)(void *)at,
					.internal_date = (int64_t *)(void *)(at + cap * 8),
					.save_date = (int64_t *)(void *)(at + cap * 16),
					.content = (int64_t *)(void *)(at + cap * 24),
					.flagset = (uint32_t *)(void *)(at + cap * 32),
					.size = (uint32_t *)(void *)(at + cap * 36),
					.zone_min = (int16_t *)(void *)(at + cap * 40)};
}

void segment_copy(const struct message_columns *to, uint32_t to_at, const struct message_columns *from,
			 uint32_t from_at, uint32_t n)
{
	memmove(to->modseq + to_at, from->modseq + from_at, n * sizeof(*to->modseq));
	memmove(to->internal_date + to_at, from->internal_date + from_at, n * sizeof(*to->internal_date));
	memmove(to->save_date + to_at, from->save_date + from_at, n * sizeof(*to->save_date));
	memmove(to->content + to_at, from->content + from_at, n * sizeof(*to->content));
	memmove(to->flagset + to_at, from->flagset + from_at, n * sizeof(*to->flagset));
	memmove(to->size + to_at, from->size + from_at, n * sizeof(*to->size));
	memmove(to->zone_min + to_at, from->zone_min + from_at, n * sizeof(*to->zone_min));
}

void segment_reserve(struct segment *s, uint32_t cap)
{
	if (cap <= s->cap)
		return;
	invariant(cap <= SEGMENT_MESSAGES);
	struct segment larger = *s;
	larger.cap = cap;
	larger.columns = xmalloc((size_t)cap * COLUMN_BYTES);
	if (s->columns) {
		struct message_columns to = segment_columns(&larger), from = segment_columns(s);
		segment_copy(&to, 0, &from, 0, s->count);
		free(s->columns);
	}
	*s = larger;
}

struct segment *roster_add_segment(struct roster *r)
{
	if (r->segments_n == r->segments_cap) {
		r->segments_cap = r->segments_cap ? r->segments_cap * 2 : 4;
		r->segments = xrealloc(r->segments, r->segments_cap * sizeof(*r->segments));
		r->modseq_max = xrealloc(r->modseq_max, r->segments_cap * sizeof(*r->modseq_max));
	}
	r->modseq_max[r->segments_n] = 0;
	r->segments[r->segments_n] = (struct segment){0};
	return &r->segments[r->segments_n++];
}

void roster_free(struct roster *r)
{
	for (uint32_t i = 0; i < r->segments_n; i++)
		free(r->segments[i].columns);
	uids_release(&r->uids);
	free(r->segments);
	free(r->modseq_max);
	free(r->dead);
	free(r->population);
	free(r);
}

struct roster *roster_loaded(const struct account *a, int64_t mailbox)
{
	for (struct roster *r = a->rosters; r; r = r->next)
		if (r->info.id == mailbox)
			return r;
	return NULL;
}

void roster_drop(struct account *a, int64_t mailbox)
{
	for (struct roster **at = &a->rosters; *at; at = &(*at)->next) {
		if ((*at)->info.id == mailbox) {
			struct roster *r = *at;
			*at = r->next;
			roster_free(r);
			return;
		}
	}
}

void roster_drop_all(struct account *a)
{
	while (a->rosters)
		roster_drop(a, a->rosters->info.id);
}

bool roster_is_behind(const struct account *a)
{
	const struct roster *r = a->rosters;
	while (r && !r->info_dirty)
		r = r->next;
	return r != NULL;
}

void roster_keep(struct account *a)
{
	for (struct roster *r = a->rosters; r; r = r->next)
		r->in_op = false;
}

void roster_undo(struct account *a)
{
	for (struct roster **at = &a->rosters; *at;) {
		struct roster *r = *at;
		if (!r->in_op) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		roster_free(r);
	}
}

struct uids roster_snapshot(const struct roster *r)
{
	return uids_acquire(&r->uids);
}

uint32_t roster_lower(const struct roster *r, uint32_t uid)
{
	return uids_lower(&r->uids, uid);
}

struct uids_run roster_chunk(const struct roster *r, uint32_t index)
{
	struct uids_run run;
	bool found = uids_run(&r->uids, index, &run);
	invariant(found);
	return run;
}

bool roster_slice_at(const struct roster *r, uint32_t index, struct roster_slice *out)
{
	struct uids_run run;
	if (!uids_run(&r->uids, index, &run))
		return false;
	struct message_columns c = segment_columns(&r->segments[run.chunk]);
	uint32_t at = run.offset;
	*out = (struct roster_slice){.index = index,
				      .n = run.n,
				      .uid = run.uid,
				      .flagset = c.flagset + at,
				      .size = c.size + at,
				      .modseq = c.modseq + at,
				      .internal_date = c.internal_date + at,
				      .save_date = c.save_date + at,
				      .content = c.content + at,
				      .zone_min = c.zone_min + at};
	return true;
}

void roster_read(const struct roster *r, uint32_t index, struct roster_entry *out)
{
	struct roster_slice s;
	bool found = roster_slice_at(r, index, &s);
	invariant(found);
	*out = roster_entry_at(&s, 0);
}

struct roster_entry roster_entry_at(const struct roster_slice *s, uint32_t i)
{
	invariant(i < s->n);
	return (struct roster_entry){.uid = s->uid[i], .flagset = s->flagset[i], .size = s->size[i],
				     .modseq = s->modseq[i], .internal_date = s->internal_date[i],
				     .save_date = s->save_date[i], .content = s->content[i],
				     .zone_min = s->zone_min[i]};
}

uint32_t roster_first_unseen(const struct account *a, const struct roster *r)
{
	uint32_t index = 0, k = 0;
	if (r->info.unseen == 0)
		return r->uids.n;
	while (k < r->segments_n && r->segments[k].unseen == 0)
		index += r->segments[k++].count;
	invariant(k < r->segments_n);
	struct message_columns c = segment_columns(&r->segments[k]);
	for (uint32_t i = 0; i < r->segments[k].count; i++, index++)
		if (!(flagset_system(a, c.flagset[i]) & FLAG_SEEN))
			return index;
	invariant(false && "a segment's count of unseen messages is right");
	return index;
}

void roster_keywords(const struct account *a, const struct roster *r, struct keyword_set *out)
{
	*out = (struct keyword_set){0};
	for (uint32_t id = 0; id < r->population_n; id++)
		if (r->population[id])
			keyword_set_add(out, flagset_get(a, id));
}

enum store_err roster_check_keywords(const struct account *a, const struct roster *r, const uint32_t *flagsets, size_t n)
{
	struct keyword_set used;
	int before = -1;
	for (size_t i = 0; i < n; i++) {
		const struct flagset *set = flagset_get(a, flagsets[i]);
		if (set->keywords_n == 0 || roster_population(r, flagsets[i]))
			continue;
		if (before < 0) {
			roster_keywords(a, r, &used);
			before = keyword_set_count(&used);
		}
		keyword_set_add(&used, set);
	}
	if (before < 0)
		return STORE_OK;
	int after = keyword_set_count(&used);
	return after > before && after > MAILBOX_KEYWORDS_MAX ? STORE_LIMIT : STORE_OK;
}

uint32_t roster_population(const struct roster *r, uint32_t flagset)
{
	return flagset < r->population_n ? r->population[flagset] : 0;
}

void roster_cursor_init(struct roster_cursor *c, const struct roster *r, const struct uidset *set)
{
	*c = (struct roster_cursor){.r = r, .set = set, .end = r->uids.n};
}

/* How many of `uid` are below `bound`. */
static uint32_t count_below(const uint32_t *uid, uint32_t n, uint64_t bound)
{
	uint32_t lo = 0;
	if (uid[n - 1] < bound)
		return n;
	while (lo < n) {
		uint32_t mid = lo + (n - lo) / 2;
		if (uid[mid] < bound)
			lo = mid + 1;
		else
			n = mid;
	}
	return lo;
}

static void slice_narrow(struct roster_slice *s, uint32_t skip, uint32_t n)
{
	s->index += skip;
	s->n = n;
	s->uid += skip;
	s->flagset += skip;
	s->size += skip;
	s->modseq += skip;
	s->internal_date += skip;
	s->save_date += skip;
	s->content += skip;
	s->zone_min += skip;
}

bool roster_cursor_next(struct roster_cursor *c, struct roster_slice *out)
{
	while (c->range < c->set->n && c->index < c->end) {
		const struct uidrange *range = &c->set->v[c->range];
		if (!roster_slice_at(c->r, c->index, out))
			return false;
		out->n = out->n < c->end - c->index ? out->n : c->end - c->index;
		uint32_t skip = count_below(out->uid, out->n, range->lo);
		if (skip == out->n) {
			c->index = roster_lower(c->r, range->lo);
			continue;
		}
		uint32_t n = count_below(out->uid + skip, out->n - skip, (uint64_t)range->hi + 1);
		c->range += skip + n < out->n; /* the next message lies above this range */
		c->index += skip + n;
		if (n == 0)
			continue;
		slice_narrow(out, skip, n);
		return true;
	}
	return false;
}

static void populate(struct roster *r, uint32_t flagset, uint32_t n)
{
	if (flagset >= r->population_n) {
		size_t more = flagset + 16;
		r->population = xrealloc(r->population, more * sizeof(*r->population));
		memset(r->population + r->population_n, 0, (more - r->population_n) * sizeof(*r->population));
		r->population_n = more;
	}
	r->population[flagset] += n;
}

void roster_depopulate(struct roster *r, uint32_t flagset, uint32_t n)
{
	invariant(flagset < r->population_n && r->population[flagset] >= n);
	r->population[flagset] -= n;
}

void roster_count_segment(const struct account *a, struct roster *r, struct segment *s)
{
	struct message_columns c = segment_columns(s);
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t system = flagset_system(a, c.flagset[i]);
		s->unseen += !(system & FLAG_SEEN);
		s->deleted += (system & FLAG_DELETED) != 0;
		populate(r, c.flagset[i], 1);
	}
}

/* The segment's summary anew; the mailbox's counters follow. */
void roster_summarise(const struct account *a, struct roster *r, struct segment *s)
{
	struct message_columns c = segment_columns(s);
	uint32_t unseen = 0, deleted = 0;
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t system = flagset_system(a, c.flagset[i]);
		unseen += !(system & FLAG_SEEN);
		deleted += (system & FLAG_DELETED) != 0;
	}
	r->info.unseen += unseen - s->unseen;
	r->info.deleted += deleted - s->deleted;
	s->unseen = unseen;
	s->deleted = deleted;
	s->dirty = true;
}

struct change *roster_changed(struct account *a, struct roster *r, unsigned kind)
{
	r->info.modseq = account_modseq(a);
	r->info_dirty = r->in_op = true;
	return account_touch(a, r->info.id, kind);
}

void roster_raise_modseq(struct roster *r, const struct segment *s, uint64_t modseq)
{
	uint64_t *max = &r->modseq_max[s - r->segments];
	*max = modseq > *max ? modseq : *max;
}

void roster_append(struct account *a, struct roster *r, const struct roster_entry *e)
{
	invariant(e->uid < r->info.uidnext); /* and above all: uids_append() sees to that */
	struct segment *s = uids_append(&r->uids, e->uid) ? roster_add_segment(r) : &r->segments[r->segments_n - 1];
	if (s->count == s->cap)
		segment_reserve(s, s->cap ? (s->cap < SEGMENT_MESSAGES / 4 ? s->cap * 4 : SEGMENT_MESSAGES)
					  : SEGMENT_CAP_FIRST);
	struct message_columns c = segment_columns(s);
	uint32_t i = s->count++, system = flagset_system(a, e->flagset);
	c.flagset[i] = e->flagset;
	c.size[i] = e->size;
	c.modseq[i] = e->modseq;
	c.internal_date[i] = e->internal_date;
	c.save_date[i] = e->save_date;
	c.content[i] = e->content;
	c.zone_min[i] = (int16_t)e->zone_min;
	populate(r, e->flagset, 1);
	uint32_t unseen = !(system & FLAG_SEEN), deleted = (system & FLAG_DELETED) != 0;
	s->unseen += unseen;
	s->deleted += deleted;
	s->dirty = true;
	roster_raise_modseq(r, s, e->modseq);
	r->info.messages++;
	r->info.bytes += e->size;
	usage_add(a, e->size, 1);
	r->info.unseen += unseen;
	r->info.deleted += deleted;
	struct change *change = roster_changed(a, r, CHANGE_ARRIVED);
	change->first_uid = change->first_uid ? change->first_uid : e->uid;
	change->last_uid = e->uid;
}

struct stretch {
	struct roster *r;
	struct roster_flag_run run;
	bool any;
	uint32_t n, end; /* messages; index after the last that changed */
	void (*each)(void *ctx, const struct roster_flag_run *run);
	void *ctx;
};

static void end_stretch(struct stretch *st)
{
	if (st->n == 0)
		return;
	roster_depopulate(st->r, st->run.from, st->n);
	populate(st->r, st->run.to, st->n);
	st->n = 0;
	if (st->each)
		st->each(st->ctx, &st->run);
}

/* One slice of roster_map_flags(); true when anything changed. */
static bool map_slice(struct stretch *st, const struct roster_slice *slice, uint32_t *flagset, uint64_t *modseq,
		      const uint32_t *map, uint64_t now)
{
	bool any = false;
	for (uint32_t i = 0; i < slice->n; i++) {
		uint32_t from = flagset[i], to = map[from], index = slice->index + i;
		if (to == from)
			continue;
		any = true;
		flagset[i] = to;
		modseq[i] = now;
		if (st->n && st->end == index && st->run.from == from) {
			st->run.hi = slice->uid[i];
		} else {
			end_stretch(st);
			st->run = (struct roster_flag_run){slice->uid[i], slice->uid[i], from, to, st->any && st->end == index};
		}
		st->n++;
		st->any = true;
		st->end = index + 1;
	}
	return any;
}

void roster_map_flags(struct account *a, struct roster *r, const struct uidset *set, const uint32_t *map,
		      void (*each)(void *ctx, const struct roster_flag_run *run), void *ctx)
{
	struct roster_cursor cursor;
	struct roster_slice slice;
	struct stretch st = {.r = r, .each = each, .ctx = ctx};
	bool any = false;
	roster_cursor_init(&cursor, r, set);
	while (roster_cursor_next(&cursor, &slice)) {
		struct uids_run run = roster_chunk(r, slice.index);
		struct segment *s = &r->segments[run.chunk];
		struct message_columns c = segment_columns(s);
		/* The modseq is taken at the first message that changes: a STORE that changes nothing takes none. */
		if (!any) {
			for (uint32_t i = 0; i < slice.n && !any; i++)
				any = map[slice.flagset[i]] != slice.flagset[i];
			if (!any)
				continue;
			roster_changed(a, r, CHANGE_FLAGS);
		}
		if (map_slice(&st, &slice, c.flagset + run.offset, c.modseq + run.offset, map, a->op_modseq)) {
			roster_raise_modseq(r, s, a->op_modseq);
			roster_summarise(a, r, s);
		}
	}
	end_stretch(&st);
}
