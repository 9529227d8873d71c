#include "server/lane.h"

#include "protocol/base.h"
#include "server/accounts.h"
#include "server/crash.h"
#include "server/indexer.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/notify.h"
#include "server/quota.h"
#include "server/expirer.h"
#include "server/sweeper.h"
#include "server/warner.h"
#include "server/worker.h"

#include <string.h>

/* One turn of a lane on a worker. */
struct turn {
	struct lane *lane;
	struct op *waiting, **waiting_end; /* for the commit */
	uint64_t began_us;                 /* the transaction */
	const struct worker_tools *tools;
	bool worked;                       /* an op ran */
	bool lent;                         /* the account has this worker's scratch */
};

void lane_init(struct lane *lane, struct accounts *accounts, struct workers *workers, struct loop *loops,
	       const char *id)
{
	*lane = (struct lane){.accounts = accounts, .workers = workers, .loops = loops};
	snprintf(lane->id, sizeof(lane->id), "%s", id);
	lane->clients.end = &lane->clients.first;
	lane->background.end = &lane->background.first;
	invariant(uv_mutex_init(&lane->watch_mutex) == 0);
}

void lane_finish(struct lane *lane)
{
	invariant(!lane->clients.first && !lane->background.first && !lane->account && !lane->watched);
	uv_mutex_destroy(&lane->watch_mutex);
}

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static void push(struct lane *lane, struct op *op)
{
	struct op_queue *queue = op->background ? &lane->background : &lane->clients;
	op->next = NULL;
	*queue->end = op;
	queue->end = &op->next;
	queue->writes += op->writes;
}

static struct op *pop(struct op_queue *queue)
{
	struct op *op = queue->first;
	if (!op)
		return NULL;
	queue->first = op->next;
	if (!queue->first)
		queue->end = &queue->first;
	queue->writes -= op->writes;
	return op;
}

void lane_submit(struct lane *lane, struct op *op)
{
	op->lane = lane;
	workers_lock(lane->workers);
	push(lane, op);
	workers_wake_and_unlock(lane->workers, lane);
}

bool lane_run_here(struct lane *lane, struct op *op)
{
	workers_lock(lane->workers);
	bool ours = lane->state == LANE_RESTING && lane->account && !lane->account->in_transaction &&
		    settings_are_fresh(accounts_settings(lane->accounts), &lane->settings);
	if (ours) {
		lane->state = LANE_RUNNING;
		lane->in_background_list = false;
	}
	workers_unlock(lane->workers);
	if (!ours)
		return false;
	invariant(!op->writes);
	op->lane = lane;
	op->fate = OP_RAN;
	op->err = STORE_OK;
	enum op_result result = op->run(op, lane->account);
	accounts_used(lane);
	workers_lock(lane->workers);
	lane->state = LANE_RESTING;
	lane_note_served(lane);
	workers_wake_and_unlock(lane->workers, lane);
	return result != OP_AGAIN;
}

void lane_request(struct lane *lane, enum lane_chore chore)
{
	workers_lock(lane->workers);
	lane->chores |= chore;
	workers_wake_and_unlock(lane->workers, lane);
}

void lane_note_served(struct lane *lane)
{
	lane->quiet_until_us = now_us() + LIMIT_AFTERMATH_US;
}

bool lane_has_client_work(const struct lane *lane)
{
	return lane->clients.first;
}

bool lane_has_background_work(const struct lane *lane)
{
	return lane->background.first || lane->chores;
}

/* The next op of this turn; `*writes_left` is how many writes wait behind it.  NULL: none, but perhaps chores. */
static struct op *take(struct lane *lane, size_t *writes_left, unsigned *chores)
{
	workers_lock(lane->workers);
	struct op *op = pop(&lane->clients);
	*chores = 0;
	lane->served = lane->served || op;
	bool background = !op && lane->in_background_list && !lane->served;
	if (background)
		op = pop(&lane->background);
	if (background && !op) {
		*chores = lane->chores;
		lane->chores = 0;
	}
	*writes_left = lane->clients.writes;
	workers_unlock(lane->workers);
	return op;
}

static void do_chores(struct lane *lane, unsigned chores)
{
	bool idle = (chores & CHORE_IDLE) && lane->account;
	enum store_err err = idle ? account_idle(lane->account) : STORE_OK;
	if (idle && !err && !(chores & CHORE_CLOSE)) {
		sweeper_consider(lane);
		expirer_consider(lane);
		indexer_consider(lane);
	}
	if (err)
		log_event(LOG_ERROR, "account_idle_failed", log_text("account", lane->id),
			  log_text("error", accounts_error_name(err)), log_text("fault", account_fault(lane->account)));
	/* A message that is coming in would be lost; whoever keeps the budget asks again. */
	if ((chores & CHORE_CLOSE) && lane->account && !account_takes_in(lane->account))
		accounts_close(lane);
}

static enum op_result run_in_savepoint(struct lane *lane, struct op *op)
{
	account_set_actor(lane->account, op->login, op->device);
	lane->account->beyond_quota = op->beyond_quota;
	/* Better refused than lost at the commit; what the sweep writes makes room. */
	bool refused = !op->background && accounts_disk_is_full(lane);
	enum store_err err = refused ? STORE_FULL : account_begin(lane->account);
	if (err) {
		op->fate = OP_UNAVAILABLE;
		op->err = err;
	}
	enum op_result result = err ? OP_FAILED : op->run(op, lane->account);
	err = account_end(lane->account, result != OP_FAILED);
	if (err && op->fate == OP_RAN) {
		op->fate = OP_LOST;
		op->err = err;
	}
	return op->fate == OP_RAN ? result : OP_FAILED;
}

