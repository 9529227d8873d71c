#include "tests/model/upheaval.h"

#include "server/lane.h"
#include "storage/changes.h"
#include "storage/jump.h"
#include "tests/model/sim.h"

struct history_op {
	struct op op;
	struct sim *sim;
	uint32_t rows;
};

static enum op_result prune_run(struct op *op, struct account *account)
{
	struct history_op *h = container_of(op, struct history_op, op);
	bool more;
	if (history_prune(account, INT64_MAX, h->rows, &more) != STORE_OK)
		sim_fail(h->sim, "the history cannot be pruned");
	h->sim->pruned = true;
	sim_trace(h->sim, "history pruned: %u rows", h->rows);
	return OP_DONE;
}

static enum op_result jump_run(struct op *op, struct account *account)
{
	struct history_op *h = container_of(op, struct history_op, op);
	const struct account_touched *touched;
	size_t n;
	if (account->in_transaction)
		return OP_DONE;
	/* An account that jumps has just been opened; here recent marks may still be in memory alone. */
	bool ok = account_begin(account) == STORE_OK && account_end(account, true) == STORE_OK &&
		  account_commit(account, &touched, &n) == STORE_OK;
	if (!ok || account_jump(account, 0, false) != STORE_OK)
		sim_fail(h->sim, "the clock cannot jump");
	h->sim->epoch += h->sim->epoch > 0; /* all have other modseqs: what CHANGEDSINCE passed over before does not say why */
	h->sim->jumped = true;
	sim_trace(h->sim, "clock jumped to %llu", (unsigned long long)account->modseq);
	return OP_DONE;
}

static void history_done(struct op *op, struct conn *conn)
{
	struct history_op *h = container_of(op, struct history_op, op);
	(void)conn;
	op_finish(op);
	free(h);
}

static void submit(struct sim *s, const char *kind, enum op_result (*run)(struct op *, struct account *), bool writes)
{
	struct history_op *h = xcalloc(1, sizeof(*h));
	h->sim = s;
	h->rows = 1 + sim_below(s, sim_once(s, 2) ? 1000 : 10);
	op_init(&h->op, kind, run, history_done);
	h->op.writes = writes;
	h->op.background = true;
	lane_submit(s->lane, &h->op);
}

void upheaval(struct sim *s)
{
	uint32_t r = sim_below(s, 10);
	sim_trace(s, "upheaval %u", r);
	if (r < 4)
		submit(s, "prune", prune_run, true);
	else if (r < 7)
		lane_request(s->lane, CHORE_CLOSE);
	else if (r < 9)
		lane_request(s->lane, CHORE_IDLE);
	else
		submit(s, "jump", jump_run, false);
}
