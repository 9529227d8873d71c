/*
 * The messages that a SORT or THREAD is about: those of the view for which its search program holds, in the view's order,
 * with what the roster says of each.  Found in slices, as SEARCH does; a message that is expunged meanwhile stays.
 *
 * Memory: 24 bytes a message.  Thread: the loop to begin, then the account's lane.
 */
#ifndef SERVER_FOUND_H
#define SERVER_FOUND_H

#include "server/search.h"
#include "server/session.h"

struct found_message {
	int64_t content, arrived_s; /* arrived_s: INTERNALDATE, Unix seconds */
	uint32_t index;             /* of the view */
	uint32_t size;
};

struct found {
	struct found_message *v;
	uint8_t *scores; /* the same, when RELEVANCY is wanted */
	uint32_t n, cap;
	uint64_t modseq; /* the highest of them */
	bool begun;
	struct search search;
	const struct uidset *only; /* others are not asked for; NULL: all are.  Set before the first run */
	struct uidset within; /* no others can be */
	uint32_t next;        /* index of the view */
};

/* Makes the program of a command; false: its status says why not. */
MUST_USE bool found_make(struct search *search, struct session *s, struct command *cmd);
/* The same for all of it. */
MUST_USE bool found_init(struct found *f, struct session *s, struct command *cmd);
void found_finish(struct found *f);
/* Gives up the messages. */
void found_forget(struct found *f);
enum found_state {
	FOUND_ALL,
	FOUND_AGAIN, /* the slice is over */
	FOUND_FAILED /* the status says why */
};
MUST_USE enum found_state found_run(struct found *f, struct command *cmd, struct account *a, struct slice *slice);
/* When it said "again": how the op ends its turn, after which it is asked again. */
enum op_result found_pause(const struct found *f, struct command *cmd);
/* The number of the message in an answer. */
uint32_t found_number(const struct command *cmd, uint32_t index);

#endif
