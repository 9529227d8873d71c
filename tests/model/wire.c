#include "tests/model/wire.h"

#include "server/auth.h"
#include "server/command.h"
#include "server/deflate.h"
#include "server/lane.h"
#include "server/log.h"

#include <pthread.h>

/* The double of a process has process-wide state. */
static struct {
	wire_run_fn *fn;
	void *ctx;
	enum op_result (*run)(struct op *op, struct account *account); /* the session's own */
	uint64_t clock_ns, clock_seed;
	unsigned clock_jumps;
	pthread_t thread;
} wires;

void wire_watch_ops(wire_run_fn *fn, void *ctx)
{
	wires.fn = fn;
	wires.ctx = ctx;
}

void wire_seed_clock(uint64_t seed)
{
	wires.thread = pthread_self();
	wires.clock_ns = (uint64_t)1000000000000;
	wires.clock_seed = seed * 2 + 1;
	wires.clock_jumps = 2 + (unsigned)(seed % 7) * 20;
}

uint64_t uv_hrtime(void)
{
	static const uint64_t steps_ns[] = {0, 0, 100, 1000, 1000, 30000, 400000, 2600000};
	unsigned jumps = wires.clock_jumps; /* of 6 ms: once in so many */
	if (!pthread_equal(wires.thread, pthread_self()))
		return 1000000000; /* somebody who looks around: to him nothing grows old */
	wires.clock_seed = wires.clock_seed * 6364136223846793005u + 1442695040888963407u;
	return wires.clock_ns += (wires.clock_seed >> 33) % jumps ? steps_ns[wires.clock_seed >> 61] : 6000000;
}

static enum op_result run_watched(struct op *op, struct account *account)
{
	return wires.fn(wires.ctx, container_of(op, struct command, op), account, wires.run);
}

static void watch(struct op *op)
{
	if (!wires.fn || op->run == run_watched)
		return;
	invariant(!wires.run || wires.run == op->run);
	wires.run = op->run;
	op->run = run_watched;
}

bool __real_lane_run_here(struct lane *lane, struct op *op);
bool __wrap_lane_run_here(struct lane *lane, struct op *op);

bool __wrap_lane_run_here(struct lane *lane, struct op *op)
{
	watch(op);
	return __real_lane_run_here(lane, op);
}

/* ---- loops ---- */

void loop_post(struct loop *loop, struct letter *letter)
{
	letter->next = NULL;
	*loop->inbox_end = letter;
	loop->inbox_end = &letter->next;
}

bool wire_turn(struct loop *loop)
{
	struct letter *letter = loop->inbox;
	if (!letter)
		return false;
	loop->inbox = letter->next;
	if (!loop->inbox)
		loop->inbox_end = &loop->inbox;
	letter->deliver(letter, loop);
	return true;
}

/* ---- connections ---- */

static struct wire *wire_of(const struct conn *c)
{
	return container_of(c, struct wire, conn);
}

struct wire *wire_open(struct loop *loop, size_t window)
{
	static const struct listen_config listener = {.protocol = PROTOCOL_IMAP, .cleartext_login = true};
	struct wire *w = xcalloc(1, sizeof(*w));
	struct conn *c = &w->conn;
	c->loop = loop;
	c->id = ++loop->last_id;
	c->listener = &listener;
	c->user = &session_user;
	c->reading = true;
	w->window = window;
	buf_init(&c->in, LIMIT_IN_BYTES);
	buf_init(&w->out, SIZE_MAX);
	HASH_ADD(hh, loop->conns, id, sizeof(c->id), c);
	c->user->on_accept(c);
	return w;
}

bool wire_reads(const struct wire *w)
{
	return w->conn.state == CONN_OPEN && w->conn.reading;
}

static void settle(struct conn *c)
{
	if (c->state == CONN_ENDING && wire_of(c)->out.len == 0)
		conn_close(c);
}

