/*
 * A string looked for in a message (RFC 3501 6.4.4: BODY, TEXT, HEADER and its like), in bounded memory and to be left off
 * as soon as it is found.  What is looked through, and how it reads, is in strings.h.
 *
 *	struct mime_search s;
 *	mime_search_init(&s, parts, needle, MIME_SEARCH_TEXT);
 *	while (!s.found && mime_search_next(&s, &offset, &len))
 *		mime_search_feed(&s, bytes);		those len bytes of the message from offset on
 *	mime_search_finish(&s);
 *
 * Between two calls the caller may do anything else, but not move the struct.  A match does not go from one part, or one
 * header field, into the next.  Pure; one thread at a time.
 */
#ifndef MIME_SEARCH_H
#define MIME_SEARCH_H

#include "protocol/mime/fuzzy.h"
#include "protocol/mime/strings.h"

struct mime_search {
	bool found; /* nothing more need be looked through */
	/* private */
	struct mime_strings strings;
	struct mime_matcher matchers[MIME_STREAMS];
	bool is_fuzzy;
	struct mime_fuzzy fuzzy;
};

/* `parts` (the stored table) and `needle` (mime_fold()ed) must outlive the search.  Memory: some 400 KiB and four times the
 * needle. */
void mime_search_init(struct mime_search *s, struct span parts, struct span needle, enum mime_search_scope scope);
/* The same with words (fuzzy.h), which must outlive it too. */
void mime_search_init_fuzzy(struct mime_search *s, struct span parts, struct span words, enum mime_search_scope scope,
			    bool scored);
/* Accepts a zeroed struct. */
void mime_search_finish(struct mime_search *s);
/* The next bytes that are wanted: at most MIME_SEARCH_STEP.  False: there are no more.  Asked again before they were
 * fed, it wants the same. */
bool mime_search_next(struct mime_search *s, uint32_t *offset, uint32_t *len);
/* Those bytes, all of them.  Returns s->found. */
bool mime_search_feed(struct mime_search *s, struct span bytes);
/* Text that stands for a part which is none, when there is no more of the message: folded, whole characters; `ends`: the last
 * of a string.  Returns s->found. */
bool mime_search_feed_text(struct mime_search *s, struct span folded, bool ends);
/* Once it found something, or there is no more: 0 for nothing, up to 100. */
unsigned mime_search_score(const struct mime_search *s);

/* Does a field called `name` (ptr NULL or empty: any field, its name included) hold the folded needle?  Values are unfolded
 * and decoded; the parameters of RFC 2231 as well. */
bool mime_header_contains(struct span header, struct span name, struct span needle);
/* The same with words: 0 for nothing, up to 100. */
unsigned mime_header_score(struct span header, struct span name, struct span words, bool scored);

#endif
