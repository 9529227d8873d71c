/*
 * Threads of messages (RFC 5256, BASE.6.4.THREAD): trees made from what storage/keys.h holds of each message, never from
 * the messages; without recursion, however deep they are; in slices.
 *
 *	ORDEREDSUBJECT  messages with the same base subject; the first is the parent of the others
 *	REFERENCES      the six steps of RFC 5256 3
 *	REFS            the same without its fifth, subjects; threads in the order of their youngest INTERNALDATE
 *	                (draft-ietf-morg-inthread-01)
 *
 * Messages are nodes 1 to n in the order of the mailbox, 0 is the root, dummies come behind.  Parents are found first;
 * then the messages are put in the order of their sent dates, once, and each is hung behind its siblings in that order:
 * so all siblings are sorted, and a dummy, which has no date of its own, comes when its first child does.
 *
 * The check for loops walks up from the parent.  Where that is far, as it may be in mail that is made to be, a forest is
 * made beside the parents, which answers in logarithmic time (forest.h).
 *
 * Memory: some 60 bytes a message, 20 an ID that none of them has (12 more with a forest), and 4 an ID or subject that the
 * account knows.  Pure;
 * any thread, one at a time.
 */
#ifndef SERVER_THREADS_H
#define SERVER_THREADS_H

#include "protocol/buf.h"
#include "protocol/imap/request.h"
#include "server/forest.h"
#include "server/order.h"

struct threads_message {
	int64_t sent_s, arrived_s; /* Unix seconds */
	uint32_t subject;          /* a number, 0 for the empty base subject */
	uint32_t links;            /* where in the table of links, 0 for none (storage/keys.h) */
	bool is_reply;
};

enum threads_phase {
	THREADS_IDS, THREADS_LINKS, THREADS_PRUNES, THREADS_ORDERS, THREADS_GATHERS, THREADS_MERGES, THREADS_HANGS,
	THREADS_AGES, THREADS_LISTS, THREADS_SORTS, THREADS_MADE
};

struct threads {
	enum thread_algorithm algorithm;
	const struct threads_message *v; /* n of them */
	uint32_t n;
	enum threads_phase phase;
	uint32_t at;
	uint32_t *parent;            /* by node; 0: the root */
	bool *has_child;             /* by node: it has one, or had */
	uint32_t nodes_n, nodes_cap; /* with the root */
	uint32_t *node_of;           /* by ID; 0: none yet */
	struct forest forest;        /* of the nodes; zeroed: none was needed */
	struct order order;          /* of messages by sent date; at last, of threads by age */
	uint32_t *table;             /* by subject: the node that stands for it */
	uint32_t *roots, roots_n;    /* children of the root, in their order */
	uint32_t *first, *last, *next; /* by node: its children, as a list */
	uint32_t *top;               /* by message: its thread's node */
	int64_t *latest;             /* by node, of a thread: its youngest INTERNALDATE */
	/* Telling: the node that is entered or left next. */
	bool tells, leaves;
	uint32_t told;
};

/* `messages` outlive it.  IDs and subjects have numbers up to these. */
void threads_init(struct threads *t, enum thread_algorithm algorithm, const struct threads_message *messages, uint32_t n,
		  uint32_t ids_max, uint32_t subjects_max);
/* Accepts a zeroed struct. */
void threads_finish(struct threads *t);
/* True when the threads are made.  `links`: the table, which may move between slices, not change. */
bool threads_run(struct threads *t, const uint32_t *links, struct slice *slice);
/* Adds "(1 2 (3)(4))..." to `out` until it has some `full_bytes`; true at the end.  Call again with more room. */
bool threads_write(struct threads *t, size_t full_bytes, uint32_t (*number)(void *ctx, uint32_t message), void *ctx,
		   struct buf *out);

#endif
