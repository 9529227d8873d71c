/*
 * A connection over a socket pair, on a loop of its own: back-pressure, deadlines, ends, and ops that outlive it.
 * The test's thread is the client; what concerns the connection is done on the loop, by errands.
 */
#include "server/conn.h"

#include "server/accounts.h"
#include "server/lane.h"
#include "server/server.h"
#include "server/worker.h"
#include "tests/unit/scratch_dir.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct user {
	struct conn *conn; /* NULL: closed */
	int datas, draineds, endings;
	enum conn_end why;
	size_t room_bytes; /* written until there was no room */
};

struct fixture {
	struct scratch_dir dir;
	struct server server;
	struct loop loop;
	struct user user; /* the loop's */
	struct user seen; /* a copy for the test's thread: look() */
	size_t pending;
	int client;
	bool op_done, op_had_conn;
	enum op_fate op_fate;
	struct lane *lane;
	struct op *op;
};

static struct user *user_of(struct conn *c)
{
	return &((struct fixture *)(uintptr_t)c->listener->address)->user;
}

static void on_accept(struct conn *c)
{
	user_of(c)->conn = c;
	conn_write_text(c, "hello\n");
}

static void on_data(struct conn *c)
{
	user_of(c)->datas++;
	if (c->in.len && c->in.data[0] == 'e') /* echo */
		conn_move(c, &c->in);
}

static void on_drained(struct conn *c)
{
	user_of(c)->draineds++;
}

static void on_ending(struct conn *c, enum conn_end why)
{
	user_of(c)->endings++;
	user_of(c)->why = why;
	conn_write_text(c, "bye\n");
}

static void on_closed(struct conn *c)
{
	user_of(c)->conn = NULL;
}

static void on_pulse(struct conn *c)
{
	conn_write_text(c, "still here\n");
}

static const struct conn_user test_user = {on_accept, on_data, on_drained, on_ending, on_closed, on_pulse};

struct errand {
	struct letter letter;
	void (*work)(struct fixture *f);
	struct fixture *f;
	uv_sem_t done;
};

static void deliver_errand(struct letter *letter, struct loop *loop)
{
	struct errand *e = container_of(letter, struct errand, letter);
	(void)loop;
	e->work(e->f);
	uv_sem_post(&e->done);
}

static void on_loop(struct fixture *f, void (*work)(struct fixture *f))
{
	struct errand e = {.work = work, .f = f, .letter.deliver = deliver_errand};
	uv_sem_init(&e.done, 0);
	loop_post(&f->loop, &e.letter);
	uv_sem_wait(&e.done);
	uv_sem_destroy(&e.done);
}

static void make_conn(struct fixture *f)
{
	static struct listen_config listen;
	static const struct conn_peer peer = {.text = "test"};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	listen = (struct listen_config){.protocol = PROTOCOL_IMAP, .path = "", .address = (const char *)f};
	f->client = pair[0];
	assert_int_equal(peers_enter(f->server.peers, peer.key), PEERS_WELCOME);
	loop_count(&f->loop);
	conn_create(&f->loop, pair[1], &listen, &test_user, &peer);
}