void wire_read(struct wire *w, struct span bytes)
{
	buf_add_span(&w->conn.in, bytes);
	w->conn.user->on_data(&w->conn);
	settle(&w->conn);
}

size_t wire_drain(struct wire *w, size_t max, struct buf *to)
{
	struct conn *c = &w->conn;
	size_t n = w->out.len < max ? w->out.len : max;
	buf_add(to, w->out.data, n);
	buf_drop(&w->out, n);
	if (c->wants_room && w->out.len <= w->window / 4 && c->state == CONN_OPEN) {
		c->wants_room = false;
		c->user->on_drained(c);
	}
	settle(c);
	return n;
}

struct wire_letter {
	struct letter letter;
	struct loop *loop;
	uint64_t id;
};

static void post(struct conn *c, void (*deliver)(struct letter *letter, struct loop *loop))
{
	struct wire_letter *l = xcalloc(1, sizeof(*l));
	l->letter.deliver = deliver;
	l->id = c->id;
	loop_post(c->loop, &l->letter);
}

static struct conn *find_any(struct loop *loop, uint64_t id)
{
	struct conn *c;
	HASH_FIND(hh, loop->conns, &id, sizeof(id), c);
	return c;
}

static void deliver_nudge(struct letter *letter, struct loop *loop)
{
	struct wire_letter *l = container_of(letter, struct wire_letter, letter);
	struct conn *c = conn_find(loop, l->id);
	free(l);
	if (!c)
		return;
	c->yielding = false;
	if (c->state == CONN_OPEN)
		c->user->on_data(c);
	settle(c);
}

static void unlink_flight(struct op *op)
{
	if (!op->flight_link)
		return;
	*op->flight_link = op->flight_next;
	if (op->flight_next)
		op->flight_next->flight_link = op->flight_link;
	op->flight_link = NULL;
}

static void deliver_end(struct letter *letter, struct loop *loop)
{
	struct wire_letter *l = container_of(letter, struct wire_letter, letter);
	struct conn *c = find_any(loop, l->id);
	free(l);
	HASH_DEL(loop->conns, c);
	c->user->on_closed(c);
	while (c->flight)
		unlink_flight(c->flight);
	buf_finish(&c->in);
	buf_finish(&wire_of(c)->out);
	deflate_stream_destroy(c->deflate);
	free(wire_of(c));
}

void conn_yield(struct conn *c)
{
	if (!c->yielding)
		post(c, deliver_nudge);
	c->yielding = true;
}

void conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	for (struct op *op = c->flight; op; op = op->flight_next)
		op_cancel(op);
	post(c, deliver_end);
}

void conn_close_later(struct conn *c)
{
	if (c->state == CONN_OPEN)
		c->state = CONN_ENDING;
}

struct conn *conn_find(struct loop *loop, uint64_t id)
{
	struct conn *c = find_any(loop, id);
	return c && (c->state == CONN_OPEN || c->state == CONN_ENDING) ? c : NULL;
}

void conn_submit(struct conn *c, struct lane *lane, struct op *op)
{
	watch(op);
	op->ticket = (struct ticket){c->loop, c->id, ++c->last_serial};
	op->flight_next = c->flight;
	op->flight_link = &c->flight;
	if (c->flight)
		c->flight->flight_link = &op->flight_next;
	c->flight = op;
	lane_submit(lane, op);
}

void conn_deliver(struct loop *loop, struct op *op)
{
	struct conn *c = conn_find(loop, op->ticket.session);
	unlink_flight(op);
	op->done(op, c);
	if (c)
		settle(c);
}

struct buf *conn_out(struct conn *c)
{
	return &wire_of(c)->out;
}

void conn_write_text(struct conn *c, const char *text)
{
	buf_add_text(conn_out(c), text);
}

void conn_move(struct conn *c, struct buf *from)
{
	buf_add_span(conn_out(c), buf_span(from));
	buf_finish(from);
}

bool conn_has_room(struct conn *c)
{
	bool room = wire_of(c)->out.len < wire_of(c)->window;
	c->wants_room = c->wants_room || !room;
	return room;
}

