/* What the files of search.h share: the program's nodes, and the two questions asked of many messages at once. */
#ifndef SERVER_SEARCH_PRIVATE_H
#define SERVER_SEARCH_PRIVATE_H

#include "server/search.h"
#include "storage/fulltext.h"

enum { SEARCH_DAY_SECONDS = 86400 };

/* The contents that may hold a node's string, as the full-text index names them (search_filter.c). */
struct search_filter {
	enum { FILTER_NONE, FILTER_ASKING, FILTER_READY } state;
	struct fulltext_query query;
	uint64_t *bits; /* by content id, up to `until` */
	int64_t until;  /* of contents above it nothing is known */
	int64_t last;   /* that was named */
	uint32_t n;     /* contents named */
	bool asked;     /* as far as it is to be */
};

struct search_node {
	enum search_kind kind;
	enum search_cost cost;
	uint32_t bits;
	int64_t number;
	struct span name;
	struct span text;   /* KEYWORD as it is; strings folded; words of FUZZY ones (protocol/mime/fuzzy.h) */
	bool fuzzy;         /* of a string: its words are looked for */
	struct numset set;  /* normalised */
	uint8_t *known;     /* KEYWORD: by flag set; 0 not looked up, else 1 + the answer */
	size_t known_n;
	struct search_filter filter; /* of strings */
	int64_t answered_for; /* BODY, TEXT: the content that `answer` is of; contents never change */
	unsigned answer;    /* 0: no, else its score */
	unsigned score;     /* of the message that is looked at, when `fuzzy` */
	uint64_t looked, held; /* messages asked one by one; those for which it held */
	struct search_node **children; /* cheap ones first */
	size_t children_n;
};

/* ---- search_sieve.c: what the roster, the keys in memory and the filters know, column by column ---- */

void search_sieve(struct search *s, const struct view_stretch *st, struct sieve *out);
/* A key that the roster alone answers: sets a bit for each message for which it holds. */
void search_sieve_roster(struct search *s, struct search_node *node, const struct view_stretch *st, uint64_t *yes);
bool search_has_keyword(const struct search *s, struct search_node *node, uint32_t flagset);
/* Days since 1970; times before it too. */
int64_t search_day_of(int64_t unix_s);

/* ---- search_filter.c ---- */

/* Asks the index, where that is cheaper than to look into what the rest of the program leaves of `within`; false: the
 * slice is over, call again. */
bool search_filters_fill(struct search *s, const struct roster *r, const struct uidset *within, struct slice *slice);
void search_filters_finish(struct search_node *node);

static inline bool search_filter_may(const struct search_filter *f, int64_t content)
{
	return f->state != FILTER_READY || content > f->until ||
	       (f->bits[(uint64_t)content / 64] >> ((uint64_t)content % 64) & 1);
}

#endif
