#include "server/search_private.h"

#include "storage/flagset.h"
#include "storage/keys.h"

enum { PAGES_MAX = 8 /* of sent dates, read for one stretch */ };

int64_t search_day_of(int64_t unix_s)
{
	return unix_s >= 0 ? unix_s / SEARCH_DAY_SECONDS
			   : -((-unix_s + SEARCH_DAY_SECONDS - 1) / SEARCH_DAY_SECONDS);
}

bool search_has_keyword(const struct search *s, struct search_node *node, uint32_t flagset)
{
	if (flagset < node->known_n && node->known[flagset])
		return node->known[flagset] == 2;
	const struct flagset *set = flagset_get(s->account, flagset);
	bool has = flagset_has_keyword(s->account, set, node->text.ptr, node->text.len);
	if (flagset < node->known_n) /* others were made since the search began */
		node->known[flagset] = 1 + has;
	return has;
}

static void fill(uint64_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n / 64; i++)
		words[i] = UINT64_MAX;
	if (n % 64)
		words[n / 64] = ((uint64_t)1 << n % 64) - 1;
}

static bool any(const uint64_t *words)
{
	uint64_t all = 0;
	for (size_t i = 0; i < SIEVE_WORDS; i++)
		all |= words[i];
	return all != 0;
}

/* Each message's bit is `expression`, of its place i from 0. */
#define SIEVE(words, n, expression)                                                                                    \
	do {                                                                                                           \
		for (uint32_t i = 0; i < (n);) {                                                                       \
			uint64_t bits = 0, *word = (words) + i / 64;                                                   \
			do                                                                                             \
				bits |= (uint64_t)(expression) << i % 64;                                              \
			while (++i % 64 && i < (n));                                                                   \
			*word |= bits;                                                                                 \
		}                                                                                                      \
	} while (0)

/* Local time, in which a message has arrived on a day whatever the zone of who asks (RFC 3501 6.4.4). */
static void sieve_arrived(const struct search_node *node, const struct view_stretch *st, uint64_t *yes)
{
	const int64_t *date = st->slice->internal_date + st->at;
	const int16_t *zone = st->slice->zone_min + st->at;
	int64_t begin = node->number * SEARCH_DAY_SECONDS, end = begin + SEARCH_DAY_SECONDS;
	if (node->kind == SEARCH_BEFORE)
		SIEVE(yes, st->n, date[i] + zone[i] * 60 < begin);
	else if (node->kind == SEARCH_SINCE)
		SIEVE(yes, st->n, date[i] + zone[i] * 60 >= begin);
	else
		SIEVE(yes, st->n, date[i] + zone[i] * 60 >= begin && date[i] + zone[i] * 60 < end);
}

static void sieve_saved(const struct search_node *node, const struct view_stretch *st, uint64_t *yes)
{
	const int64_t *date = st->slice->save_date + st->at;
	int64_t begin = node->number * SEARCH_DAY_SECONDS, end = begin + SEARCH_DAY_SECONDS;
	if (node->kind == SEARCH_SAVEDBEFORE)
		SIEVE(yes, st->n, date[i] < begin);
	else if (node->kind == SEARCH_SAVEDSINCE)
		SIEVE(yes, st->n, date[i] >= begin);
	else
		SIEVE(yes, st->n, date[i] >= begin && date[i] < end);
}

