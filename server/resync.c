#include "server/resync.h"

#include "protocol/imap/response.h"
#include "storage/changes.h"
#include "storage/gone.h"

enum { WINDOW_RANGES = 1024 };

/* ---- messages that changed ---- */

void changed_init(struct changed *c, uint64_t since, const struct uidset *within)
{
	*c = (struct changed){.since = since, .within = within, .from = 1};
}

void changed_finish(struct changed *c)
{
	uidset_finish(&c->window);
}

static void next_window(struct changed *c, const struct view *v, const struct roster *r)
{
	struct uidset found = {0};
	changes_flags(r, c->since, c->from, v->uidnext, WINDOW_RANGES, &found);
	c->last = found.n < WINDOW_RANGES;
	if (found.n)
		c->from = found.v[found.n - 1].hi + 1;
	c->window.n = 0;
	uidset_intersect(&found, c->within, &c->window);
	uidset_finish(&found);
	view_walk_init(&c->walk, v, r, &c->window, c->next);
}

void changed_resume(struct changed *c, const struct view *v, const struct roster *r)
{
	view_walk_init(&c->walk, v, r, &c->window, c->next);
}

bool changed_next(struct changed *c, struct view_message *out)
{
	for (;;) {
		while (view_walk_next(&c->walk, out)) {
			c->next = out->index + 1;
			if (!out->gone)
				return true;
		}
		if (c->last)
			return false;
		next_window(c, c->walk.view, c->walk.roster);
	}
}

/* ---- UIDs that vanished ---- */

/* What was expunged and is still to be told to this session: the plain VANISHED will do that. */
static void leave_pending(const struct view *v, const struct roster *r, struct uidset *uids)
{
	struct uidset pending = {0}, rest = {0};
	struct uids_diff diff;
	uint32_t index, uid;
	uids_diff_init(&diff, &v->uids, &r->uids);
	while (uids_diff_next(&diff, &index, &uid))
		uidset_append(&pending, uid, uid);
	if (pending.n) {
		uidset_subtract(uids, &pending, &rest);
		uidset_finish(uids);
		*uids = rest;
	}
	uidset_finish(&pending);
}

enum store_err vanished_init(struct vanished_earlier *e, struct account *a, const struct view *v, uint64_t since,
			     const struct uidset *known, uint32_t sure)
{
	struct roster *r;
	struct uidset gone = {0}, range = {0};
	*e = (struct vanished_earlier){0};
	enum store_err err = roster_get(a, v->mailbox, &r);
	if (err)
		return err;
	if (since < r->info.floor) {
		e->all = true;
		if (sure + 1 < v->uidnext)
			uidset_append(&range, sure + 1, v->uidnext - 1);
		uidset_intersect(&range, known, &e->uids);
	} else if (r->info.expunge_modseq > since) {
		err = gone_since(a, v->mailbox, since, v->uidnext, &gone);
		uidset_intersect(&gone, known, &e->uids);
		leave_pending(v, r, &e->uids);
	}
	uidset_finish(&range);
	uidset_finish(&gone);
	return err;
}

void vanished_finish(struct vanished_earlier *e)
{
	uidset_finish(&e->uids);
}

/* The next range of `uids` without a message. */
static bool next_gap(struct vanished_earlier *e, const struct uids *now, uint32_t *lo, uint32_t *hi)
{
	for (; e->range < e->uids.n; e->range++) {
		const struct uidrange *range = &e->uids.v[e->range];
		uint32_t from = e->from > range->lo ? e->from : range->lo, index = uids_lower(now, from);
		while (from <= range->hi && index < now->n && uids_at(now, index) == from) {
			from++;
			index++;
		}
		if (from > range->hi)
			continue;
		uint32_t next = index < now->n ? uids_at(now, index) : UINT32_MAX;
		*lo = from;
		*hi = next <= range->hi ? next - 1 : range->hi;
		e->from = *hi + 1;
		return true;
	}
	return false;
}

static bool next_range(struct vanished_earlier *e, const struct view *v, uint32_t *lo, uint32_t *hi)
{
	if (e->all)
		return next_gap(e, &v->uids, lo, hi);
	if (e->range == e->uids.n)
		return false;
	*lo = e->uids.v[e->range].lo;
	*hi = e->uids.v[e->range++].hi;
	return true;
}

bool vanished_write(struct vanished_earlier *e, const struct view *v, size_t full_bytes, struct buf *out)
{
	uint32_t lo, hi;
	bool first = true, all = false;
	while (out->len < full_bytes && !(all = !next_range(e, v, &lo, &hi))) {
		if (first)
			buf_add_text(out, "* VANISHED (EARLIER) ");
		response_range(out, first, lo, hi);
		first = false;
	}
	if (!first)
		buf_add_text(out, "\r\n");
	return all;
}

/* ---- pairs of sequence numbers and UIDs ---- */

/* Of the pairs (seq + i, uid + i), i < n, the last that fits: numbers in a mailbox ascend at least as fast as their
 * UIDs' places, so that those that fit are neighbours. */
static uint32_t last_fit(uint32_t seq, uint32_t uid, uint32_t n, const struct uids *now)
{
	uint32_t lo = 0, hi = seq > now->n ? 0 : (n < now->n - seq + 1 ? n : now->n - seq + 1);
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (uids_at(now, seq - 1 + mid) <= uid + mid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && uids_at(now, seq - 1 + lo - 1) == uid + lo - 1 ? uid + lo - 1 : 0;
}

uint32_t resync_match(const struct numset *seqs, const struct numset *uids, const struct uids *now)
{
	uint32_t best = 0, seq_done = 0, uid_done = 0;
	for (size_t i = 0, k = 0; i < seqs->n && k < uids->n;) {
		uint32_t seq = seqs->v[i].lo + seq_done, uid = uids->v[k].lo + uid_done;
		uint32_t seqs_left = seqs->v[i].hi - seq, uids_left = uids->v[k].hi - uid; /* less one */
		uint32_t n = seqs_left < uids_left ? seqs_left : uids_left;
		uint32_t fit = last_fit(seq, uid, n == UINT32_MAX ? n : n + 1, now);
		best = fit ? fit : best;
		seq_done = seqs_left == n ? 0 : seq_done + n + 1;
		uid_done = uids_left == n ? 0 : uid_done + n + 1;
		i += seqs_left == n;
		k += uids_left == n;
	}
	return best;
}
