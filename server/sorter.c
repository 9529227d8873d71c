#include "server/sorter.h"

enum { RANK_STEPS = 2048, WEIGHT_PAGE = 256, SCORE_MAX = 100 };

void sorter_init(struct sorter *s, const struct found *found, const struct sort_key *keys, size_t n)
{
	*s = (struct sorter){.found = found, .keys = keys, .keys_n = n, .want = UINT64_MAX};
}

void sorter_finish(struct sorter *s)
{
	order_finish(&s->order);
}

uint32_t sorter_at(const struct sorter *s, uint64_t place)
{
	uint64_t left_out = s->from_end ? s->found->n - s->order.n : 0;
	return s->order.items[place - left_out];
}

/* The string that a key compares; KEYS_STRINGS: it compares none. */
static enum keys_string string_of(enum sort_kind kind)
{
	switch (kind) {
	case SORT_BY_CC:
		return KEYS_CC;
	case SORT_BY_DISPLAY_FROM:
		return KEYS_DISPLAY_FROM;
	case SORT_BY_DISPLAY_TO:
		return KEYS_DISPLAY_TO;
	case SORT_BY_FROM:
		return KEYS_FROM;
	case SORT_BY_SUBJECT:
		return KEYS_SUBJECT;
	case SORT_BY_TO:
		return KEYS_TO;
	case SORT_BY_ARRIVAL: case SORT_BY_DATE: case SORT_BY_RELEVANCY: case SORT_BY_SIZE:
	case SORT_KINDS:
		break;
	}
	return KEYS_STRINGS;
}

bool sorter_needs_pages(const struct sort_key *keys, size_t n, unsigned *out_want)
{
	bool any = false;
	*out_want = 0;
	for (size_t i = 0; i < n; i++) {
		enum keys_string string = string_of(keys[i].kind);
		if (string < KEYS_STRINGS)
			*out_want |= 1u << string;
		any = any || string < KEYS_STRINGS || keys[i].kind == SORT_BY_DATE;
	}
	return any;
}

/* All pages that are needed are there after it. */
static enum sorter_state load(struct sorter *s, struct account *a, struct slice *slice, enum store_err *err)
{
	const struct keys *k = keys_get(a);
	const struct keys_page *page;
	unsigned want;
	if (!sorter_needs_pages(s->keys, s->keys_n, &want))
		return SORTER_DONE;
	for (; s->at < s->found->n; s->at++) {
		int64_t content = s->found->v[s->at].content;
		bool here = keys_page_loaded(k, content, want) != NULL;
		if (slice_is_over(slice, here ? 1 : WEIGHT_PAGE))
			return SORTER_AGAIN;
		*err = here ? STORE_OK : keys_page(a, content, want, &page);
		if (*err)
			return SORTER_FAILED;
	}
	return SORTER_DONE;
}

/* Numbers that sort as these do. */
static uint64_t in_order(int64_t seconds)
{
	return (uint64_t)seconds ^ (uint64_t)1 << 63;
}

static uint64_t number_value(const struct keys *k, const struct found_message *m, enum sort_kind kind)
{
	if (kind == SORT_BY_SIZE)
		return m->size;
	if (kind == SORT_BY_ARRIVAL)
		return in_order(m->arrived_s);
	const struct keys_page *page = keys_page_loaded(k, m->content, 0);
	int64_t sent_s = page ? page->sent_s[(uint64_t)m->content % KEYS_PAGE] : KEYS_NO_DATE;
	return in_order(sent_s == KEYS_NO_DATE ? m->arrived_s : sent_s); /* RFC 5256 2.2 */
}

static uint32_t string_value(const struct keys *k, const struct found_message *m, enum keys_string string)
{
	const struct keys_page *page = keys_page_loaded(k, m->content, 1u << string);
	return page ? page->string[string][(uint64_t)m->content % KEYS_PAGE] : 0;
}

int sorter_compare(const struct keys *k, const struct sort_key *keys, size_t n, const struct found_message *left,
		   const struct found_message *right)
{
	for (size_t i = 0; i < n; i++) {
		enum keys_string string = string_of(keys[i].kind);
		uint64_t a = 0, b = 0;
		int order = 0;
		invariant(keys[i].kind != SORT_BY_RELEVANCY);
		if (string == KEYS_STRINGS) {
			a = number_value(k, left, keys[i].kind);
			b = number_value(k, right, keys[i].kind);
			order = (a > b) - (a < b);
		} else {
			order = keys_pool_compare(&k->pool[string], string_value(k, left, string),
						  string_value(k, right, string));
		}
		if (order)
			return keys[i].reverse ? -order : order;
	}
	return 0;
}

