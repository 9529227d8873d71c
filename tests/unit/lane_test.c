/* A lane's rules, one turn at a time on this thread: order, fates, the commit before the reply, who waits for whom; and on
 * threads, when background work has its turn. */
#include "server/lane.h"

#include "server/accounts.h"
#include "server/config.h"
#include "server/crash.h"
#include "server/limits.h"
#include "server/worker.h"
#include "storage/mailbox.h"
#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <time.h>

enum { LOG_MAX = 64 };

struct fixture {
	struct scratch_dir dir;
	struct config config;
	struct workers *workers;
	struct accounts *accounts;
	char log[LOG_MAX * 8]; /* what happened, a word each: "+a" ran, "-a" done */
	bool only_runs;        /* the log leaves out "-a": when a transaction ends depends on the clock */
	int dones;
};

struct test_op {
	struct op op;
	struct fixture *f;
	const char *name;
	int agains;
	enum op_result result;
	const char *creates; /* a mailbox */
	struct op *cancels;
	enum op_fate *fate;
	uint64_t *ran_us;
	uv_sem_t *is_done;
};

static void say(struct fixture *f, char sign, const char *name)
{
	size_t at = strlen(f->log);
	snprintf(f->log + at, sizeof(f->log) - at, "%s%c%s", at ? " " : "", sign, name);
}

static enum op_result run(struct op *op, struct account *account)
{
	struct test_op *t = container_of(op, struct test_op, op);
	say(t->f, '+', t->name);
	if (t->ran_us)
		*t->ran_us = uv_hrtime() / 1000;
	if (t->cancels)
		op_cancel(t->cancels);
	if (t->creates) {
		int64_t id;
		assert_int_equal(mailbox_create(account, t->creates, 0, &id), STORE_OK);
	}
	return t->agains-- > 0 ? OP_AGAIN : t->result;
}

static void done(struct op *op, struct conn *conn)
{
	struct test_op *t = container_of(op, struct test_op, op);
	assert_null(conn);
	/* Nothing is told that may still be lost. */
	assert_false(op->lane->account && op->lane->account->in_transaction);
	t->f->dones++;
	if (!t->f->only_runs)
		say(t->f, '-', t->name);
	if (t->fate)
		*t->fate = op->fate;
	uv_sem_t *is_done = t->is_done;
	op_finish(op);
	free(t);
	if (is_done)
		uv_sem_post(is_done);
}

static struct test_op *make(struct fixture *f, const char *name)
{
	struct test_op *t = xcalloc(1, sizeof(*t));
	op_init(&t->op, "TEST", run, done);
	t->f = f;
	t->name = name;
	return t;
}

static void run_all(struct fixture *f)
{
	while (workers_run_one(f->workers))
		;
}

static int set_up_with(void **state, int threads)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->dir);
	f->config.store = f->dir.path;
	f->workers = workers_create(threads, NULL);
	f->accounts = accounts_create(&f->config, f->workers, NULL);
	assert_non_null(f->accounts);
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 0);
}

