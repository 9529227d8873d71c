/*
 * An op: one piece of work on one account.  It is made on a loop, runs on a worker while the account's lane has its
 * turn, and travels back to the loop in its own letter.  It is the only thing that crosses threads, and it is moved,
 * never shared: between conn_submit() and done() nobody but the worker may touch it (op_cancel() excepted).
 *
 * Embed it first in a struct of your own; what the work needs lives there or in `arena`, which dies with the op.
 *
 *	made ---> queued ---> run ---> [again: queued] ---> waits for the commit ---> done
 *	                 \--> cancelled, unavailable ---------------------------------^
 *
 * done() runs exactly once, whatever happened, and is where the op is freed.
 */
#ifndef SERVER_OP_H
#define SERVER_OP_H

#include "protocol/arena.h"
#include "server/loop.h"
#include "storage/error.h"

#include <stdatomic.h>

struct account;
struct conn;
struct directory;
struct lane;

/* What run() says about the work. */
enum op_result {
	OP_DONE,  /* finished; what a writing op changed is committed before done() */
	OP_AGAIN, /* its time slice is over: what it changed stays, and it runs again after the lane's other ops */
	OP_FAILED /* finished; what this run changed is rolled back, what it answered stands */
};

/* What became of the op: set by the lane, for done(). */
enum op_fate {
	OP_RAN,         /* run() finished and, for writes, its commit holds: the answer may be told */
	OP_UNAVAILABLE, /* never ran: the account cannot be opened, is held, or the server stops; `err` says why */
	OP_LOST,        /* it ran, and its transaction failed: forget the answer; `err` says why */
	OP_CANCELLED    /* skipped, since op_cancel() was called or its session is gone */
};

/* Where the answer goes.  A session is found by its id, which is never used twice, never by a pointer. */
struct ticket {
	struct loop *loop; /* NULL: nobody waits; done() runs on the worker, with conn NULL */
	uint64_t session;
	uint64_t serial; /* of the ops of this session, from 1 */
};

struct op {
	struct letter letter;
	struct op *next;
	const char *kind; /* static text: the command's name, for the log and the crash record */
	/* Set before it is submitted. */
	bool writes;     /* runs inside a savepoint of the lane's transaction */
	bool beyond_quota; /* with writes: it may add more than the account may hold */
	bool closes;     /* runs with the account closed, `account` NULL: after it, it may be gone */
	bool background; /* waits until no client's op of the account does */
	/* Who acts, for the journal: static, or in the arena; NULL: the server itself. */
	const char *login, *device;
	/* On a worker; at most a few milliseconds, else OP_AGAIN.  `account` is NULL on the directory's lane. */
	enum op_result (*run)(struct op *op, struct account *account);
	/* On the loop of the ticket; `conn` is NULL when the session is gone.  Frees the op. */
	void (*done)(struct op *op, struct conn *conn);
	struct arena arena;
	struct directory *directory; /* on the directory's lane only: the lane sets it */
	/* For done(). */
	enum op_fate fate;
	enum store_err err;
	/* Private to conn.c and lane.c. */
	struct ticket ticket;
	struct op *flight_next, **flight_link;
	struct lane *lane;
	atomic_bool cancelled;
};

/* Prepares a zeroed op.  `kind` must outlive it. */
void op_init(struct op *op, const char *kind, enum op_result (*run)(struct op *, struct account *),
	     void (*done)(struct op *, struct conn *));
/* Releases the arena.  Called by done(), before it frees what embeds the op. */
void op_finish(struct op *op);
/* On the loop that submitted it, before done(): a queued op is skipped; one that runs ends its slice as usual and is
 * not run again.  done() still comes. */
void op_cancel(struct op *op);
/* Any thread, by whoever ran the op: sends it back to where its ticket says. */
void op_release(struct op *op);

#endif