/* From the start again when another command has brought new strings, which changes ranks; true when all are set. */
static bool fill_ranks(struct sorter *s, const struct keys *k, enum keys_string string, uint64_t flip, struct slice *slice)
{
	if (s->ranked_n != k->pool[string].ranked_n)
		s->at = 0;
	s->ranked_n = k->pool[string].ranked_n;
	for (; s->at < s->order.n; s->at++) {
		if (slice_is_over(slice, 1))
			return false;
		uint32_t item = s->order.items[s->at];
		uint32_t id = string_value(k, &s->found->v[item], string);
		s->order.values[item] = keys_pool_rank_of(&k->pool[string], id) ^ flip;
	}
	s->at = 0;
	return true;
}

/* Sets the values of key number s->key; true when all are.  REVERSE turns the numbers over, and leaves those that are equal
 * in the order of the mailbox. */
static bool fill(struct sorter *s, struct account *a, struct slice *slice)
{
	struct keys *k = keys_get(a);
	const struct sort_key *key = &s->keys[s->key];
	enum keys_string string = string_of(key->kind);
	uint64_t flip = key->reverse ? UINT64_MAX : 0;
	if (string < KEYS_STRINGS) {
		while (!keys_pool_rank(&k->pool[string], RANK_STEPS))
			if (slice_is_over(slice, WEIGHT_PAGE))
				return false;
		return fill_ranks(s, k, string, flip, slice);
	}
	for (; s->at < s->order.n; s->at++) {
		if (slice_is_over(slice, 1))
			return false;
		uint32_t item = s->order.items[s->at];
		uint64_t value = key->kind == SORT_BY_RELEVANCY
					 ? (uint64_t)(SCORE_MAX - s->found->scores[item]) /* RFC 6203 6: the highest comes first */
					 : number_value(k, &s->found->v[item], key->kind);
		s->order.values[item] = value ^ flip;
	}
	s->at = 0;
	return true;
}

/* From the last key to the first. */
static bool sort(struct sorter *s, struct account *a, struct slice *slice)
{
	for (;;) {
		if (!s->filled && !fill(s, a, slice))
			return false;
		s->filled = true;
		if (!order_sort(&s->order, slice))
			return false;
		s->filled = false;
		if (s->key-- == 0)
			return true;
	}
}

static bool narrow(struct sorter *s, struct account *a, struct slice *slice)
{
	if (!s->filled && !fill(s, a, slice))
		return false;
	s->filled = true;
	if (!order_narrow(&s->order, (uint32_t)s->want, s->from_end, slice))
		return false;
	s->filled = false;
	return true;
}

static void begin(struct sorter *s, struct account *a)
{
	order_finish(&s->order);
	order_init(&s->order, s->found->n);
	s->at = 0;
	s->key = 0;
	s->filled = false;
	s->epoch = a->keys_epoch;
	s->phase = SORTER_LOADS;
}

enum sorter_state sorter_run(struct sorter *s, struct account *a, struct slice *slice, enum store_err *out_err)
{
	enum sorter_state state = SORTER_DONE;
	*out_err = STORE_OK;
	if (s->phase == SORTER_BEGINS || s->epoch != a->keys_epoch)
		begin(s, a);
	if (s->phase == SORTER_LOADS) {
		state = load(s, a, slice, out_err);
		if (state != SORTER_DONE)
			return state;
		s->at = 0;
		s->phase = s->want < s->found->n / 2 ? SORTER_NARROWS : SORTER_SORTS;
		s->key = s->phase == SORTER_NARROWS ? 0 : s->keys_n - 1;
	}
	if (s->phase == SORTER_NARROWS) {
		if (!narrow(s, a, slice))
			return SORTER_AGAIN;
		s->phase = SORTER_SORTS;
		s->key = s->keys_n - 1;
	}
	return sort(s, a, slice) ? SORTER_DONE : SORTER_AGAIN;
}
