/*
 * A SEARCH program, ready to be asked of messages: keys in the order of what they cost, sets normalised, keywords
 * looked up once a flag set, strings decoded and folded.  Flags, UIDs, sizes and dates are answered from the roster;
 * what opens a message comes last.
 */
#ifndef SERVER_SEARCH_H
#define SERVER_SEARCH_H

#include "protocol/arena.h"
#include "protocol/imap/request.h"
#include "protocol/mime/search.h"
#include "server/slice.h"
#include "server/view.h"
#include "storage/account.h"

enum search_cost { COST_ROSTER, COST_ROW, COST_HEADER, COST_BODY };

enum search_made { SEARCH_MADE, SEARCH_BAD_CHARSET, SEARCH_BAD_TEXT };

enum search_answer {
	SEARCH_NO,
	SEARCH_YES,
	SEARCH_AGAIN /* the slice is over: ask for this message again in the next */
};

struct search_node;

struct search {
	struct search_node *root;
	enum search_cost cost; /* of a message, at most */
	int64_t now_s;
	/* Of the message that is looked at. */
	struct account *account;
	const struct view *view;
	const struct view_message *message;
	struct slice *slice;
	int64_t content;
	bool has_header;
	struct buf header, parts;      /* what was read of it */
	struct search_node *looking;   /* its string is being looked for in content looking_in */
	int64_t looking_in;
	struct mime_search text;
	enum store_err err;            /* the last message that could not be read */
};

/* Everything is in the arena, but for the buffers.  SEARCH_BAD_TEXT: a string is not in its charset. */
MUST_USE enum search_made search_make(struct search *s, struct arena *a, const struct request *r,
				      const struct view *v);
void search_finish(struct search *s);
/* At the start of a slice, on a worker. */
void search_resume(struct search *s, struct account *a, const struct view *v, struct arena *arena);
/* Does the program hold for the message?  One that cannot be read matches no string. */
MUST_USE enum search_answer search_matches(struct search *s, const struct view_message *m, struct slice *slice);
/* The UIDs outside of which nothing can match, normalised; false: there is no such bound. */
bool search_bounds(const struct search *s, struct uidset *out);

#endif