/* What comes until `end`; with "" until the stream ends. */
static size_t read_until(struct fixture *f, const char *end, char *out, size_t size)
{
	size_t len = 0, end_len = strlen(end);
	struct pollfd poll_in = {.fd = f->client, .events = POLLIN};
	while (len + 1 < size && (!end_len || len < end_len || memcmp(out + len - end_len, end, end_len) != 0)) {
		assert_int_equal(poll(&poll_in, 1, 10000), 1);
		ssize_t n = read(f->client, out + len, end_len ? 1 : size - len - 1);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return len;
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char got[100];
	scratch_dir_create(&f->dir);
	f->server.config.store = f->dir.path;
	f->server.peers = peers_create(&(struct peers_limits){10, 10, 10});
	f->server.loops = &f->loop;
	f->server.workers = workers_create(0, NULL);
	loop_start(&f->loop, 0, &f->server);
	f->server.accounts = accounts_create(&f->server.config, f->server.workers, &f->loop);
	f->lane = accounts_acquire(f->server.accounts, "aa");
	on_loop(f, make_conn);
	read_until(f, "\n", got, sizeof(got));
	assert_string_equal(got, "hello\n");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	if (f->client >= 0)
		close(f->client);
	loop_stop(&f->loop);
	loop_join(&f->loop);
	accounts_release(f->lane);
	accounts_stop(f->server.accounts);
	workers_stop(f->server.workers);
	loop_finish(&f->loop);
	workers_destroy(f->server.workers);
	accounts_destroy(f->server.accounts);
	peers_destroy(f->server.peers);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

static void copy_user(struct fixture *f)
{
	f->seen = f->user;
	if (f->user.conn)
		f->pending = f->user.conn->out.chunk_bytes + f->user.conn->writing;
}

static const struct user *look(struct fixture *f)
{
	on_loop(f, copy_user);
	return &f->seen;
}

/* Until the connection is gone from its loop. */
static void wait_closed(struct fixture *f)
{
	for (int i = 0; i < 5000 && look(f)->conn; i++)
		usleep(1000);
	assert_null(look(f)->conn);
}

static void fill(struct fixture *f)
{
	struct conn *c = f->user.conn;
	while (conn_has_room(c)) {
		struct buf chunk;
		buf_init(&chunk, 100000);
		char *to = buf_reserve(&chunk, 10000);
		memset(to, 'x', 10000);
		chunk.len = 10000;
		f->user.room_bytes += chunk.len;
		conn_move(c, &chunk);
		buf_finish(&chunk);
	}
}

static void test_water_marks(void **state)
{
	struct fixture *f = *state;
	static char got[1 << 22];
	on_loop(f, fill);
	/* What the kernel takes is not ours; beyond it the high water mark and one chunk. */
	size_t room = look(f)->room_bytes;
	assert_in_range(room, LIMIT_OUT_HIGH_BYTES, 4 * LIMIT_OUT_HIGH_BYTES);
	assert_int_equal(f->seen.draineds, 0);
	assert_in_range(f->pending, 1, LIMIT_OUT_HIGH_BYTES + 10000);
	size_t len = 0;
	struct pollfd poll_in = {.fd = f->client, .events = POLLIN};
	while (len < room) {
		assert_int_equal(poll(&poll_in, 1, 10000), 1);
		ssize_t n = read(f->client, got, sizeof(got));
		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_int_equal(len, room);
	assert_int_equal(look(f)->draineds, 1);
}

static void test_half_close(void **state)
{
	struct fixture *f = *state;
	char got[100];
	assert_int_equal(write(f->client, "echo this", 9), 9);
	shutdown(f->client, SHUT_WR);
	read_until(f, "", got, sizeof(got));
	assert_string_equal(got, "echo this");
	wait_closed(f);
}

static void age_and_look(struct fixture *f, unsigned seconds)
{
	struct conn *c = f->user.conn;
	c->heard_s -= seconds;
	c->took_s -= seconds;
	conn_on_due(c);
}

static void look_early(struct fixture *f)
{
	age_and_look(f, LIMIT_STRANGER_IDLE_S - 5);
}

static void look_a_little_later(struct fixture *f)
{
	age_and_look(f, 6);
}

static void test_silent_stranger(void **state)
{
	struct fixture *f = *state;
	char got[100];
	on_loop(f, look_early);
	assert_int_equal(look(f)->endings, 0);
	on_loop(f, look_a_little_later);
	assert_int_equal(look(f)->endings, 1);
	assert_int_equal(f->seen.why, CONN_END_IDLE);
	read_until(f, "", got, sizeof(got));
	assert_string_equal(got, "bye\n");
	close(f->client);
	f->client = -1;
	wait_closed(f);
}

/* A stranger who goes on talking is cut off in the end; one who has logged in is not. */
static void age_stranger(struct fixture *f)
{
	f->user.conn->since_s -= LIMIT_STRANGER_S + 1;
	conn_on_due(f->user.conn);
}

static void admit(struct fixture *f)
{
	conn_admit(f->user.conn, LIMIT_IDLE_S);
	age_stranger(f);
	age_and_look(f, LIMIT_IDLE_S - 5);
}

static void test_admitted(void **state)
{
	struct fixture *f = *state;
	on_loop(f, admit);
	assert_int_equal(look(f)->endings, 0);
	on_loop(f, look_a_little_later);
	assert_int_equal(look(f)->endings, 1);
}

static void test_talking_stranger(void **state)
{
	struct fixture *f = *state;
	on_loop(f, age_stranger);
	assert_int_equal(look(f)->endings, 1);
}

static void age_silence(struct fixture *f)
{
	struct conn *c = f->user.conn;
	conn_set_pulse(c, 120);
	for (int i = 0; i < 3; i++) {
		conn_on_due(c);
		c->said_s -= 121;
		conn_on_due(c);
	}
	conn_set_pulse(c, 0);
	c->said_s -= 121;
	conn_on_due(c);
	conn_write_text(c, "end\n");
	conn_flush(c);
}

static void test_pulse(void **state)
{
	struct fixture *f = *state;
	char got[100];
	on_loop(f, age_silence);
	read_until(f, "end\n", got, sizeof(got));
	assert_string_equal(got, "still here\nstill here\nstill here\nend\n");
}

static void stall(struct fixture *f)
{
	fill(f);
	conn_admit(f->user.conn, LIMIT_IDLE_S);
	age_and_look(f, LIMIT_STALLED_S - 5);
	assert_true(conn_is_open(f->user.conn));
	age_and_look(f, 6);
}

static void test_stalled_reader(void **state)
{
	struct fixture *f = *state;
	on_loop(f, stall);
	wait_closed(f);
	assert_int_equal(look(f)->endings, 0); /* nobody to say it to */
}

static enum op_result op_run(struct op *op, struct account *account)
{
	(void)op, (void)account;
	return OP_DONE;
}

struct test_op {
	struct op op;
	struct fixture *f;
};

static void op_done(struct op *op, struct conn *conn)
{
	struct fixture *f = container_of(op, struct test_op, op)->f;
	f->op_done = true;
	f->op_had_conn = conn != NULL;
	f->op_fate = op->fate;
	op_finish(op);
	free(container_of(op, struct test_op, op));
}

static void submit(struct fixture *f)
{
	struct test_op *t = xcalloc(1, sizeof(*t));
	op_init(&t->op, "TEST", op_run, op_done);
	t->f = f;
	f->op = &t->op;
	conn_submit(f->user.conn, f->lane, &t->op);
}

static void stop(struct fixture *f)
{
	conn_stop(f->user.conn, CONN_END_STOPPING);
}

/* The server stops: the op that runs is answered first. */
static void test_stop_waits_for_the_op(void **state)
{
	struct fixture *f = *state;
	char got[100];
	on_loop(f, submit);
	on_loop(f, stop);
	assert_int_equal(look(f)->endings, 0);
	while (workers_run_one(f->server.workers))
		;
	look(f);
	assert_true(f->op_done && f->op_had_conn);
	assert_int_equal(f->op_fate, OP_RAN);
	assert_int_equal(look(f)->endings, 1);
	assert_int_equal(f->seen.why, CONN_END_STOPPING);
	read_until(f, "", got, sizeof(got));
	assert_string_equal(got, "bye\n");
}

/* The client vanishes: its op is skipped, and comes back to nobody. */
static void test_gone_with_an_op(void **state)
{
	struct fixture *f = *state;
	on_loop(f, submit);
	struct linger hard = {.l_onoff = 1};
	setsockopt(f->client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	on_loop(f, stall); /* unsent output keeps a half-closed connection */
	wait_closed(f);
	while (workers_run_one(f->server.workers))
		;
	look(f);
	assert_true(f->op_done);
	assert_false(f->op_had_conn);
	assert_int_equal(f->op_fate, OP_CANCELLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_water_marks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_close, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silent_stranger, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_talking_stranger, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_admitted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pulse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stalled_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop_waits_for_the_op, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone_with_an_op, set_up, tear_down),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
