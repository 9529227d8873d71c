/*
 * A lane: one account's queues of ops, run by one worker at a time.  It is what makes locks inside storage/
 * unnecessary: whoever has the lane's turn owns the account.
 *
 * Two queues.  Background ops (sweeps, pruning, indexing) start only while no client's op waits.
 *
 * A turn lasts about 10 ms, then the next account gets the worker.  Each writing op runs in a savepoint; the
 * transaction around them commits when no further write waits, or after 3 ms, and only then do the replies leave:
 * those of the writes, and those of the reads that ran after them and may have seen what they did.  An op never waits
 * for another lane.
 */
#ifndef SERVER_LANE_H
#define SERVER_LANE_H

#include "server/op.h"
#include "server/settings.h"
#include "server/tally.h"
#include "storage/account.h"
#include "storage/directory.h"

#include <uthash.h>

struct accounts;
struct watch_mask;
struct worker_tools;
struct workers;

struct op_queue {
	struct op *first, **end;
	size_t writes; /* of the ops in it */
};

/* Work on the account itself, done when no op waits: bits of lane->chores. */
enum lane_chore {
	CHORE_IDLE = 1, /* account_idle(): the log goes into the database */
	CHORE_CLOSE = 2 /* somebody else's account needs the descriptors or the memory */
};

enum lane_state {
	LANE_RESTING,  /* nothing to do */
	LANE_RUNNABLE, /* in one of the workers' lists */
	LANE_RUNNING   /* a worker has its turn */
};

struct lane {
	struct accounts *accounts;
	struct workers *workers;
	struct loop *loops; /* all of them, by index */
	char id[40];
	/* Owned by the worker that has the turn. */
	struct account *account; /* NULL: not open */
	struct directory *directory;
	struct lane_settings settings; /* accounts_open() sees to it that they are fresh */
	struct tally_member member;    /* and that it is counted */
	uint64_t weighed_ms; /* when `bytes` was measured */
	int64_t expired_s;   /* when old mail was last looked for (expirer.h) */
	_Atomic bool is_gone; /* its account was purged (accounts_purge()): it opens no more */
	bool warning, knows_warned; /* an op of warner.c is there; whether `warned`, the percentage, is known */
	int warned;
	bool converting;     /* its texts are converting.c's; and at the start of the account they were looked for */
	bool converted;
	bool indexing;       /* an op of indexer.c is there; and when it was thought of, and done, last */
	uint64_t index_looked_ms, index_done_ms;
	/* Under the workers' mutex. */
	struct op_queue clients, background;
	unsigned chores;
	enum lane_state state;
	bool in_background_list;
	bool served;                                   /* clients' ops ran in this turn */
	uint64_t quiet_until_us, background_since_us;  /* no background work before then; since when it waits, 0: it does not */
	struct lane *run_next, *run_prev;
	/* Under the accounts' mutex. */
	size_t references;
	UT_hash_handle hh;
	struct lane *open_next, *open_prev; /* of the open accounts, least recently used first */
	uint64_t used_ms;                   /* when the last turn with ops ended */
	size_t bytes;                       /* what the account takes of memory, by and large */
	struct lane *behind_next, *behind_prev; /* of those whose use is to be recorded */
	bool is_behind;
	bool is_open, is_idle;              /* is_idle: CHORE_IDLE was asked for since it was used */
	/* Under its own mutex (notify.c). */
	uv_mutex_t watch_mutex;
	struct watch_mask *watched;
};

/* Any thread; the caller holds a reference until done().  For an op with a session, see conn_submit(). */
void lane_submit(struct lane *lane, struct op *op);
/* Any thread; the caller holds a reference. */
void lane_request(struct lane *lane, enum lane_chore chore);
/* Runs a reading op at once on the calling thread, when the lane rests and its account is open: what memory answers is
 * not worth two changes of thread.  True: it ran, and done() is not called; false: it did not, or said OP_AGAIN, and is
 * the caller's to submit.  It may not read bodies, which takes a worker's tools. */
bool lane_run_here(struct lane *lane, struct op *op);
/* On a worker that has the lane's turn. */
void lane_run_turn(struct lane *lane, const struct worker_tools *tools);
/* Under the workers' mutex: a client's op ran.  Those who hear of what it did come next, so background work stands back
 * for LIMIT_AFTERMATH_US. */
void lane_note_served(struct lane *lane);
/* Under the workers' mutex: something waits for a turn. */
bool lane_has_client_work(const struct lane *lane);
bool lane_has_background_work(const struct lane *lane);
/* accounts.c makes and ends lanes. */
void lane_init(struct lane *lane, struct accounts *accounts, struct workers *workers, struct loop *loops,
	       const char *id);
void lane_finish(struct lane *lane);

#endif
