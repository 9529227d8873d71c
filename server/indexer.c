#include "server/indexer.h"

#include "protocol/base.h"
#include "server/accounts.h"
#include "server/converting.h"
#include "server/index_run.h"
#include "server/lane.h"
#include "server/log.h"

enum {
	BEHIND = 256,     /* contents: with so many rest is not waited for */
	LATEST_MS = 10000, /* nor longer than this */
	LOOK_MS = 1000
};

struct indexing {
	struct op op;
	struct lane *lane; /* held */
	struct index_run run;
};

/* The index that is up to date may be one that should be replaced. */
static bool go_on(struct indexing *i, struct account *a)
{
	if (i->run.which == FULLTEXT_NEXT || !fulltext_is_stale(a))
		return false;
	index_run_finish(&i->run);
	index_run_init(&i->run, FULLTEXT_NEXT);
	i->run.carries = true;
	return true;
}

static void tell(const struct indexing *i, enum store_err err)
{
	const char *account = i->lane->id;
	if (err)
		log_event(LOG_WARNING, "index_paused", log_text("account", account), log_text("error", accounts_error_name(err)));
	else if (i->run.which == FULLTEXT_NEXT)
		log_event(LOG_INFO, "index_renewed", log_text("account", account),
			  log_number("contents", (int64_t)i->run.contents));
}

static enum op_result index_op_run(struct op *op, struct account *account)
{
	struct indexing *i = container_of(op, struct indexing, op);
	bool more = false;
	enum store_err err = index_run_step(&i->run, account, &more);
	if (!err && more)
		return OP_AGAIN;
	if (!err && go_on(i, account))
		return OP_AGAIN;
	if (!err && i->run.which == FULLTEXT_NEXT)
		err = fulltext_swap(account);
	tell(i, err);
	/* Whatever is wrong with the index is not tried again before something new has come. */
	fulltext_close(account);
	fulltext_caught_up(account);
	return OP_DONE;
}

static void index_op_done(struct op *op, struct conn *conn)
{
	struct indexing *i = container_of(op, struct indexing, op);
	(void)conn;
	i->lane->indexing = false;
	converting_add(accounts_converting(i->lane), i->lane);
	i->lane->index_done_ms = uv_hrtime() / 1000000;
	index_run_finish(&i->run);
	accounts_release(i->lane);
	op_finish(op);
	free(i);
}

static void submit(struct lane *lane)
{
	struct account *a = lane->account;
	struct indexing *i = xcalloc(1, sizeof(*i));
	/* A next one that is there without a present one was to take its place when a crash came. */
	bool next = fulltext_watermark(a) == 0 && fulltext_is_stale(a);
	index_run_init(&i->run, next ? FULLTEXT_NEXT : FULLTEXT_NOW);
	op_init(&i->op, "index", index_op_run, index_op_done);
	i->op.background = true;
	i->lane = accounts_acquire(lane->accounts, lane->id);
	lane->indexing = true;
	lane_submit(lane, &i->op);
}

/* What an earlier process left to convert; later it is done behind the indexing.  False: there is nothing of that to begin. */
static bool convert_first(struct lane *lane)
{
	struct converting *c = accounts_converting(lane);
	if (!c || lane->converted)
		return false;
	lane->converted = true;
	converting_add(c, lane);
	return true;
}

void indexer_note_turn(struct lane *lane)
{
	uint64_t now_ms = uv_hrtime() / 1000000;
	if (!accounts_index(lane) || lane->indexing || now_ms - lane->index_looked_ms < LOOK_MS)
		return;
	lane->index_looked_ms = now_ms;
	if (!lane->index_done_ms)
		lane->index_done_ms = now_ms;
	int64_t lag = fulltext_lag(lane->account);
	if (lag >= BEHIND || (lag > 0 && now_ms - lane->index_done_ms >= LATEST_MS))
		submit(lane);
	else if (lag == 0)
		convert_first(lane);
}

void indexer_note_sweep(struct lane *lane, uint64_t n)
{
	fulltext_note_dead(lane->account, n);
	if (accounts_index(lane) && !lane->indexing && fulltext_is_stale(lane->account))
		submit(lane);
}

void indexer_consider(struct lane *lane)
{
	if (lane->indexing)
		return;
	if (accounts_index(lane) && fulltext_lag(lane->account) > 0)
		submit(lane);
	else if (!convert_first(lane))
		fulltext_close(lane->account);
}
