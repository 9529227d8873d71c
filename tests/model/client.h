/*
 * A simulated client.  What it knows of its mailbox comes from the untagged responses alone, and it checks each of them:
 * that it may be said now, that its numbers are in range, that it agrees with what was said before.  When it is in sync
 * (after NOOP) what it knows must be what the arrays held when the command ran.
 */
#ifndef TESTS_MODEL_CLIENT_H
#define TESTS_MODEL_CLIENT_H

#include "protocol/buf.h"
#include "tests/model/notified.h"
#include "tests/model/oracle.h"
#include "tests/model/resync.h"
#include "tests/model/wire.h"

struct sim;

enum { GOT_UID = 1, GOT_FLAGS = 2, GOT_SIZE = 4, GOT_BODY = 8, GOT_MODSEQ = 16 };

/* What the client waits for. */
enum kind {
	KIND_NONE, KIND_NOOP, KIND_SELECT, KIND_LEAVE, KIND_FETCH, KIND_STORE, KIND_SEARCH, KIND_COPY, KIND_EXPUNGE, KIND_APPEND,
	KIND_STATUS, KIND_IDLE, KIND_LOGOUT, KIND_BAD, KIND_ENABLE, KIND_NOTIFY, KIND_LIST, KIND_NAMES,
	KIND_SETMETADATA, KIND_GETMETADATA
};

enum { SEGMENTS_MAX = 6, PARTS_MAX = 20 };

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
	/* CONDSTORE, QRESYNC, UIDONLY. */
	unsigned speaks;  /* DIALECT_*: what it enables on each connection */
	bool enabled;     /* it has asked for that, on this one */
	unsigned dialect; /* what it was given */
	struct kept kept[BOXES];
	uint32_t uidvalidity; /* of the selected mailbox */
	uint64_t modseq;      /* up to here it has missed nothing */
	uint64_t code_modseq, told_modseq; /* since the last tagged response: HIGHESTMODSEQ, when has_code; the highest MODSEQ */
	bool has_code;
	struct notified notified;
	/* The running command. */
	enum kind kind;
	unsigned serial;
	bool uid_form, silent, opened /* of SELECT: responses are the new mailbox's */, idling, answered;
	int target; /* of SELECT, STATUS */
	bool resyncs, narrow; /* SELECT with QRESYNC; with the UIDs that it knows, so that new ones are not told */
	struct kept old;      /* then: what was kept, and has not vanished */
	uint32_t *earlier, earlier_n; /* UIDs that vanished earlier */
	bool asks_vanished;   /* FETCH with VANISHED */
	uint64_t since;       /* FETCH with CHANGEDSINCE; 0: without */
	bool modified;        /* STORE was told of MODIFIED */
	unsigned wants; /* of FETCH: GOT_* */
	struct deed deed;
	bool composes;         /* APPEND or REPLACE, of compose.h */
	uint32_t parts[PARTS_MAX], parts_n; /* then: the messages of the selected mailbox that its URLs name */
	struct uid_list removed; /* from the selected mailbox, by it */
	uint32_t search_flags, search_without; /* SEARCH: these, and not those */
	enum { SEARCHES, SORTS_SUBJECT, SORTS_SUBJECT_DOWN, SORTS_SIZE } sorts; /* it is a SORT by that */
	uint32_t *search_found, search_found_n;
	int partial_from, partial_to; /* of FETCH, SEARCH, SORT: PARTIAL (RFC 9394); 0: without */
	bool saves;            /* RETURN (SAVE): the answer becomes "$", and is told with PARTIAL alone (RFC 5182 2.1) */
	struct uid_list saved; /* "$", when it is known what it is */
	bool has_saved;
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
/* hear.c: an untagged response, behind its "* "; a tagged one's text, which may have a code. */
void client_hear(struct client *c, const char *text, const char *end);
void client_hear_code(struct client *c, const char *text);
/* With SELECTED NONE it hears of what it removed itself alone. */
void hear_own_expunge(struct client *c, uint32_t uid);
void client_forget_mailbox(struct client *c);
/* For choose.c: begins a command; its text follows with client_add(). */
void client_begin(struct client *c, enum kind kind, enum verb verb);
void client_add(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The next segment waits for a continuation. */
void client_next_segment(struct client *c);
/* Compares what it knows with an array; without the modseqs, where it may not have heard of a jump.  Nothing where it does
 * not want to be told everything. */
void client_compare(struct client *c, const struct box *box, bool with_modseqs, const char *when);
/* Expunges may be told with the running command (RFC 3501 7.4.1). */
bool client_takes_expunge(const struct client *c);

#endif
