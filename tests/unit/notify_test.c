/* A commit wakes the watches on what it changed, on the loops that have some, and nobody else. */
#include "server/notify.h"

#include "server/accounts.h"
#include "server/config.h"
#include "server/lane.h"
#include "server/loop.h"
#include "server/worker.h"
#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LOOPS = 3, WATCHES = 6 };

struct fixture {
	struct scratch_dir dir;
	struct config config;
	struct loop loops[LOOPS];
	struct workers *workers;
	struct accounts *accounts;
	struct lane *lane, *other;
	struct counted {
		struct watch watch;
		int wakes;
		int64_t mailbox;
		uint64_t modseq;
	} watches[WATCHES];
};

/* Work for a loop, and waiting for it. */
struct errand {
	struct letter letter;
	void (*work)(struct fixture *f, struct loop *loop);
	struct fixture *f;
	uv_sem_t done;
};

static void deliver_errand(struct letter *letter, struct loop *loop)
{
	struct errand *e = container_of(letter, struct errand, letter);
	if (e->work)
		e->work(e->f, loop);
	uv_sem_post(&e->done);
}

/* On each loop in turn; what was posted to it before has been delivered then. */
static void on_loops(struct fixture *f, void (*work)(struct fixture *f, struct loop *loop))
{
	for (int i = 0; i < LOOPS; i++) {
		struct errand e = {.work = work, .f = f, .letter.deliver = deliver_errand};
		uv_sem_init(&e.done, 0);
		loop_post(&f->loops[i], &e.letter);
		uv_sem_wait(&e.done);
		uv_sem_destroy(&e.done);
	}
}

static void on_change(struct watch *watch, int64_t mailbox, uint64_t modseq)
{
	struct counted *c = container_of(watch, struct counted, watch);
	c->wakes++;
	c->mailbox = mailbox;
	c->modseq = modseq;
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->dir);
	f->config.store = f->dir.path;
	for (unsigned i = 0; i < LOOPS; i++)
		loop_start(&f->loops[i], i, NULL);
	f->workers = workers_create(0, NULL);
	f->accounts = accounts_create(&f->config, f->workers, f->loops);
	f->lane = accounts_acquire(f->accounts, "aa");
	f->other = accounts_acquire(f->accounts, "bb");
	for (int i = 0; i < WATCHES; i++)
		f->watches[i].watch.on_change = on_change;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < LOOPS; i++)
		loop_stop(&f->loops[i]);
	for (int i = 0; i < LOOPS; i++)
		loop_join(&f->loops[i]);
	accounts_release(f->lane);
	accounts_release(f->other);
	accounts_stop(f->accounts);
	workers_stop(f->workers);
	for (int i = 0; i < LOOPS; i++)
		loop_finish(&f->loops[i]);
	workers_destroy(f->workers);
	accounts_destroy(f->accounts);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

/* Loop 0: mailbox 1, twice. Loop 1: mailbox 2, and the other account's 1. Loop 2: all of the account, mailbox 1. */
static void watch_all(struct fixture *f, struct loop *loop)
{
	struct counted *w = f->watches;
	if (loop->index == 0) {
		notify_watch(&w[0].watch, loop, f->lane, 1);
		notify_watch(&w[1].watch, loop, f->lane, 1);
	} else if (loop->index == 1) {
		notify_watch(&w[2].watch, loop, f->lane, 2);
		notify_watch(&w[3].watch, loop, f->other, 1);
	} else {
		notify_watch(&w[4].watch, loop, f->lane, WATCH_ALL);
		notify_watch(&w[5].watch, loop, f->lane, 1);
	}
}

static void unwatch_all(struct fixture *f, struct loop *loop)
{
	for (int i = 0; i < WATCHES; i++)
		if (f->watches[i].watch.loop == loop)
			notify_unwatch(&f->watches[i].watch);
}

static void expect_wakes(struct fixture *f, const int *wakes)
{
	on_loops(f, NULL);
	for (int i = 0; i < WATCHES; i++) {
		assert_int_equal(f->watches[i].wakes, wakes[i]);
		f->watches[i].wakes = 0;
	}
}

static void commit(struct lane *lane, int64_t mailbox, uint64_t modseq)
{
	struct account_touched touched = {.mailbox = mailbox, .modseq = modseq};
	notify_commit(lane, &touched, 1);
}

static void test_who_wakes(void **state)
{
	struct fixture *f = *state;
	on_loops(f, watch_all);
	commit(f->lane, 1, 7);
	expect_wakes(f, (int[]){1, 1, 0, 0, 1, 1});
	assert_int_equal(f->watches[4].mailbox, 1);
	assert_int_equal(f->watches[4].modseq, 7);
	commit(f->lane, 2, 8);
	expect_wakes(f, (int[]){0, 0, 1, 0, 1, 0});
	commit(f->lane, 3, 9);
	expect_wakes(f, (int[]){0, 0, 0, 0, 1, 0});
	commit(f->other, 1, 9);
	expect_wakes(f, (int[]){0, 0, 0, 1, 0, 0});
	on_loops(f, unwatch_all);
	commit(f->lane, 1, 10);
	expect_wakes(f, (int[]){0, 0, 0, 0, 0, 0});
	assert_null(f->lane->watched);
}

/* Many changes of one mailbox in one commit are one wake-up, at the last modseq. */
static void test_coalesced(void **state)
{
	struct fixture *f = *state;
	struct account_touched touched[100] = {{0}};
	for (uint64_t i = 0; i < 100; i++) {
		touched[i].mailbox = 1;
		touched[i].modseq = i + 1;
	}
	on_loops(f, watch_all);
	notify_commit(f->lane, touched, 100);
	expect_wakes(f, (int[]){1, 1, 0, 0, 1, 1});
	assert_int_equal(f->watches[0].modseq, 100);
	on_loops(f, unwatch_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_wakes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_coalesced, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
