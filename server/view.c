#include "server/view.h"

struct view *view_create(struct account *a, struct roster *r, bool read_only)
{
	struct view *v = xcalloc(1, sizeof(*v));
	v->mailbox = r->info.id;
	v->read_only = read_only;
	v->uids = roster_snapshot(r);
	v->uidnext = r->info.uidnext;
	v->flags_modseq = v->gone_modseq = r->info.modseq;
	if (uids_last(&r->uids) > r->info.recent)
		uidset_append(&v->recent, r->info.recent + 1, uids_last(&r->uids));
	roster_keywords(a, r, &v->keywords);
	return v;
}

void view_destroy(struct view *v)
{
	if (!v)
		return;
	uids_release(&v->uids);
	uids_release(&v->telling.now);
	uidset_finish(&v->recent);
	uidset_finish(&v->saved);
	free(v->binary_mark);
	free(v);
}

bool view_is_recent(const struct view *v, uint32_t uid)
{
	return !(v->dialect & DIALECT_REV2) && v->recent.n && uid >= v->recent.v[0].lo && uidset_has(&v->recent, uid);
}

uint64_t view_highest_modseq(const struct view *v)
{
	return v->gone_modseq < v->flags_modseq ? v->gone_modseq : v->flags_modseq;
}

/* Puts the roster's place at its first message from `uid` on. */
static void seek(struct view_walk *w, uint32_t uid)
{
	w->at = 0;
	if (!roster_slice_at(w->roster, roster_lower(w->roster, uid), &w->slice))
		w->slice.n = 0;
}

void view_walk_init(struct view_walk *w, const struct view *v, const struct roster *r, const struct uidset *set,
		    uint32_t from)
{
	*w = (struct view_walk){.view = v, .roster = r, .set = set, .next = from};
	uint32_t uid = from < v->uids.n ? uids_at(&v->uids, from) : UINT32_MAX;
	for (size_t lo = 0, hi = set->n; lo < hi;) { /* the first range that does not end before */
		size_t mid = lo + (hi - lo) / 2;
		if (set->v[mid].hi < uid)
			w->range = lo = mid + 1;
		else
			hi = mid;
	}
	seek(w, uid);
}

/* The UID at index `next`; false at the end of the view. */
static bool next_uid(struct view_walk *w, uint32_t *uid)
{
	if (w->next - w->run_first >= w->run.n) { /* also before it: the difference wraps */
		w->run_first = w->next;
		if (!uids_run(&w->view->uids, w->next, &w->run))
			return false;
	}
	*uid = w->run.uid[w->next - w->run_first];
	return true;
}

/* The next message of the view that the set names. */
static bool step(struct view_walk *w, uint32_t *uid)
{
	while (w->range < w->set->n) {
		const struct uidrange *range = &w->set->v[w->range];
		if (!next_uid(w, uid))
			return false;
		if (*uid < range->lo) {
			w->next = uids_lower(&w->view->uids, range->lo);
			if (!next_uid(w, uid))
				return false;
			seek(w, *uid);
		}
		if (*uid <= range->hi)
			return true;
		w->range++;
	}
	return false;
}

/* Moves the roster's place to the first message from `uid` on; false when that is another one. */
static bool follow(struct view_walk *w, uint32_t uid)
{
	for (;;) {
		while (w->at < w->slice.n && w->slice.uid[w->at] < uid)
			w->at++;
		if (w->at < w->slice.n)
			return w->slice.uid[w->at] == uid;
		w->at = 0;
		if (w->slice.n == 0)
			return false;
		if (!roster_slice_at(w->roster, w->slice.index + w->slice.n, &w->slice))
			w->slice.n = 0;
	}
}

bool view_walk_next(struct view_walk *w, struct view_message *out)
{
	uint32_t uid;
	if (!step(w, &uid))
		return false;
	out->index = w->next++;
	out->uid = uid;
	out->gone = !follow(w, uid);
	out->slice = &w->slice;
	out->at = w->at;
	return true;
}

