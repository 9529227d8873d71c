#include "server/view.h"

void view_destroy(struct view *v)
{
	if (!v)
		return;
	free(v->uid);
	uidset_finish(&v->recent);
	free(v);
}

uint32_t view_lower(const struct view *v, uint32_t uid)
{
	uint32_t lo = 0, hi = v->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (v->uid[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t view_index(const struct view *v, uint32_t uid)
{
	uint32_t index = view_lower(v, uid);
	return index < v->n && v->uid[index] == uid ? index : v->n;
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
	uint32_t uid = from < v->n ? v->uid[from] : UINT32_MAX;
	while (w->range < set->n && set->v[w->range].hi < uid)
		w->range++;
	seek(w, uid);
}

/* The next message of the view that the set names. */
static bool step(struct view_walk *w, uint32_t *uid)
{
	const struct view *v = w->view;
	while (w->range < w->set->n) {
		const struct uidrange *range = &w->set->v[w->range];
		if (w->next < v->n && v->uid[w->next] < range->lo) {
			w->next = view_lower(v, range->lo);
			if (w->next < v->n)
				seek(w, v->uid[w->next]);
		}
		if (w->next >= v->n)
			return false;
		*uid = v->uid[w->next];
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

bool view_resolve(const struct view *v, const struct numset *set, bool uid, struct uidset *out)
{
	uint32_t star = uid ? (v->n ? v->uid[v->n - 1] : 0) : v->n;
	bool ok = true;
	for (size_t i = 0; i < set->n; i++) {
		uint32_t lo = set->v[i].lo ? set->v[i].lo : star, hi = set->v[i].hi ? set->v[i].hi : star;
		if (lo > hi) {
			uint32_t swap = lo;
			lo = hi;
			hi = swap;
		}
		if (uid) {
			if (v->n && hi)
				uidset_add_any(out, lo ? lo : 1, hi);
			continue;
		}
		if (lo == 0 || hi > v->n)
			ok = false;
		for (uint32_t n = lo ? lo : 1; n <= hi && n <= v->n;) {
			/* Runs of UIDs without a gap become one range. */
			uint32_t end = n;
			while (end < hi && end < v->n && v->uid[end] == v->uid[end - 1] + 1)
				end++;
			uidset_add_any(out, v->uid[n - 1], v->uid[end - 1]);
			n = end + 1;
		}
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

static void tell_expunges(struct view *v, const struct uidset *gone, struct buf *out)
{
	uint32_t to = 0, removed = 0;
	for (uint32_t i = 0; i < v->n; i++) {
		if (uidset_has(gone, v->uid[i])) {
			buf_printf(out, "* %u EXPUNGE\r\n", i + 1 - removed++);
			continue;
		}
		v->uid[to++] = v->uid[i];
	}
	v->n = to;
}

static void tell_arrivals(struct view *v, struct roster *r, struct buf *out)
{
	uint32_t first = roster_lower(r, v->uidnext);
	if (first < r->count) {
		for (uint32_t i = first; i < r->count; i++) {
			if (v->n == v->cap) {
				v->cap = v->cap ? v->cap * 2 : 64;
				v->uid = xrealloc(v->uid, v->cap * sizeof(*v->uid));
			}
			v->uid[v->n++] = r->uid[i];
			if (r->uid[i] > r->info.recent)
				uidset_append(&v->recent, r->uid[i], r->uid[i]);
		}
		uint32_t recent = 0;
		for (uint32_t i = 0; i < v->n; i++)
			recent += uidset_has(&v->recent, v->uid[i]);
		buf_printf(out, "* %u EXISTS\r\n* %u RECENT\r\n", v->n, recent);
		if (!v->read_only && r->info.recent + 1 < r->info.uidnext) {
			r->info.recent = r->info.uidnext - 1;
			r->info_dirty = true;
		}
	}
	v->uidnext = r->info.uidnext;
}

bool view_sync(struct view *v, struct account *a, struct buf *out, bool expunges, bool with_uid)
{
	struct roster *r;
	if (roster_get(a, v->mailbox, &r) != STORE_OK) {
		/* Deleted elsewhere: all its messages are gone (RFC 2180 3.3). */
		v->gone_mailbox = true;
		for (; expunges && v->n; v->n--)
			buf_printf(out, "* %u EXPUNGE\r\n", v->n);
		return v->n != 0;
	}
	if (r->info.modseq == v->flags_modseq && r->info.modseq == v->gone_modseq)
		return false;
	struct uidset gone = {0}, changed = {0};
	bool held = false;
	uint32_t known = v->uidnext;
	if (messages_changed_since(a, v->mailbox, v->flags_modseq, v->gone_modseq, &gone, &changed) == STORE_OK) {
		if (expunges) {
			tell_expunges(v, &gone, out);
			v->gone_modseq = r->info.modseq;
		} else {
			held = gone.n != 0;
		}
		tell_arrivals(v, r, out);
		for (size_t i = 0; i < changed.n; i++) {
			for (uint32_t uid = changed.v[i].lo; uid <= changed.v[i].hi && uid < known; uid++) {
				uint32_t index = view_index(v, uid), at = roster_lower(r, uid);
				if (index == v->n || at == r->count || r->uid[at] != uid)
					continue;
				buf_printf(out, "* %u FETCH (", index + 1);
				if (with_uid)
					buf_printf(out, "UID %u ", uid);
				view_flags_text(v, a, uid, r->flagset[at], out);
				buf_add_text(out, ")\r\n");
			}
		}
		v->flags_modseq = r->info.modseq;
	}
	uidset_finish(&gone);
	uidset_finish(&changed);
	return held;
}
