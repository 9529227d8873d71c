/*
 * A simulated client.  What it knows of its mailbox comes from the untagged responses alone, and it checks each of them:
 * that it may be said now, that its numbers are in range, that it agrees with what was said before.  When it is in sync
 * (after NOOP) what it knows must be what the arrays held when the command ran.
 */
#ifndef TESTS_MODEL_CLIENT_H
#define TESTS_MODEL_CLIENT_H

#include "protocol/buf.h"
#include "tests/model/oracle.h"
#include "tests/model/wire.h"

struct sim;

struct known {
	uint32_t uid;  /* 0: not told */
	uint32_t flags;
	bool has_flags;
	unsigned got;  /* GOT_*, of the running FETCH */
};

enum { GOT_UID = 1, GOT_FLAGS = 2, GOT_SIZE = 4, GOT_BODY = 8 };

/* What the client waits for. */
enum kind {
	KIND_NONE, KIND_NOOP, KIND_SELECT, KIND_LEAVE, KIND_FETCH, KIND_STORE, KIND_SEARCH, KIND_COPY, KIND_EXPUNGE, KIND_APPEND,
	KIND_STATUS, KIND_IDLE, KIND_LOGOUT, KIND_BAD
};

enum { SEGMENTS_MAX = 6 };

struct client {
	struct sim *sim;
	int index;
	bool by_uid; /* prefers UID commands */
	int pace;    /* how slow it reads: 1 (at once) to 8 */
	struct wire *wire;
	bool connected;
	struct buf received;
	/* What it wants to send: the first segment goes at once, each further one after a continuation. */
	struct buf segments[SEGMENTS_MAX];
	int segments_n;
	/* The mailbox. */
	int box; /* -1: none selected */
	bool read_only;
	int selection; /* which of all selections this is */
	struct known *v;
	uint32_t n;
	/* The running command. */
	enum kind kind;
	unsigned serial;
	bool uid_form, silent, opened /* of SELECT: responses are the new mailbox's */, idling, answered;
	int target; /* of SELECT, STATUS */
	unsigned wants; /* of FETCH: GOT_* */
	struct deed deed;
	uint32_t search_flags, search_without; /* SEARCH: these, and not those */
	uint32_t *search_found, search_found_n;
	/* What the arrays were when its op ran. */
	bool began, has_shot, exact; /* exact: nothing changed from the op's first slice to its last */
	uint64_t began_epoch;
	struct oracle shot;
};

void client_init(struct client *c, struct sim *sim, int index);
void client_finish(struct client *c);
void client_connect(struct client *c);
/* The connection is cut; what it knew is forgotten. */
void client_cut(struct client *c);
/* choose.c: the next command, when none runs. */
void client_choose(struct client *c);
/* A NOOP, to be in sync. */
void client_sync(struct client *c);
/* Ends IDLE. */
void client_done(struct client *c);
/* Reads the responses that have come whole. */
void client_take(struct client *c);
/* For choose.c: begins a command; its text follows with client_add(). */
void client_begin(struct client *c, enum kind kind, enum verb verb);
void client_add(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The next segment waits for a continuation. */
void client_next_segment(struct client *c);
/* Compares what it knows with an array. */
void client_compare(struct client *c, const struct box *box, const char *when);

#endif
