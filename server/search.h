/*
 * A SEARCH program, ready to be asked of messages: keys in the order of what they cost, sets normalised, keywords
 * looked up once a flag set, strings decoded and folded.
 *
 * It is asked in three steps.  Flags, UIDs, sizes and dates are answered from the roster, sent dates from the keys in
 * memory, column by column for some 256 messages at once (search_sieve.c).  The full-text index says which contents may
 * hold a string at all (search_filter.c), unless few messages are left.  What is open then is looked into (search.c).
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

enum { SIEVE_WORDS = SEGMENT_MESSAGES / 64 };

/* Of the messages of a stretch, a bit each: those for which the program holds, and those that must be looked into. */
struct sieve {
	uint64_t yes[SIEVE_WORDS], maybe[SIEVE_WORDS];
};

/* The days on which the messages of a stretch were sent, for all keys that ask for them. */
struct sent_days {
	const int64_t *of; /* the stretch's contents; NULL: none */
	uint32_t n;
	bool any_unknown;
	uint64_t live[SIEVE_WORDS]; /* those that were looked for */
	int32_t day[SEGMENT_MESSAGES];
};

struct search {
	struct search_node *root;
	enum search_cost cost; /* of a message, at most */
	bool scored; /* RELEVANCY is asked for */
	unsigned score; /* then, of the message that a walk gave last: 1 to 100 */
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
	uint32_t piece;      /* of the text of its attachments, the next */
	struct mime_search text;
	enum store_err err;            /* the last message that could not be read */
	/* Whether the full-text index was asked, and before: the messages the other keys leave open, up to `counted`. */
	bool filtered;
	uint32_t counted;
	unsigned open_n;
	size_t filter_bytes;
	int64_t newest; /* content of a message that was open to question */
	struct sent_days sent;
};

/* Everything is in the arena, but for the buffers.  SEARCH_BAD_TEXT: a string is not in its charset. */
MUST_USE enum search_made search_make(struct search *s, struct arena *a, const struct request *r,
				      const struct view *v);
void search_finish(struct search *s);
/* At the start of a slice, on a worker. */
void search_resume(struct search *s, struct account *a, const struct view *v, struct arena *arena);

/*
 * Walks the messages for which the program holds, in the order of the view.  What the roster, the keys in memory and the
 * full-text index know is asked of many messages at once; the others are looked into one by one, and one that cannot be
 * read matches no string.  A walk lasts for one slice at most: the next goes on at `next`.
 */
struct search_walk {
	struct search *search;
	const struct roster *roster;
	const struct uidset *within;
	uint32_t next, below; /* indexes of the view */
	/* private */
	struct view_walk view;
	struct view_stretch stretch;
	struct sieve sieve;
};

/* Of the messages of `within` those with the indexes from `from` to below `below`. */
void search_walk_init(struct search_walk *w, struct search *s, const struct roster *r, const struct uidset *within,
		      uint32_t from, uint32_t below);
/* SEARCH_YES: *out is the next; SEARCH_NO: there is none.  Messages that were expunged and not told are none. */
MUST_USE enum search_answer search_walk_next(struct search_walk *w, struct slice *slice, struct view_message *out);
/* After a SEARCH_YES, where scores are not wanted: a bit for each message of the walk's stretch for which the program holds, as
 * the sieve knows, behind that one and before the next that must be looked into; the walk goes on behind them. */
void search_walk_take(struct search_walk *w, uint64_t sure[SIEVE_WORDS]);
/* The UIDs outside of which nothing can match, normalised; false: there is no such bound. */
bool search_bounds(const struct search *s, struct uidset *out);
/* What of a message a program asks that may change: then it finds others although none came or went. */
struct search_reads {
	uint32_t flags; /* IMAP_* */
	bool keywords;
};
/* Adds bytes that are the same for programs that find the same of a mailbox, whoever asks and when.  False: there is no such
 * thing to say of it, or `out` is too small. */
MUST_USE bool search_identity(const struct search *s, struct buf *out, struct search_reads *reads);

#endif
