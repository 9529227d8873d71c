#include "server/sweeper.h"

#include "protocol/base.h"
#include "server/accounts.h"
#include "server/indexer.h"
#include "server/lane.h"
#include "server/log.h"
#include "storage/sweep.h"

struct sweeping {
	struct op op;
	struct lane *lane; /* held */
	bool started;
};

static enum op_result sweep_run(struct op *op, struct account *account)
{
	struct sweeping *s = container_of(op, struct sweeping, op);
	bool more = false;
	/* When the account was closed in between, the sweep is over; another will be due. */
	if (!s->started)
		sweep_start(account, accounts_retention_s(s->lane), false);
	s->started = true;
	op->err = sweep_step(account, &more);
	if (op->err) {
		log_event(LOG_ERROR, "sweep_failed", log_text("account", s->lane->id),
			  log_text("error", accounts_error_name(op->err)), log_text("fault", account_fault(account)));
		return OP_FAILED;
	}
	if (more)
		return OP_AGAIN;
	struct sweep_counts counts = sweep_result(account);
	indexer_note_sweep(s->lane, counts.contents);
	if (counts.contents || counts.files)
		log_event(LOG_INFO, "swept", log_text("account", s->lane->id), log_number("contents", (int64_t)counts.contents),
			  log_number("files", (int64_t)counts.files), log_number("pages", (int64_t)counts.pages));
	return OP_DONE;
}

static void sweep_done(struct op *op, struct conn *conn)
{
	struct sweeping *s = container_of(op, struct sweeping, op);
	(void)conn;
	accounts_release(s->lane);
	op_finish(op);
	free(s);
}

void sweeper_consider(struct lane *lane)
{
	if (!sweep_is_due(lane->account))
		return;
	struct sweeping *s = xcalloc(1, sizeof(*s));
	op_init(&s->op, "sweep", sweep_run, sweep_done);
	s->op.writes = s->op.background = true;
	s->lane = accounts_acquire(lane->accounts, lane->id);
	lane_submit(lane, &s->op);
}
