#include "server/uid_order.h"

enum { BLOCK = 4096 /* messages between two looks at the clock */, WEIGHT_PLACE = 256 };

void uid_order_finish(struct uid_order *o)
{
	free(o->v);
	free(o->uids);
	*o = (struct uid_order){0};
}

struct kept_result uid_order_take(struct uid_order *o)
{
	struct kept_result result = {o->v, o->n * sizeof(*o->v)};
	o->v = NULL;
	uid_order_finish(o);
	return result;
}

static bool must_pause(const struct uid_order *o, struct slice *slice)
{
	return o->at % BLOCK == 0 && slice_is_over(slice, BLOCK);
}

/* ---- from a sorter ---- */

/* In the order of the view, where UIDs lie side by side. */
static bool read_uids(struct uid_order *o, const struct found *found, const struct view *v, struct slice *slice)
{
	struct uids_run run = {0};
	uint32_t first = 0;
	for (; o->at < found->n; o->at++) {
		uint32_t index = found->v[o->at].index;
		if (must_pause(o, slice))
			return false;
		if (index - first >= run.n) {
			bool there = uids_run(&v->uids, index, &run);
			invariant(there);
			first = index;
		}
		o->uids[o->at] = run.uid[index - first];
	}
	return true;
}

bool uid_order_make(struct uid_order *o, const struct sorter *s, const struct view *v, struct slice *slice)
{
	if (!o->v) {
		o->v = xmalloc(s->found->n * sizeof(*o->v));
		o->uids = xmalloc(s->found->n * sizeof(*o->uids));
	}
	if (o->at < s->found->n && !read_uids(o, s->found, v, slice))
		return false;
	for (; o->n < s->found->n; o->n++) {
		if (o->n % BLOCK == 0 && slice_is_over(slice, BLOCK))
			return false;
		o->v[o->n] = o->uids[sorter_at(s, o->n)];
	}
	return true;
}

/* ---- from an older one ---- */

static bool take_out(struct uid_order *o, const struct keeping *k, struct slice *slice)
{
	struct bytes old = kept_data(k->old);
	const uint32_t *from = old.ptr;
	uint32_t n = (uint32_t)(old.len / sizeof(*from)), lo = UINT32_MAX, hi = 0;
	const struct uidset *sets[] = {&k->gone, &k->changed};
	for (size_t i = 0; i < countof(sets); i++) {
		if (sets[i]->n && sets[i]->v[0].lo < lo)
			lo = sets[i]->v[0].lo;
		if (sets[i]->n && sets[i]->v[sets[i]->n - 1].hi > hi)
			hi = sets[i]->v[sets[i]->n - 1].hi;
	}
	if (!o->v)
		o->v = xmalloc((n + (size_t)KEEPING_MENDS_MAX) * sizeof(*o->v));
	for (; o->at < n; o->at++) {
		if (must_pause(o, slice))
			return false;
		uint32_t uid = from[o->at];
		if (uid < lo || uid > hi || !(uidset_has(&k->gone, uid) || uidset_has(&k->changed, uid)))
			o->v[o->n++] = uid;
	}
	o->at = 0;
	o->taken_out = true;
	return true;
}

/* What is compared with, and by what. */
struct scale {
	struct account *a;
	const struct roster *roster;
	const struct sort_key *keys;
	size_t keys_n;
	bool needs_pages;
	unsigned want;
	enum store_err err;
};

static bool load(struct scale *sc, int64_t content)
{
	const struct keys_page *page;
	if (sc->needs_pages && !sc->err)
		sc->err = keys_page(sc->a, content, sc->want, &page);
	return !sc->err;
}

/* False: it was expunged meanwhile, or cannot be read. */
static bool read_message(struct scale *sc, uint32_t uid, struct found_message *out)
{
	struct roster_entry entry;
	uint32_t index;
	if (!uids_find(&sc->roster->uids, uid, &index))
		return false;
	roster_read(sc->roster, index, &entry);
	*out = (struct found_message){.content = entry.content, .arrived_s = entry.internal_date, .size = entry.size};
	return load(sc, entry.content);
}

static bool is_before(const struct scale *sc, const struct found_message *m, uint32_t uid,
		      const struct found_message *other, uint32_t other_uid)
{
	int order = sorter_compare(keys_get(sc->a), sc->keys, sc->keys_n, m, other);
	return order ? order < 0 : uid < other_uid;
}

/* How many come before it; wrong when sc->err is set.  Those that are no more may stand on either side. */
static uint32_t place_of(const struct uid_order *o, struct scale *sc, const struct found_message *m, uint32_t uid)
{
	uint32_t lo = 0, hi = o->n;
	while (lo < hi && !sc->err) {
		struct found_message other;
		uint32_t mid = lo + (hi - lo) / 2, at = mid;
		while (at < hi && !read_message(sc, o->v[at], &other))
			at++;
		if (at < hi && !is_before(sc, m, uid, &other, o->v[at]))
			lo = at + 1;
		else
			hi = mid;
	}
	return lo;
}

enum sorter_state uid_order_mend(struct uid_order *o, const struct keeping *k, const struct sorter *s,
				 const struct view *v, struct account *a, struct slice *slice, enum store_err *out_err)
{
	struct scale sc = {.a = a, .keys = s->keys, .keys_n = s->keys_n};
	struct roster *roster;
	*out_err = roster_get(a, v->mailbox, &roster);
	if (*out_err)
		return SORTER_FAILED;
	sc.roster = roster;
	sc.needs_pages = sorter_needs_pages(s->keys, s->keys_n, &sc.want);
	if (!o->taken_out && !take_out(o, k, slice))
		return SORTER_AGAIN;
	for (; o->at < s->found->n; o->at++) {
		const struct found_message *m = &s->found->v[o->at];
		uint32_t uid = uids_at(&v->uids, m->index);
		if (slice_is_over(slice, WEIGHT_PLACE))
			return SORTER_AGAIN;
		uint32_t place = load(&sc, m->content) ? place_of(o, &sc, m, uid) : 0;
		*out_err = sc.err;
		if (sc.err)
			return SORTER_FAILED;
		memmove(o->v + place + 1, o->v + place, (o->n - place) * sizeof(*o->v));
		o->v[place] = uid;
		o->n++;
	}
	return SORTER_DONE;
}