void conn_flush(struct conn *c)
{
	(void)c;
}

void conn_set_reading(struct conn *c, bool on)
{
	c->reading = on;
}

bool conn_is_open(const struct conn *c)
{
	return c->state == CONN_OPEN;
}

bool conn_peer_ended(const struct conn *c)
{
	(void)c;
	return false;
}

void conn_count_for(struct conn *c, struct domain_counts *domain)
{
	(void)c, (void)domain;
}

void conn_admit(struct conn *c, unsigned idle_s)
{
	(void)c, (void)idle_s;
}

const char *conn_peer(const struct conn *c)
{
	(void)c;
	return "simulated";
}

void conn_hold_open(struct conn *c)
{
	(void)c;
}

void conn_let_go(struct conn *c)
{
	(void)c;
}

void conn_set_pulse(struct conn *c, unsigned silence_s)
{
	(void)c, (void)silence_s;
}

bool conn_start_tls(struct conn *c)
{
	(void)c;
	return false;
}

bool conn_is_secure(const struct conn *c)
{
	(void)c;
	return false;
}

/* Nothing is compressed here: the session only believes so. */
void conn_start_deflate(struct conn *c, struct span early)
{
	struct buf in;
	buf_init(&in, c->in.limit);
	buf_add_span(&in, early);
	buf_add_span(&in, buf_span(&c->in));
	buf_finish(&c->in);
	c->in = in;
	c->deflate = deflate_stream_create();
}

void conn_stop_deflate(struct conn *c)
{
	deflate_stream_destroy(c->deflate);
	c->deflate = NULL;
}

bool conn_is_deflated(const struct conn *c)
{
	return c->deflate != NULL;
}

/* Nobody is kicked here. */
void conn_stop(struct conn *c, enum conn_end why)
{
	(void)c, (void)why;
}

const struct tls_stream *conn_tls(const struct conn *c)
{
	(void)c;
	return NULL;
}

const char *conn_tls_version(const struct conn *c)
{
	(void)c;
	return "none";
}

const char *conn_tls_cipher(const struct conn *c)
{
	(void)c;
	return "none";
}

/* ---- what a session asks for before it is logged in; the simulation logs in by session_log_in() ---- */

struct auth *auth_create(struct auth_pool *pool, struct loop *loop, auth_done_fn *done, void *ctx)
{
	(void)pool, (void)loop, (void)done, (void)ctx;
	return NULL;
}

void auth_destroy(struct auth *a)
{
	(void)a;
}

bool auth_is_allowed(const struct auth_link *link)
{
	(void)link;
	return true;
}

const char *auth_mechanisms(const struct auth_link *link, char out[AUTH_MECHANISMS_MAX])
{
	(void)link;
	out[0] = '\0';
	return out;
}

bool auth_start(struct auth *a, const struct auth_link *link, struct span mechanism, struct span initial,
		struct auth_result *now)
{
	(void)a, (void)link, (void)mechanism, (void)initial;
	*now = (struct auth_result){.status = AUTH_NO, .text = "Not here"};
	return true;
}

bool auth_answer(struct auth *a, struct span line, struct auth_result *now)
{
	(void)a, (void)line;
	*now = (struct auth_result){.status = AUTH_NO, .text = "Not here"};
	return true;
}

bool auth_password(struct auth *a, const struct auth_link *link, struct span user, struct span password,
		   struct auth_result *now)
{
	(void)a, (void)link, (void)user, (void)password;
	*now = (struct auth_result){.status = AUTH_NO, .text = "Not here"};
	return true;
}

bool log_has_level(enum log_level level)
{
	(void)level;
	return false;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	if (level == LOG_INFO)
		return;
	fprintf(stderr, "log: %s", event);
	for (; fields->key; fields++)
		fprintf(stderr, " %s=%.*s", fields->key, (int)fields->text.len, fields->text.ptr ? fields->text.ptr : "");
	fputc('\n', stderr);
}
