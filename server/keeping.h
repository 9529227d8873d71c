/*
 * What a SORT or THREAD takes over from one that was asked before, in whatever session, and leaves to the next
 * (storage/kept.h): a webmail asks for one page after the other, each with a connection of its own.
 *
 * Only what depends on the messages alone is kept: not on the session, nor on the time of day; and only a session that was
 * told of everything takes part.  What came, went, or (if the program asks for flags) changed since is told to the caller,
 * who mends the result, or makes it again.
 *
 * Thread: the account's lane; keeping_init() and keeping_finish() anywhere.
 */
#ifndef SERVER_KEEPING_H
#define SERVER_KEEPING_H

#include "server/search.h"
#include "storage/kept.h"

enum { KEEPING_MENDS_MAX = 256 /* of each; with more it is better made again */ };

struct keeping {
	bool wanted;     /* the result can be kept */
	struct search_reads reads;
	struct buf key;
	/* Once it has looked: the mailbox as it was then, of which the result will be at least. */
	int64_t mailbox;
	uint64_t modseq;
	struct uids uids;
	struct kept *now; /* the result as it is; a reference */
	struct kept *old; /* a result that is behind by `gone` and `changed`; a reference */
	struct uidset gone, changed; /* changed: came, or may be found no more, or only now; of UIDs that no message has too */
};

/* `what` says what is made of the messages found, in bytes. */
void keeping_init(struct keeping *k, const struct search *s, struct bytes what);
/* Accepts a zeroed struct. */
void keeping_finish(struct keeping *k);
/* Sets `now`, or `old`, or neither. */
void keeping_look(struct keeping *k, struct account *a, const struct view *v, const struct roster *r);
/* Sets `now`; takes `result` over.  `shared`: others may have it. */
void keeping_put(struct keeping *k, struct account *a, struct kept_result result, bool shared);

#endif
