#include "server/mail_had.h"

#include "protocol/base.h"
#include "storage/gone.h"
#include "storage/roster.h"

struct burials {
	struct mail_had *had;
	const struct imported *imported;
};

static void add(struct mail_had *h, int64_t content, uint32_t uid, bool as_brought)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 256;
		h->v = xrealloc(h->v, h->cap * sizeof(*h->v));
	}
	h->v[h->n++] = (struct mail_had_message){.content = content, .uid = uid, .as_brought = as_brought};
}

static bool on_buried(void *ctx, uint64_t modseq, const struct roster_entry *e)
{
	struct burials *b = ctx;
	if (!imported_has(b->imported, modseq))
		add(b->had, e->content, 0, false);
	return true;
}

static int order(const void *x, const void *y)
{
	const struct mail_had_message *a = x, *b = y;
	if (a->content != b->content)
		return a->content < b->content ? -1 : 1;
	/* What is there comes before what was removed. */
	return (a->uid - 1 > b->uid - 1) - (a->uid - 1 < b->uid - 1);
}

enum store_err mail_had_load(struct mail_had *h, struct account *a, int64_t mailbox, const struct imported *imported,
			     bool removed)
{
	struct roster *r;
	struct roster_slice s;
	struct burials burials = {h, imported};
	h->n = 0;
	enum store_err err = roster_get(a, mailbox, &r);
	for (uint32_t at = 0; !err && roster_slice_at(r, at, &s); at += s.n)
		for (uint32_t i = 0; i < s.n; i++)
			add(h, s.content[i], s.uid[i], imported_has(imported, s.modseq[i]));
	if (!err && removed)
		err = gone_each(a, mailbox, on_buried, &burials);
	if (h->n)
		qsort(h->v, h->n, sizeof(*h->v), order);
	return err;
}

void mail_had_finish(struct mail_had *h)
{
	free(h->v);
	*h = (struct mail_had){0};
}

const struct mail_had_message *mail_had_take(struct mail_had *h, int64_t content, uint32_t uid)
{
	size_t lo = 0, hi = h->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (h->v[mid].content < content)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < h->n && h->v[lo].content == content; lo++) {
		struct mail_had_message *m = &h->v[lo];
		if (m->came || (uid && m->uid != uid))
			continue;
		m->came = true;
		return m;
	}
	return NULL;
}

void mail_had_missing(const struct mail_had *h, struct uidset *out)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].as_brought && !h->v[i].came && h->v[i].uid)
			uidset_add_any(out, h->v[i].uid, h->v[i].uid);
	uidset_normalise(out);
}
