#include "server/view.h"

#include "storage/changes.h"

void view_destroy(struct view *v)
{
	if (!v)
		return;
	uids_release(&v->uids);
	uidset_finish(&v->recent);
	free(v);
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
	while (w->range < set->n && set->v[w->range].hi < uid)
		w->range++;
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

/* A range of sequence numbers is one of UIDs too: what lies between its ends and is not of the view is not there. */
bool view_resolve(const struct view *v, const struct numset *set, bool uid, struct uidset *out)
{
	uint32_t n = v->uids.n, star = uid ? uids_last(&v->uids) : n;
	bool ok = true;
	for (size_t i = 0; i < set->n; i++) {
		uint32_t lo = set->v[i].lo ? set->v[i].lo : star, hi = set->v[i].hi ? set->v[i].hi : star;
		if (lo > hi) {
			uint32_t swap = lo;
			lo = hi;
			hi = swap;
		}
		ok = ok && (uid || (lo > 0 && hi <= n));
		if (n == 0 || hi == 0 || (!uid && lo > n))
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

void view_flags_text(const struct view *v, const struct account *a, uint32_t uid, uint32_t flagset, struct buf *out)
{
	const struct flagset *set = flagset_get(a, flagset);
	buf_add_text(out, "FLAGS (");
	buf_add_text(out, set->text);
	if (uidset_has(&v->recent, uid))
		buf_add_text(out, set->text[0] ? " \\Recent" : "\\Recent");
	buf_add_char(out, ')');
}

/* What is in the view and no longer in the roster; true when there was any.  Without `out` it is only looked for. */
static bool tell_expunges(const struct view *v, const struct uids *now, struct buf *out)
{
	struct uids_diff diff;
	uint32_t index, uid, told = 0;
	uids_diff_init(&diff, &v->uids, now);
	while (uids_diff_next(&diff, &index, &uid)) {
		if (!out)
			return true;
		buf_printf(out, "* %u EXPUNGE\r\n", index + 1 - told++);
	}
	return told > 0;
}

static uint32_t count_recent(const struct view *v)
{
	uint32_t n = 0;
	for (size_t i = 0; i < v->recent.n; i++) {
		const struct uidrange *range = &v->recent.v[i];
		n -= uids_lower(&v->uids, range->lo);
		n += range->hi == UINT32_MAX ? v->uids.n : uids_lower(&v->uids, range->hi + 1);
	}
	return n;
}

static void tell_arrivals(struct view *v, struct roster *r, struct buf *out)
{
	uint32_t last = uids_last(&r->uids);
	if (last >= v->uidnext) {
		uint32_t first = v->uidnext > r->info.recent ? v->uidnext : r->info.recent + 1;
		if (first <= last)
			uidset_append(&v->recent, first, last);
		buf_printf(out, "* %u EXISTS\r\n* %u RECENT\r\n", v->uids.n, count_recent(v));
		if (!v->read_only && r->info.recent + 1 < r->info.uidnext) {
			r->info.recent = r->info.uidnext - 1;
			r->info_dirty = true;
		}
	}
	v->uidnext = r->info.uidnext;
}

static void tell_flags(const struct view *v, const struct account *a, const struct roster *r,
		       const struct uidset *changed, struct buf *out, bool with_uid)
{
	struct view_walk walk;
	struct view_message m;
	view_walk_init(&walk, v, r, changed, 0);
	while (view_walk_next(&walk, &m)) {
		if (m.gone)
			continue;
		buf_printf(out, "* %u FETCH (", m.index + 1);
		if (with_uid)
			buf_printf(out, "UID %u ", m.uid);
		view_flags_text(v, a, m.uid, m.slice->flagset[m.at], out);
		buf_add_text(out, ")\r\n");
	}
}

/* Deleted elsewhere: all its messages are gone (RFC 2180 3.3). */
static bool tell_deletion(struct view *v, struct buf *out, bool expunges)
{
	v->gone_mailbox = true;
	if (!expunges)
		return v->uids.n != 0;
	for (uint32_t n = v->uids.n; n; n--)
		buf_printf(out, "* %u EXPUNGE\r\n", n);
	uids_release(&v->uids);
	return false;
}

bool view_sync(struct view *v, struct account *a, struct buf *out, bool expunges, bool with_uid)
{
	struct roster *r;
	if (roster_get(a, v->mailbox, &r) != STORE_OK)
		return tell_deletion(v, out, expunges);
	if (r->info.modseq == v->flags_modseq && r->info.modseq == v->gone_modseq)
		return false;
	struct uidset changed = {0};
	changes_flags(r, v->flags_modseq, v->uidnext, &changed);
	bool held = r->info.expunge_modseq > v->gone_modseq && tell_expunges(v, &r->uids, expunges ? out : NULL);
	if (held && !expunges) {
		uids_extend(&v->uids, &r->uids, v->uidnext);
	} else {
		uids_release(&v->uids);
		v->uids = roster_snapshot(r);
		v->gone_modseq = r->info.modseq;
		held = false;
	}
	tell_arrivals(v, r, out);
	tell_flags(v, a, r, &changed, out, with_uid);
	v->flags_modseq = r->info.modseq;
	uidset_finish(&changed);
	return held;
}
