/*
 * The thread that looks around once a second: accounts that have come to rest, lanes that nobody needs, and, every few
 * seconds, what accounts have come to take, which is recorded (tally.h).
 */
#include "server/accounts_private.h"

#include "server/log.h"
#include "server/worker.h"

#include <time.h>
#include <utlist.h>

enum { LOOK_MS = 1000, REST_MS = 2000, BATCH = 64, FORGET_EVERY = 60, RECORD_EVERY = 5, RECORDS = 500 };

/* Accounts that nothing happened to for a moment. */
static void find_resting(struct accounts *accounts)
{
	struct lane *resting[BATCH];
	size_t n = 0;
	uint64_t before_ms = accounts_now_ms() - REST_MS;
	for (struct lane *lane = accounts->open; lane && lane->used_ms < before_ms && n < BATCH; lane = lane->open_next) {
		if (lane->is_idle)
			continue;
		lane->is_idle = true;
		lane->references++;
		resting[n++] = lane;
	}
	uv_mutex_unlock(&accounts->mutex);
	accounts_request_all(resting, n, CHORE_IDLE);
	uv_mutex_lock(&accounts->mutex);
}

struct recording {
	struct op op;
	struct accounts *accounts;
	size_t n;
	struct tally_record records[RECORDS];
};

static enum store_err record(struct accounts *accounts, struct directory *d, struct tally_record *records, size_t n)
{
	enum store_err err = directory_begin(d);
	if (!err)
		err = tally_write(d, records, n, time(NULL));
	if (!err)
		err = directory_end(d, true);
	else
		(void)!directory_end(d, false);
	if (!err)
		tally_keep(accounts->tally, d, records, n);
	else
		log_event(LOG_ERROR, "usage_not_recorded", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(d)));
	return err;
}

static enum op_result record_run(struct op *op, struct account *account)
{
	struct recording *r = container_of(op, struct recording, op);
	(void)account;
	op->err = record(r->accounts, op->directory, r->records, r->n);
	return op->err ? OP_FAILED : OP_DONE;
}

/* What was not recorded is so with the account's next op. */
static void record_done(struct op *op, struct conn *conn)
{
	struct recording *r = container_of(op, struct recording, op);
	(void)conn;
	for (size_t i = 0; i < r->n; i++)
		accounts_release(r->records[i].lane);
	uv_mutex_lock(&r->accounts->mutex);
	r->accounts->recording = false;
	uv_mutex_unlock(&r->accounts->mutex);
	op_finish(op);
	free(r);
}

/* Called with the mutex held: takes them off the list. */
static size_t take_behind(struct accounts *accounts, struct tally_record *out)
{
	size_t n = 0;
	while (accounts->behind && n < RECORDS) {
		struct lane *lane = accounts->behind;
		DL_DELETE2(accounts->behind, lane, behind_prev, behind_next);
		lane->is_behind = false;
		out[n++].lane = lane;
	}
	return n;
}

/* Called with the mutex held. */
static void record_behind(struct accounts *accounts)
{
	if (!accounts->behind || accounts->recording)
		return;
	struct recording *r = xcalloc(1, sizeof(*r));
	op_init(&r->op, "record usage", record_run, record_done);
	r->accounts = accounts;
	r->n = take_behind(accounts, r->records);
	for (size_t i = 0; i < r->n; i++)
		r->records[i].lane->references++;
	accounts->recording = true;
	uv_mutex_unlock(&accounts->mutex);
	lane_submit(accounts->directory, &r->op);
	uv_mutex_lock(&accounts->mutex);
}

/* Lanes that nobody refers to and that hold nothing. */
static void forget_unused(struct accounts *accounts)
{
	struct lane *lane, *next;
	HASH_ITER(hh, accounts->lanes, lane, next) {
		if (lane->references || lane->is_open || lane->is_behind)
			continue;
		workers_lock(accounts->workers);
		bool resting = lane->state == LANE_RESTING && !lane->chores;
		workers_unlock(accounts->workers);
		if (!resting)
			continue;
		HASH_DEL(accounts->lanes, lane);
		lane_finish(lane);
		free(lane);
	}
}

void *accounts_look_around(void *arg)
{
	struct accounts *accounts = arg;
	uv_mutex_lock(&accounts->mutex);
	for (unsigned turn = 1; !accounts->stopping; turn++) {
		uv_cond_timedwait(&accounts->look, &accounts->mutex, (uint64_t)LOOK_MS * 1000000);
		find_resting(accounts);
		if (turn % RECORD_EVERY == 0)
			record_behind(accounts);
		if (turn % FORGET_EVERY == 0)
			forget_unused(accounts);
	}
	uv_mutex_unlock(&accounts->mutex);
	return NULL;
}

void accounts_record_all(struct accounts *accounts)
{
	struct tally_record records[RECORDS];
	enum store_err err = STORE_OK;
	while (accounts->behind && !err)
		err = record(accounts, accounts->directory->directory, records, take_behind(accounts, records));
}
