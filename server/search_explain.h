/* The plan of a SEARCH program and what came of it, for people. */
#ifndef SERVER_SEARCH_EXPLAIN_H
#define SERVER_SEARCH_EXPLAIN_H

#include "server/search.h"

/* A key of the program, in the order in which they are asked. */
struct search_line {
	struct span key;  /* indented below the key it belongs to; strings folded */
	const char *by;   /* what answers it; "" for AND, OR, NOT */
	int64_t named;    /* contents that the full-text index named, -1: it was not asked */
	uint64_t looked;  /* messages, rows or headers that were read for it one by one */
	uint64_t held;    /* of those, in how many it was found */
};

typedef void search_explained(void *ctx, const struct search_line *line);

/* After a walk.  The line is valid during the call. */
void search_explain(const struct search *s, search_explained *each, void *ctx);

#endif