/* How many of the first `n` UIDs both have; they share most chunks. */
static uint32_t same_uids(const uint32_t *a, const uint32_t *b, uint32_t n)
{
	uint32_t i = 0;
	if (a == b || memcmp(a, b, n * sizeof(*a)) == 0)
		return n;
	while (a[i] == b[i])
		i++;
	return i;
}

bool view_walk_stretch(struct view_walk *w, uint32_t below, struct view_stretch *out)
{
	uint32_t uid;
	while (step(w, &uid) && w->next < below) {
		if (!follow(w, uid)) {
			w->next++;
			continue;
		}
		uint32_t in_run = w->next - w->run_first, n = w->run.n - in_run, hi = w->set->v[w->range].hi;
		n = n < w->slice.n - w->at ? n : w->slice.n - w->at;
		n = n < below - w->next ? n : below - w->next;
		n = same_uids(w->run.uid + in_run, w->slice.uid + w->at, n);
		while (w->run.uid[in_run + n - 1] > hi)
			n--;
		*out = (struct view_stretch){.index = w->next, .n = n, .slice = &w->slice, .at = w->at};
		w->next += n;
		return true;
	}
	return false;
}

/* A range of sequence numbers is one of UIDs too: what lies between its ends and is not of the view is not there. */
bool view_resolve(const struct view *v, const struct numset *set, bool uid, struct uidset *out)
{
	uint32_t n = v->uids.n, star = uid ? uids_last(&v->uids) : n;
	bool ok = true;
	for (size_t i = 0; set->saved && i < v->saved.n; i++)
		uidset_append(out, v->saved.v[i].lo, v->saved.v[i].hi);
	for (size_t i = 0; i < set->n; i++) {
		uint32_t lo = set->v[i].lo ? set->v[i].lo : star, hi = set->v[i].hi ? set->v[i].hi : star;
		if (lo > hi) {
			uint32_t swap = lo;
			lo = hi;
			hi = swap;
		}
		ok = ok && (uid || (lo > 0 && hi <= n));
		if (uid && hi > star)
			hi = star; /* what was not told is not there (RFC 9051 7.5.1) */
		if (n == 0 || hi < lo || (!uid && lo > n))
			continue;
		lo = lo ? lo : 1;
		if (uid)
			uidset_add_any(out, lo, hi);
		else
			uidset_add_any(out, uids_at(&v->uids, lo - 1), uids_at(&v->uids, (hi < n ? hi : n) - 1));
	}
	uidset_normalise(out);
	return ok;
}

/* The indexes of the view that a range covers: [*from, *below). */
static uint32_t covered(const struct view *v, const struct uidrange *range, uint32_t *from)
{
	uint32_t below = range->hi < UINT32_MAX ? uids_lower(&v->uids, range->hi + 1) : v->uids.n;
	*from = uids_lower(&v->uids, range->lo);
	return below - *from;
}

void view_take_partial(const struct view *v, const struct partial *p, struct uidset *set)
{
	struct uidset out = {0};
	uint64_t total = 0, first, last, before = 0;
	uint32_t from;
	for (size_t i = 0; i < set->n; i++)
		total += covered(v, &set->v[i], &from);
	bool any = partial_places(p, total, &first, &last);
	for (size_t i = 0; any && i < set->n && before < last; i++) {
		uint32_t n = covered(v, &set->v[i], &from);
		uint64_t lo = first > before ? first - before : 1, hi = last - before < n ? last - before : n;
		if (lo <= hi) /* places in this range, from 1 */
			uidset_append(&out, uids_at(&v->uids, from + (uint32_t)lo - 1),
				      uids_at(&v->uids, from + (uint32_t)hi - 1));
		before += n;
	}
	uidset_finish(set);
	*set = out;
}

bool view_names_gone(const struct view *v, const struct roster *r, const struct uidset *set)
{
	struct uids_diff diff;
	uint32_t index, uid;
	if (r->info.expunge_modseq <= v->gone_modseq)
		return false;
	uids_diff_init(&diff, &v->uids, &r->uids);
	while (uids_diff_next(&diff, &index, &uid))
		if (uidset_has(set, uid))
			return true;
	return false;
}
