/*
 * Pushes to idling sessions, over connections and loops in which no timer exists: what one session does reaches the others
 * by letters alone.  And the keep-alive of those that hear nothing.
 */
#include "server/session.h"

#include "server/accounts.h"
#include "server/worker.h"
#include "tests/model/wire.h"
#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
	struct scratch_dir dir;
	struct server server;
	struct loop loop;
	struct wire *idler, *other;
	struct buf idler_heard, other_heard;
};

/* Ops and letters, until there are none: nothing waits for a clock. */
static void settle(struct fixture *f)
{
	bool busy = true;
	while (busy) {
		busy = workers_run_one(f->server.workers);
		busy |= wire_turn(&f->loop);
		busy |= wire_drain(f->idler, SIZE_MAX, &f->idler_heard) != 0;
		busy |= wire_drain(f->other, SIZE_MAX, &f->other_heard) != 0;
	}
	buf_add_char(&f->idler_heard, '\0');
	buf_add_char(&f->other_heard, '\0');
}

static void say(struct fixture *f, struct wire *w, const char *text)
{
	buf_reset(&f->idler_heard);
	buf_reset(&f->other_heard);
	wire_read(w, span_of(text));
	settle(f);
}

static struct wire *join(struct fixture *f)
{
	struct wire *w = wire_open(&f->loop, OUT_HIGH);
	session_log_in(w->conn.session, &(struct auth_result){.account = "account", .address = "user@example.org"});
	return w;
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->dir);
	wire_seed_clock(1);
	f->server.config = (struct config){.store = f->dir.path, .hostname = "push", .message_bytes_max = 100000};
	f->server.loops = &f->loop;
	f->loop.server = &f->server;
	f->loop.inbox_end = &f->loop.inbox;
	f->server.workers = workers_create(0, NULL);
	f->server.accounts = accounts_create(&f->server.config, f->server.workers, &f->loop);
	buf_init(&f->idler_heard, SIZE_MAX);
	buf_init(&f->other_heard, SIZE_MAX);
	f->idler = join(f);
	f->other = join(f);
	say(f, f->idler, "a SELECT INBOX\r\nb IDLE\r\n");
	say(f, f->other, "a SELECT INBOX\r\n");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	conn_close(&f->idler->conn);
	conn_close(&f->other->conn);
	while (wire_turn(&f->loop) || workers_run_one(f->server.workers))
		;
	accounts_stop(f->server.accounts);
	workers_stop(f->server.workers);
	accounts_destroy(f->server.accounts);
	workers_destroy(f->server.workers);
	buf_finish(&f->idler_heard);
	buf_finish(&f->other_heard);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

static void test_no_timer(void **state)
{
	struct fixture *f = *state;
	say(f, f->other, "b APPEND INBOX {4+}\r\n\r\n\r\n\r\n");
	assert_string_equal(f->idler_heard.data, "* 1 EXISTS\r\n* 0 RECENT\r\n");
	say(f, f->other, "c STORE 1 +FLAGS (\\Deleted)\r\n");
	assert_string_equal(f->idler_heard.data, "* 1 FETCH (FLAGS (\\Deleted))\r\n");
	say(f, f->other, "d EXPUNGE\r\n");
	assert_string_equal(f->idler_heard.data, "* 1 EXPUNGE\r\n");
}

/* A hundred thousand sessions that begin to idle in one second: none before three quarters of the interval, none after
 * it, and in no second many more than their share. */
static void test_pulses_are_spread(void **state)
{
	enum { SESSIONS = 100000, INTERVAL_S = 120 };
	unsigned at[INTERVAL_S + 1] = {0};
	(void)state;
	for (uint64_t id = 1; id <= SESSIONS; id++) {
		unsigned s = session_pulse_s(INTERVAL_S, id);
		assert_in_range(s, INTERVAL_S * 3 / 4, INTERVAL_S);
		assert_int_equal(s, session_pulse_s(INTERVAL_S, id));
		at[s]++;
	}
	for (unsigned s = INTERVAL_S * 3 / 4; s <= INTERVAL_S; s++)
		assert_in_range(at[s], SESSIONS / (INTERVAL_S / 4 + 1) * 9 / 10, SESSIONS / (INTERVAL_S / 4 + 1) * 11 / 10);
	for (uint64_t id = 1; id < 100; id++) {
		assert_int_equal(session_pulse_s(0, id), 0);
		assert_in_range(session_pulse_s(1, id), 1, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_timer, set_up, tear_down),
		cmocka_unit_test(test_pulses_are_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