void search_sieve_roster(struct search *s, struct search_node *node, const struct view_stretch *st, uint64_t *yes)
{
	const struct roster_slice *r = st->slice;
	const uint32_t *flagset = r->flagset + st->at, *size = r->size + st->at, *uid = r->uid + st->at;
	const int64_t *date = r->internal_date + st->at, *content = r->content + st->at;
	const uint64_t *modseq = r->modseq + st->at;
	uint32_t n = st->n;
	switch (node->kind) {
	case SEARCH_ALL:
		fill(yes, n);
		break;
	case SEARCH_FLAG:
		SIEVE(yes, n, (flagset_system(s->account, flagset[i]) & node->bits) != 0);
		break;
	case SEARCH_KEYWORD:
		SIEVE(yes, n, search_has_keyword(s, node, flagset[i]));
		break;
	case SEARCH_RECENT:
		SIEVE(yes, n, view_is_recent(s->view, uid[i]));
		break;
	case SEARCH_SAVED:
		SIEVE(yes, n, uidset_has(&s->view->saved, uid[i]));
		break;
	case SEARCH_SEQ:
		SIEVE(yes, n, numset_has(&node->set, st->index + i + 1));
		break;
	case SEARCH_UID:
		SIEVE(yes, n, numset_has(&node->set, uid[i]));
		break;
	case SEARCH_LARGER:
		SIEVE(yes, n, size[i] > node->number);
		break;
	case SEARCH_SMALLER:
		SIEVE(yes, n, size[i] < node->number);
		break;
	case SEARCH_BEFORE: case SEARCH_ON: case SEARCH_SINCE:
		sieve_arrived(node, st, yes);
		break;
	case SEARCH_SAVEDBEFORE: case SEARCH_SAVEDON: case SEARCH_SAVEDSINCE:
		sieve_saved(node, st, yes);
		break;
	case SEARCH_OLDER:
		SIEVE(yes, n, date[i] <= s->now_s - node->number);
		break;
	case SEARCH_YOUNGER:
		SIEVE(yes, n, date[i] >= s->now_s - node->number);
		break;
	case SEARCH_EMAILID:
		SIEVE(yes, n, content[i] == node->number);
		break;
	case SEARCH_MODSEQ:
		SIEVE(yes, n, modseq[i] >= (uint64_t)node->number);
		break;
	case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE: case SEARCH_THREADID: case SEARCH_FIELD:
	case SEARCH_HEADER: case SEARCH_BODY: case SEARCH_TEXT: case SEARCH_AND: case SEARCH_OR: case SEARCH_NOT:
	case SEARCH_FUZZY:
		break;
	}
}

/* The page of a content's day; NULL: not without reading more than it is worth. */
static const struct keys_page *sent_page(struct search *s, int64_t content, unsigned *reads)
{
	const struct keys_page *page = keys_page_loaded(keys_get(s->account), content, 0);
	if (!page && (*reads)++ < PAGES_MAX && keys_page(s->account, content, 0, &page))
		page = NULL;
	return page;
}

/* The days on which a content for which the key holds was sent, in the sender's zone. */
static void sent_days(const struct search_node *node, int32_t *first, int32_t *last)
{
	const int64_t least = KEYS_NO_DAY + 1, most = KEYS_DAY_UNKNOWN - 1;
	int64_t from = node->kind == SEARCH_SENTBEFORE ? least : node->number;
	int64_t to = node->kind == SEARCH_SENTSINCE ? most : node->number - (node->kind == SEARCH_SENTBEFORE);
	*first = (int32_t)(from > least ? from : least);
	*last = (int32_t)(to < most ? to : most);
}

/* Fills s->sent for the messages of the stretch that are `live`, unless it has them; true: some are unknown. */
static bool read_days(struct search *s, const struct view_stretch *st, const uint64_t *live)
{
	struct sent_days *sent = &s->sent;
	const int64_t *content = st->slice->content + st->at;
	const struct keys_page *page = NULL;
	uint64_t page_at = UINT64_MAX;
	unsigned reads = 0;
	bool has = sent->of == content && sent->n == st->n;
	for (size_t w = 0; w < SIEVE_WORDS && has; w++)
		has = (live[w] & ~sent->live[w]) == 0;
	if (has)
		return sent->any_unknown;
	sent->of = content;
	sent->n = st->n;
	memcpy(sent->live, live, sizeof(sent->live));
	sent->any_unknown = false;
	for (uint32_t i = 0; i < st->n; i++) {
		uint64_t place = (uint64_t)content[i] % KEYS_PAGE;
		sent->day[i] = KEYS_NO_DAY;
		if (!(live[i / 64] >> i % 64 & 1))
			continue;
		/* Those that came together are on one page. */
		if ((uint64_t)content[i] / KEYS_PAGE != page_at || !page || place >= page->below)
			page = sent_page(s, content[i], &reads);
		page_at = (uint64_t)content[i] / KEYS_PAGE;
		sent->day[i] = page ? page->sent_day[place] : KEYS_DAY_UNKNOWN;
		sent->any_unknown = sent->any_unknown || sent->day[i] == KEYS_DAY_UNKNOWN;
	}
	return sent->any_unknown;
}

/* RFC 3501 6.4.4: the date as it was written; where there is none, nothing matches. */
static void sieve_sent(struct search *s, const struct search_node *node, const struct view_stretch *st,
		       const uint64_t *live, struct sieve *out)
{
	const int32_t *day = s->sent.day;
	bool any_unknown = read_days(s, st, live);
	int32_t first, last;
	sent_days(node, &first, &last);
	SIEVE(out->yes, st->n, day[i] >= first && day[i] <= last);
	if (any_unknown)
		SIEVE(out->maybe, st->n, day[i] == KEYS_DAY_UNKNOWN);
}

