#include "protocol/mime/grams.h"

#include <utf8proc.h>

enum { CAP_MIN = 4096, CAP_KEPT = 32768 };

static void start(struct mime_grams *g)
{
	g->cap = CAP_MIN;
	g->table = xcalloc(g->cap, sizeof(*g->table));
	g->grams = xmalloc(g->cap / 2 * sizeof(*g->grams));
}

void mime_grams_init(struct mime_grams *g)
{
	*g = (struct mime_grams){0};
	start(g);
}

void mime_grams_finish(struct mime_grams *g)
{
	free(g->table);
	free(g->grams);
	*g = (struct mime_grams){0};
}

static void forget(struct mime_grams *g)
{
	if (g->cap > CAP_KEPT) {
		mime_grams_finish(g);
		start(g);
	} else if (g->n) {
		memset(g->table, 0, g->cap * sizeof(*g->table));
	}
	g->n = 0;
	g->full = false;
	memset(g->windows, 0, sizeof(g->windows));
}

void mime_grams_reset(struct mime_grams *g)
{
	forget(g);
	g->mark = 0;
	memset(g->tails, 0, sizeof(g->tails));
}

static size_t slot_of(const struct mime_grams *g, uint64_t gram)
{
	size_t at = (size_t)(gram * 0x9e3779b97f4a7c15u >> 32) & (g->cap - 1);
	while (g->table[at] && g->table[at] != gram)
		at = (at + 1) & (g->cap - 1);
	return at;
}

static void grow(struct mime_grams *g)
{
	g->cap *= 2;
	free(g->table);
	g->table = xcalloc(g->cap, sizeof(*g->table));
	g->grams = xrealloc(g->grams, g->cap / 2 * sizeof(*g->grams));
	for (size_t i = 0; i < g->n; i++)
		g->table[slot_of(g, g->grams[i])] = g->grams[i];
}

static void add(struct mime_grams *g, uint32_t a, uint32_t b, uint32_t c)
{
	if (!a || !b || !c)
		return;
	uint64_t gram = g->mark | (uint64_t)a << 42 | (uint64_t)b << 21 | c;
	size_t at = slot_of(g, gram);
	if (g->table[at])
		return;
	if (g->n == MIME_GRAMS_MAX) {
		g->full = true;
		return;
	}
	g->table[at] = gram;
	g->grams[g->n++] = gram;
	if (g->n * 2 == g->cap)
		grow(g);
}

static void end(struct mime_grams *g, struct mime_gram_window *w)
{
	add(g, w->a, w->b, MIME_GRAM_END);
	add(g, w->b, MIME_GRAM_END, MIME_GRAM_END);
	if (w->a != w->plain_a || w->b != w->plain_b) {
		add(g, w->plain_a, w->plain_b, MIME_GRAM_END);
		add(g, w->plain_b, MIME_GRAM_END, MIME_GRAM_END);
	}
	*w = (struct mime_gram_window){0};
}

/* c: 0 for what is no character. */
static void push(struct mime_grams *g, struct mime_gram_window *w, uint32_t c)
{
	if (!c) {
		end(g, w);
		return;
	}
	add(g, w->a, w->b, c);
	if (!mime_is_accent((int32_t)c)) {
		if (w->a != w->plain_a || w->b != w->plain_b)
			add(g, w->plain_a, w->plain_b, c);
		w->plain_a = w->plain_b;
		w->plain_b = c;
	}
	w->a = w->b;
	w->b = c;
}

static void push_all(struct mime_grams *g, struct mime_gram_window *w, struct span folded)
{
	for (size_t at = 0; at < folded.len && !g->full;) {
		unsigned char first = (unsigned char)folded.ptr[at];
		utf8proc_int32_t c = first;
		utf8proc_ssize_t len = 1;
		if (first >= 0x80)
			len = utf8proc_iterate((const utf8proc_uint8_t *)folded.ptr + at, (utf8proc_ssize_t)(folded.len - at), &c);
		push(g, w, len > 0 ? (uint32_t)c : 0);
		at += len > 0 ? (size_t)len : 1;
	}
}

/* It may begin within a character: what is left of that is none, and begins nothing. */
static void keep_tail(struct mime_gram_tail *t, struct span folded)
{
	size_t add = folded.len < sizeof(t->text) ? folded.len : sizeof(t->text);
	size_t keep = t->len < sizeof(t->text) - add ? t->len : sizeof(t->text) - add;
	memmove(t->text, t->text + t->len - keep, keep);
	if (add)
		memcpy(t->text + keep, folded.ptr + folded.len - add, add);
	t->len = keep + add;
}

void mime_grams_next(struct mime_grams *g)
{
	forget(g);
	for (size_t i = 0; i < MIME_STREAMS; i++)
		push_all(g, &g->windows[i], span_make(g->tails[i].text, g->tails[i].len));
}

bool mime_grams_take(void *ctx, enum mime_stream stream, struct span folded, bool ends)
{
	struct mime_grams *g = ctx;
	push_all(g, &g->windows[stream], folded);
	keep_tail(&g->tails[stream], folded);
	if (ends) {
		end(g, &g->windows[stream]);
		g->tails[stream].len = 0;
	}
	return !g->full;
}
