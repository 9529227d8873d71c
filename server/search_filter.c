/*
 * Asking the full-text index before the messages: each string of the program becomes the set of contents that may hold
 * it, one after the other, in slices.  What the index cannot say (short strings, contents above its watermark, an index
 * that was thrown away meanwhile) stays open, and the messages are asked.
 */
#include "server/search_private.h"

#include "server/limits.h"

enum {
	FEW_MESSAGES = 16, /* it is cheaper to look into so many than to ask */
	ASK_COST = 256,
	SIEVE_COST = 32
};

static bool is_string(const struct search_node *node)
{
	return node->kind == SEARCH_FIELD || node->kind == SEARCH_HEADER || node->kind == SEARCH_BODY ||
	       node->kind == SEARCH_TEXT;
}

/* Of the fields whose grams are marked (index_run.c). */
static uint64_t mark_of(const struct search_node *node)
{
	bool field = node->kind == SEARCH_FIELD || node->kind == SEARCH_HEADER;
	if (field && span_is(node->name, "FROM"))
		return FULLTEXT_GRAM_FROM;
	return field && span_is(node->name, "SUBJECT") ? FULLTEXT_GRAM_SUBJECT : 0;
}

void search_filters_finish(struct search_node *node)
{
	if (!node)
		return;
	if (node->filter.state == FILTER_ASKING)
		fulltext_query_finish(&node->filter.query);
	free(node->filter.bits);
	for (size_t i = 0; i < node->children_n; i++)
		search_filters_finish(node->children[i]);
}

/* Counts the messages that the program's other keys leave open, up to more than a few; false: the slice is over. */
static bool count_open(struct search *s, const struct roster *r, const struct uidset *within, struct slice *slice)
{
	struct view_walk walk;
	struct view_stretch st;
	struct sieve sieve;
	view_walk_init(&walk, s->view, r, within, s->counted);
	while (s->open_n <= FEW_MESSAGES) {
		if (slice_is_over(slice, SIEVE_COST))
			return false;
		if (!view_walk_stretch(&walk, s->view->uids.n, &st))
			break;
		search_sieve(s, &st, &sieve);
		for (size_t w = 0; w < SIEVE_WORDS; w++)
			s->open_n += (unsigned)__builtin_popcountll(sieve.maybe[w]);
		s->counted = st.index + st.n;
	}
	return true;
}

/* Room for the answer, which is a bit a content. */
static bool begin(struct search *s, struct search_filter *f)
{
	f->until = fulltext_query_until(&f->query);
	uint64_t bytes = ((uint64_t)f->until / 64 + 1) * sizeof(*f->bits);
	if (f->until <= 0 || bytes > LIMIT_SEARCH_FILTER_BYTES - s->filter_bytes)
		return false;
	s->filter_bytes += (size_t)bytes;
	f->bits = xcalloc((size_t)f->until / 64 + 1, sizeof(*f->bits));
	return true;
}

static void end(struct search_filter *f, bool ready)
{
	fulltext_query_finish(&f->query);
	f->state = ready ? FILTER_READY : FILTER_NONE;
}

/* One portion of the answer; false when there is no more. */
static bool ask(struct search *s, struct search_filter *f)
{
	int64_t ids[FULLTEXT_PORTION_MAX];
	size_t n;
	bool done;
	enum store_err err = fulltext_query_next(&f->query, s->account, ids, fulltext_query_portion(&f->query), &n, &done);
	bool ok = err ? f->bits != NULL : f->bits || begin(s, f);
	if (!ok || err) {
		if (ok) /* what was answered holds */
			f->until = f->last;
		end(f, ok);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		f->bits[(uint64_t)ids[i] / 64] |= (uint64_t)1 << (uint64_t)ids[i] % 64;
	f->n += (uint32_t)n;
	f->last = n ? ids[n - 1] : f->last;
	if (done)
		end(f, true);
	return !done;
}

/* False: the slice is over. */
static bool fill_node(struct search *s, struct search_node *node, struct slice *slice)
{
	struct search_filter *f = &node->filter;
	for (size_t i = 0; i < node->children_n; i++)
		if (!fill_node(s, node->children[i], slice))
			return false;
	if (!is_string(node) || f->asked)
		return true;
	if (f->state == FILTER_NONE) {
		struct bytes needle = {node->text.ptr, node->text.len};
		f->asked = node->text.len == 0 || fulltext_query_init(&f->query, needle, mark_of(node)) != STORE_OK;
		f->state = f->asked ? FILTER_NONE : FILTER_ASKING;
	}
	while (f->state == FILTER_ASKING && ask(s, f))
		if (slice_is_over(slice, ASK_COST))
			return false;
	f->asked = true;
	return true;
}

bool search_filters_fill(struct search *s, const struct roster *r, const struct uidset *within, struct slice *slice)
{
	if (s->filtered)
		return true;
	if (s->cost >= COST_HEADER && fulltext_watermark(s->account) > 0) {
		if (!count_open(s, r, within, slice))
			return false;
		if (s->open_n > FEW_MESSAGES && !fill_node(s, s->root, slice))
			return false;
	}
	s->filtered = true;
	return true;
}