/* What the account's memory and log hold is in doubt: it is opened afresh. */
static void abandon(struct turn *t, const char *event, enum store_err err)
{
	struct lane *lane = t->lane;
	account_lend(lane->account, NULL);
	log_event(LOG_ERROR, event, log_text("account", lane->id), log_text("error", accounts_error_name(err)),
		  log_text("fault", account_fault(lane->account)));
	t->lent = false;
	err = accounts_reopen(lane);
	if (err)
		log_event(LOG_ERROR, "account_reopen_failed", log_text("account", lane->id),
			  log_text("error", accounts_error_name(err)));
}

static void release_waiting(struct turn *t, enum store_err err)
{
	while (t->waiting) {
		struct op *op = t->waiting;
		t->waiting = op->next;
		if (err && op->fate == OP_RAN) {
			op->fate = OP_LOST;
			op->err = err;
		}
		op_release(op);
	}
	t->waiting_end = &t->waiting;
}

static void commit(struct turn *t)
{
	struct account *a = t->lane->account;
	const struct account_touched *touched = NULL;
	size_t n = 0;
	enum store_err err = STORE_OK;
	if (a && a->in_transaction)
		err = account_commit(a, &touched, &n);
	if (err)
		abandon(t, "commit_failed", err);
	else
		notify_commit(t->lane, touched, n);
	release_waiting(t, err);
}

static enum op_result run_closed(struct turn *t, struct op *op)
{
	commit(t);
	accounts_close(t->lane);
	t->lent = false;
	return op->run(op, NULL);
}

static enum op_result run_op(struct turn *t, struct op *op)
{
	struct lane *lane = t->lane;
	op->fate = OP_RAN;
	op->err = STORE_OK;
	op->directory = lane->directory;
	if (atomic_load_explicit(&op->cancelled, memory_order_relaxed)) {
		op->fate = OP_CANCELLED;
		return OP_FAILED;
	}
	t->worked = true;
	if (lane->directory) {
		enum op_result result = op->run(op, NULL);
		accounts_mend_directory(lane);
		return result;
	}
	if (op->closes)
		return run_closed(t, op);
	crash_note_set(t->tools->note, lane->id, op->kind);
	op->err = accounts_open(lane);
	enum op_result result = OP_FAILED;
	if (!op->err && !t->lent)
		account_lend(lane->account, t->tools->scratch);
	t->lent = !op->err;
	if (!op->err)
		quota_apply(lane);
	if (op->err)
		op->fate = OP_UNAVAILABLE;
	else
		result = op->writes ? run_in_savepoint(lane, op) : op->run(op, lane->account);
	enum store_err grave = lane->account ? account_take_grave(lane->account) : STORE_OK;
	if (grave && op->fate == OP_RAN) /* else settle() says so */
		log_event(LOG_ERROR, "store_fault", log_text("account", lane->id), log_text("op", op->kind),
			  log_text("error", accounts_error_name(grave)), log_text("fault", account_fault(lane->account)));
	crash_note_set(t->tools->note, NULL, NULL);
	return result;
}

static void settle(struct turn *t, struct op *op, enum op_result result, size_t writes_left)
{
	struct lane *lane = t->lane;
	struct account *a = lane->account;
	if (op->fate != OP_RAN && op->err == STORE_IO && a) {
		abandon(t, "op_failed", op->err);
		release_waiting(t, op->err);
		a = NULL;
	}
	bool again = result == OP_AGAIN && !workers_are_stopping(lane->workers);
	if (result == OP_AGAIN && !again)
		op->fate = OP_CANCELLED;
	if (again) {
		workers_lock(lane->workers);
		push(lane, op);
		writes_left = lane->clients.writes;
		workers_unlock(lane->workers);
	} else if (a && a->in_transaction) {
		op->next = NULL;
		*t->waiting_end = op;
		t->waiting_end = &op->next;
	} else {
		op_release(op);
	}
	if (!a || !a->in_transaction)
		return;
	if (!t->began_us)
		t->began_us = now_us();
	if (writes_left == 0 || now_us() - t->began_us > LIMIT_TRANSACTION_US) {
		commit(t);
		t->began_us = 0;
	}
}

void lane_run_turn(struct lane *lane, const struct worker_tools *tools)
{
	struct turn t = {.lane = lane, .tools = tools};
	t.waiting_end = &t.waiting;
	uint64_t until_us = now_us() + LIMIT_TURN_US;
	unsigned chores;
	do {
		size_t writes_left;
		struct op *op = take(lane, &writes_left, &chores);
		if (!op)
			break;
		settle(&t, op, run_op(&t, op), writes_left);
	} while (now_us() < until_us);
	commit(&t);
	if (t.lent)
		account_lend(lane->account, NULL);
	if (chores)
		do_chores(lane, chores);
	if (t.worked && lane->account) {
		accounts_used(lane);
		indexer_note_turn(lane);
		warner_note_turn(lane);
	}
}
