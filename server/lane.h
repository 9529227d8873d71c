/*
 * A lane: an account's queue of operations, run by one worker at a time.  Writes share a transaction; replies leave
 * after its commit (group commit).  The directory has a lane too, so that hashing never blocks a loop.
 */
#ifndef SERVER_LANE_H
#define SERVER_LANE_H

#include "server/loop.h"
#include "storage/account.h"
#include "storage/directory.h"

struct conn;

struct op {
	struct letter letter;   /* travels back to the loop in it */
	struct op *next;
	struct loop *loop;
	uint64_t conn_id;       /* the ticket */
	bool writes;
	bool failed;            /* set before done: the store would not do it; nothing was changed */
	/* On a worker.  `account` is NULL on the directory's lane.  False rolls a writing op back. */
	bool (*run)(struct op *op, struct account *account, struct directory *directory);
	/* On the loop; `conn` is NULL when it is gone.  Frees the op. */
	void (*done)(struct op *op, struct conn *conn);
};

struct config;
struct lane;
struct lanes;

struct lanes *lanes_create(const struct config *config, struct loop *loops);
/* Runs what is queued, then stops the workers and closes every account. */
void lanes_destroy(struct lanes *lanes);
struct lane *lanes_directory(struct lanes *lanes);
/* The account's lane; lives until lanes_destroy().  Any thread. */
struct lane *lanes_get(struct lanes *lanes, const char *account_id);
/* Any thread.  op->loop may be NULL for none: then done runs on the worker. */
void lane_submit(struct lane *lane, struct op *op);

#endif