static void sieve_string(const struct search_node *node, const struct view_stretch *st, struct sieve *out)
{
	const int64_t *content = st->slice->content + st->at;
	if (node->text.len == 0 && node->kind != SEARCH_HEADER)
		fill(out->yes, st->n);
	else if (node->filter.state == FILTER_READY)
		SIEVE(out->maybe, st->n, search_filter_may(&node->filter, content[i]));
	else
		fill(out->maybe, st->n);
}

static void sieve_node(struct search *s, struct search_node *node, const struct view_stretch *st, const uint64_t *live,
		       struct sieve *out);

/* What is decided is not asked of the dearer children. */
static void sieve_and(struct search *s, struct search_node *node, const struct view_stretch *st, const uint64_t *live,
		      struct sieve *out)
{
	uint64_t left[SIEVE_WORDS];
	memcpy(left, live, sizeof(left));
	fill(out->yes, st->n);
	for (size_t k = 0; k < node->children_n && any(left); k++) {
		struct sieve one;
		sieve_node(s, node->children[k], st, left, &one);
		for (size_t w = 0; w < SIEVE_WORDS; w++) {
			left[w] &= one.yes[w] | one.maybe[w];
			out->yes[w] &= one.yes[w];
		}
	}
	for (size_t w = 0; w < SIEVE_WORDS; w++) {
		out->yes[w] &= left[w];
		out->maybe[w] = left[w] & ~out->yes[w];
	}
}

static void sieve_or(struct search *s, struct search_node *node, const struct view_stretch *st, const uint64_t *live,
		     struct sieve *out)
{
	uint64_t left[SIEVE_WORDS];
	memcpy(left, live, sizeof(left));
	for (size_t k = 0; k < node->children_n && any(left); k++) {
		struct sieve one;
		sieve_node(s, node->children[k], st, left, &one);
		for (size_t w = 0; w < SIEVE_WORDS; w++) {
			out->yes[w] |= one.yes[w] & left[w];
			out->maybe[w] |= one.maybe[w];
			left[w] &= ~one.yes[w];
		}
	}
	for (size_t w = 0; w < SIEVE_WORDS; w++)
		out->maybe[w] &= left[w];
}

/* Bits that are not in `live` may be anything. */
static void sieve_node(struct search *s, struct search_node *node, const struct view_stretch *st, const uint64_t *live,
		       struct sieve *out)
{
	*out = (struct sieve){0};
	switch (node->kind) {
	case SEARCH_AND:
		sieve_and(s, node, st, live, out);
		break;
	case SEARCH_OR:
		sieve_or(s, node, st, live, out);
		break;
	case SEARCH_NOT:
		sieve_node(s, node->children[0], st, live, out);
		for (size_t w = 0; w < SIEVE_WORDS; w++)
			out->yes[w] = live[w] & ~(out->yes[w] | out->maybe[w]);
		break;
	case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE:
		sieve_sent(s, node, st, live, out);
		break;
	case SEARCH_FIELD: case SEARCH_HEADER: case SEARCH_BODY: case SEARCH_TEXT:
		sieve_string(node, st, out);
		break;
	case SEARCH_THREADID:
		fill(out->maybe, st->n);
		break;
	case SEARCH_ALL: case SEARCH_FLAG: case SEARCH_KEYWORD: case SEARCH_RECENT: case SEARCH_SAVED: case SEARCH_SEQ:
	case SEARCH_UID: case SEARCH_LARGER: case SEARCH_SMALLER: case SEARCH_BEFORE: case SEARCH_ON: case SEARCH_SINCE:
	case SEARCH_OLDER: case SEARCH_YOUNGER: case SEARCH_SAVEDBEFORE: case SEARCH_SAVEDON: case SEARCH_SAVEDSINCE:
	case SEARCH_EMAILID: case SEARCH_MODSEQ: case SEARCH_FUZZY:
		search_sieve_roster(s, node, st, out->yes);
		break;
	}
}

void search_sieve(struct search *s, const struct view_stretch *st, struct sieve *out)
{
	uint64_t live[SIEVE_WORDS] = {0};
	s->sent.of = NULL;
	fill(live, st->n);
	sieve_node(s, s->root, st, live, out);
	for (size_t w = 0; w < SIEVE_WORDS; w++) {
		out->yes[w] &= live[w];
		out->maybe[w] &= live[w] & ~out->yes[w];
	}
}