static int set_up_threads(void **state)
{
	return set_up_with(state, 2);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	accounts_stop(f->accounts);
	workers_stop(f->workers);
	accounts_destroy(f->accounts);
	workers_destroy(f->workers);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

/* Opened before, since opening takes longer than a turn. */
static struct lane *open_lane(struct fixture *f)
{
	struct lane *lane = accounts_acquire(f->accounts, "aa");
	lane_submit(lane, &make(f, "open")->op);
	run_all(f);
	assert_non_null(lane->account);
	f->log[0] = '\0';
	f->dones = 0;
	return lane;
}

static void test_order(void **state)
{
	struct fixture *f = *state;
	struct lane *lane = open_lane(f);
	struct test_op *sweep = make(f, "sweep"), *long_one = make(f, "long");
	sweep->op.background = true;
	long_one->agains = 2;
	lane_submit(lane, &sweep->op);
	assert_int_equal(workers_waiting(f->workers), 0); /* nobody waits for what is done in the background */
	lane_submit(lane, &long_one->op);
	lane_submit(lane, &make(f, "a")->op);
	assert_int_equal(workers_waiting(f->workers), 1); /* lanes, not ops */
	lane_submit(lane, &make(f, "b")->op);
	run_all(f);
	assert_int_equal(workers_waiting(f->workers), 0);
	/* The long one lets the others pass; the background waits for all of them. */
	assert_string_equal(f->log, "+long +a -a +b -b +long +long -long +sweep -sweep");
	accounts_release(lane);
}

/* Replies of writes, and of reads behind them, leave after the commit: done() looks. */
static void test_commit_before_reply(void **state)
{
	struct fixture *f = *state;
	struct lane *lane = open_lane(f);
	f->only_runs = true;
	struct test_op *one = make(f, "w1"), *read = make(f, "r"), *two = make(f, "w2");
	one->op.writes = two->op.writes = true;
	one->creates = "one";
	two->creates = "two";
	lane_submit(lane, &one->op);
	lane_submit(lane, &read->op);
	lane_submit(lane, &two->op);
	run_all(f);
	assert_string_equal(f->log, "+w1 +r +w2");
	assert_int_equal(f->dones, 3);
	accounts_release(lane);
}

static enum store_err find_in(struct fixture *f, struct lane *lane, const char *name)
{
	int64_t id;
	lane_submit(lane, &make(f, "look")->op);
	run_all(f);
	return mailbox_find(lane->account, name, &id);
}

static void test_fates(void **state)
{
	struct fixture *f = *state;
	struct lane *lane = open_lane(f);
	f->only_runs = true;
	enum op_fate failed = OP_LOST, cancelled = OP_RAN, kept = OP_LOST;
	struct test_op *a = make(f, "a"), *b = make(f, "b"), *c = make(f, "c");
	a->op.writes = b->op.writes = c->op.writes = true;
	a->result = OP_FAILED;
	a->creates = "rolled back";
	a->cancels = &b->op;
	a->fate = &failed;
	b->creates = "never";
	b->fate = &cancelled;
	c->creates = "kept";
	c->fate = &kept;
	lane_submit(lane, &a->op);
	lane_submit(lane, &b->op);
	lane_submit(lane, &c->op);
	run_all(f);
	assert_string_equal(f->log, "+a +c");
	assert_int_equal(f->dones, 3);
	assert_int_equal(failed, OP_RAN);
	assert_int_equal(cancelled, OP_CANCELLED);
	assert_int_equal(kept, OP_RAN);
	assert_int_equal(find_in(f, lane, "rolled back"), STORE_NOTFOUND);
	assert_int_equal(find_in(f, lane, "kept"), STORE_OK);
	accounts_release(lane);
}

static void test_close_and_open(void **state)
{
	struct fixture *f = *state;
	struct lane *lane = accounts_acquire(f->accounts, "aa");
	struct test_op *a = make(f, "a");
	a->op.writes = true;
	a->creates = "kept";
	lane_submit(lane, &a->op);
	run_all(f);
	assert_non_null(lane->account);
	lane_request(lane, CHORE_IDLE);
	run_all(f);
	assert_non_null(lane->account);
	lane_request(lane, CHORE_CLOSE);
	run_all(f);
	assert_null(lane->account);
	assert_int_equal(find_in(f, lane, "kept"), STORE_OK);
	accounts_release(lane);
}

static void test_same_lane(void **state)
{
	struct fixture *f = *state;
	struct lane *a = accounts_acquire(f->accounts, "aa"), *b = accounts_acquire(f->accounts, "bb");
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(accounts_acquire(f->accounts, "aa"), a);
	accounts_release(a);
	accounts_release(a);
	accounts_release(b);
}

/* An account that took the daemon down again and again is not opened. */
static void test_held(void **state)
{
	struct fixture *f = *state;
	char path[4096];
	accounts_crashes_path(&f->config, path, sizeof(path));
	FILE *crashes = fopen(path, "w");
	assert_non_null(crashes);
	for (int i = 0; i < CRASHES_HELD; i++)
		fprintf(crashes, "%lld aa FETCH 11\n", (long long)time(NULL));
	fclose(crashes);
	accounts_stop(f->accounts);
	accounts_destroy(f->accounts);
	f->accounts = accounts_create(&f->config, f->workers, NULL);
	struct lane *held = accounts_acquire(f->accounts, "aa"), *other = accounts_acquire(f->accounts, "bb");
	enum op_fate of_held = OP_RAN, of_other = OP_LOST;
	struct test_op *a = make(f, "a"), *b = make(f, "b");
	a->fate = &of_held;
	b->fate = &of_other;
	lane_submit(held, &a->op);
	lane_submit(other, &b->op);
	run_all(f);
	assert_string_equal(f->log, "-a +b -b");
	assert_int_equal(of_held, OP_UNAVAILABLE);
	assert_int_equal(of_other, OP_RAN);
	accounts_release(held);
	accounts_release(other);
}

/* On the workers' threads, one after the other: when it ran. */
static uint64_t run_one(struct fixture *f, struct lane *lane, const char *name, uv_sem_t *is_done)
{
	uint64_t ran_us = 0;
	struct test_op *t = make(f, name);
	t->ran_us = &ran_us;
	t->is_done = is_done;
	lane_submit(lane, &t->op);
	uv_sem_wait(is_done);
	return ran_us;
}

/* Who hears of a change comes before housekeeping, which waits, though not for ever. */
static void test_background_stands_back(void **state)
{
	struct fixture *f = *state;
	struct lane *lane = accounts_acquire(f->accounts, "aa");
	uint64_t background_us = 0;
	uv_sem_t client, background;
	assert_int_equal(uv_sem_init(&client, 0), 0);
	assert_int_equal(uv_sem_init(&background, 0), 0);
	for (int busy = 0; busy < 2; busy++) {
		uint64_t client_us = run_one(f, lane, "client", &client), since_us = client_us;
		struct test_op *sweep = make(f, "sweep");
		sweep->op.background = true;
		sweep->ran_us = &background_us;
		sweep->is_done = &background;
		lane_submit(lane, &sweep->op);
		while (busy && uv_sem_trywait(&background) != 0) {
			client_us = run_one(f, lane, "client", &client);
			assert_true(client_us - since_us < 30ULL * 1000 * 1000); /* far more than it may wait */
		}
		if (!busy) {
			uv_sem_wait(&background);
			assert_true(background_us >= client_us + LIMIT_AFTERMATH_US);
		}
	}
	uv_sem_destroy(&client);
	uv_sem_destroy(&background);
	accounts_release(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_commit_before_reply, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_close_and_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_same_lane, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_background_stands_back, set_up_threads, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
