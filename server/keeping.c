#include "server/keeping.h"

#include "storage/changes.h"

enum { JOURNAL_ROWS = 64 /* that are read to see which flags were changed */ };

void keeping_init(struct keeping *k, const struct search *s, struct bytes what)
{
	buf_init(&k->key, LIMIT_KEPT_KEY_BYTES);
	buf_add(&k->key, what.ptr, what.len);
	k->wanted = search_identity(s, &k->key, &k->reads);
}

void keeping_finish(struct keeping *k)
{
	kept_release(k->now);
	kept_release(k->old);
	uids_release(&k->uids);
	uidset_finish(&k->gone);
	uidset_finish(&k->changed);
	buf_finish(&k->key);
	*k = (struct keeping){0};
}

/* What `old` has and `now` has not, until that is too much. */
static bool add_gone(const struct uids *old, const struct uids *now, struct uidset *out)
{
	struct uids_diff diff;
	uint32_t index, uid, n = 0;
	uids_diff_init(&diff, old, now);
	while (uids_diff_next(&diff, &index, &uid)) {
		if (n++ == KEEPING_MENDS_MAX)
			return false;
		uidset_append(out, uid, uid);
	}
	return true;
}

/* Those of which flags that are asked for were changed, and those that came; in doubt, more. */
static void add_flagged(struct keeping *k, struct account *a, const struct kept *old, const struct roster *r)
{
	const struct flag_spec spec = {.system = k->reads.flags};
	if (!k->reads.keywords &&
	    changes_of_flags(a, k->mailbox, kept_modseq(old), &spec, JOURNAL_ROWS, &k->changed) == STORE_OK)
		return;
	uidset_finish(&k->changed);
	changes_flags(r, kept_modseq(old), 1, UINT32_MAX, KEEPING_MENDS_MAX, &k->changed);
}

/* What came; what was changed, when that matters. */
static bool add_changed(struct keeping *k, struct account *a, const struct kept *old, const struct roster *r)
{
	if (k->reads.flags || k->reads.keywords) {
		add_flagged(k, a, old, r);
		return k->changed.n < KEEPING_MENDS_MAX && uidset_count(&k->changed) <= KEEPING_MENDS_MAX;
	}
	uint32_t last = uids_last(kept_uids(old)), from = uids_lower(&r->uids, last + 1), n = r->uids.n - from;
	if (n)
		uidset_append(&k->changed, last + 1, uids_last(&r->uids));
	return n <= KEEPING_MENDS_MAX;
}

static bool is_same(const struct uids *a, const struct uids *b)
{
	struct uidset gone = {0};
	bool same = a->n == b->n && add_gone(a, b, &gone) && gone.n == 0;
	uidset_finish(&gone);
	return same;
}

void keeping_look(struct keeping *k, struct account *a, const struct view *v, const struct roster *r)
{
	k->wanted = k->wanted && is_same(&v->uids, &r->uids);
	if (!k->wanted)
		return;
	k->mailbox = v->mailbox;
	k->modseq = r->info.modseq;
	k->uids = roster_snapshot(r);
	struct kept *kept = kept_find(a, v->mailbox, (struct bytes){k->key.data, k->key.len});
	if (!kept)
		return;
	if (kept_modseq(kept) != k->modseq &&
	    (!add_gone(kept_uids(kept), &k->uids, &k->gone) || !add_changed(k, a, kept, r)))
		return;
	if (k->gone.n || k->changed.n) {
		k->old = kept_acquire(kept);
		return;
	}
	kept_renew(kept, k->modseq, &k->uids);
	k->now = kept_acquire(kept);
}

void keeping_put(struct keeping *k, struct account *a, struct kept_result result, bool shared)
{
	struct bytes key = {k->key.data, k->key.len};
	kept_release(k->now);
	k->now = kept_create(k->mailbox, key, k->modseq, &k->uids, result);
	if (shared)
		kept_add(a, k->now, LIMIT_KEPT_BYTES);
}
