/* A connection's life: from the accepted socket to the last callback; its ops, its deadlines. */
#include "server/conn.h"
#include "server/conn_private.h"

#include "server/deflate.h"
#include "server/domain_counts.h"
#include "server/lane.h"
#include "server/log.h"
#include "server/proxy.h"
#include "server/server.h"
#include "server/tls.h"

#include <unistd.h>

static void unlink_flight(struct op *op)
{
	if (!op->flight_link)
		return;
	*op->flight_link = op->flight_next;
	if (op->flight_next)
		op->flight_next->flight_link = op->flight_link;
	op->flight_link = NULL;
}

static void count_bytes(struct conn *c)
{
	struct counters *counters = &c->loop->server->counters;
	uint64_t in = c->bytes_in - c->counted_in, out = c->bytes_out - c->counted_out;
	counter_add(counters, COUNT_BYTES_IN, in);
	counter_add(counters, COUNT_BYTES_OUT, out);
	domain_count(c->domain, DOMAIN_BYTES_IN, in);
	domain_count(c->domain, DOMAIN_BYTES_OUT, out);
	c->counted_in = c->bytes_in;
	c->counted_out = c->bytes_out;
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;
	struct loop *loop = c->loop;
	HASH_DEL(loop->conns, c);
	count_bytes(c);
	loop_uncount(loop);
	peers_leave(loop->server->peers, c->peer.key, c->admitted);
	c->user->on_closed(c);
	while (c->flight)
		unlink_flight(c->flight);
	tls_stream_destroy(c->tls);
	deflate_stream_destroy(c->deflate);
	buf_finish(&c->in);
	buf_finish(&c->packed);
	outq_finish(&c->out);
	free(c);
	loop_end_if_empty(loop);
}

void conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	wheel_remove(&c->loop->deadlines, &c->deadline);
	for (struct op *op = c->flight; op; op = op->flight_next)
		op_cancel(op);
	uv_close(&c->uv.handle, on_closed);
}

bool conn_is_open(const struct conn *c)
{
	return c->state == CONN_OPEN;
}

bool conn_peer_ended(const struct conn *c)
{
	return c->peer_ended;
}

const char *conn_peer(const struct conn *c)
{
	return c->peer.text;
}

void conn_admit(struct conn *c, unsigned idle_s)
{
	c->idle_s = idle_s;
	if (!c->admitted)
		peers_admit(c->loop->server->peers);
	c->admitted = true;
}

void conn_count_for(struct conn *c, struct domain_counts *domain)
{
	if (c->domain == domain)
		return;
	count_bytes(c);
	c->domain = domain;
}

void conn_settle(struct conn *c)
{
	enum { SOME_BYTES = 65536 }; /* not with each byte: the counters are everybody's */
	if (c->bytes_in - c->counted_in + c->bytes_out - c->counted_out >= SOME_BYTES)
		count_bytes(c);
	conn_flush(c);
	if (c->peer_ended && !c->flight && !c->held && !c->yielding && !conn_has_packed(c) && conn_pending(c) == 0)
		conn_close_later(c);
	if (c->state != CONN_CLOSED && c->in.len == 0)
		buf_finish(&c->in);
}

struct nudge {
	struct letter letter;
	uint64_t conn_id;
};

static void deliver_nudge(struct letter *letter, struct loop *loop)
{
	struct nudge *n = container_of(letter, struct nudge, letter);
	struct conn *c = conn_find(loop, n->conn_id);
	free(n);
	if (!c)
		return;
	c->yielding = false;
	conn_unpack(c);
	if (c->state == CONN_OPEN)
		c->user->on_data(c);
	conn_settle(c);
}

void conn_yield(struct conn *c)
{
	if (c->yielding)
		return;
	struct nudge *n = xcalloc(1, sizeof(*n));
	n->letter.deliver = deliver_nudge;
	n->conn_id = c->id;
	c->yielding = true;
	loop_post(c->loop, &n->letter);
}

void conn_hold_open(struct conn *c)
{
	c->held++;
}

void conn_let_go(struct conn *c)
{
	invariant(c->held > 0);
	c->held--;
	conn_settle(c);
}

/* --- Deadlines. --- */

/* What the connection is waited for, and until when. */
static uint64_t end_of(const struct conn *c)
{
	if (c->state == CONN_LINGERING)
		return c->took_s + LIMIT_LINGER_S;
	if (c->state == CONN_ENDING)
		return c->took_s + LIMIT_ENDING_S;
	if (c->writing)
		return c->took_s + LIMIT_STALLED_S;
	if (c->tls && !tls_stream_is_ready(c->tls))
		return c->handshake_s + LIMIT_HANDSHAKE_S;
	uint64_t due_s = c->heard_s + c->idle_s;
	return c->admitted || due_s < c->since_s + LIMIT_STRANGER_S ? due_s : c->since_s + LIMIT_STRANGER_S;
}

/* When on_pulse() is due; far away when never. */
static uint64_t pulse_of(const struct conn *c)
{
	return c->state == CONN_OPEN && c->pulse_s && !c->writing ? c->said_s + c->pulse_s : UINT64_MAX;
}

/* When its compression may rest. */
static uint64_t rest_of(const struct conn *c)
{
	if (!c->deflate || c->resting)
		return UINT64_MAX;
	uint64_t last_s = c->heard_s > c->said_s ? c->heard_s : c->said_s;
	return (last_s > c->unrested_s ? last_s : c->unrested_s) + LIMIT_DEFLATE_REST_S;
}

void conn_stir(struct conn *c)
{
	if (!c->resting)
		return;
	c->resting = false;
	conn_arm(c);
}

/* Not in the middle of its output, which then waits for the peer. */
static void rest(struct conn *c)
{
	c->resting = outq_bytes(&c->out) == 0;
	if (c->resting)
		deflate_stream_rest(c->deflate);
	else
		c->unrested_s = loop_now_s(c->loop);
}

void conn_arm(struct conn *c)
{
	const uint64_t due_s[] = {end_of(c), pulse_of(c), rest_of(c)};
	uint64_t first_s = due_s[0];
	for (size_t i = 1; i < countof(due_s); i++)
		first_s = due_s[i] < first_s ? due_s[i] : first_s;
	loop_set_deadline(c->loop, &c->deadline, first_s);
}

void conn_set_pulse(struct conn *c, unsigned silence_s)
{
	c->pulse_s = silence_s;
	if (silence_s && c->state == CONN_OPEN)
		conn_arm(c);
}

static void pulse(struct conn *c)
{
	c->said_s = loop_now_s(c->loop);
	c->user->on_pulse(c);
	conn_settle(c);
}

/* The peer took something of the output, or has new output to take. */
void conn_progress(struct conn *c)
{
	c->took_s = loop_now_s(c->loop);
	c->untaken = uv_stream_get_write_queue_size(&c->uv.stream);
}

static void log_end(struct conn *c, const char *why)
{
	conn_note_end(c, why);
	if (c->admitted)
		return; /* whoever uses it logs its end */
	log_event(LOG_INFO, "connection_ended", log_text("peer", c->peer.text), log_text("reason", why));
}

void conn_on_due(struct conn *c)
{
	if (uv_stream_get_write_queue_size(&c->uv.stream) < c->untaken)
		conn_progress(c);
	if (c->flight || c->held)
		c->heard_s = loop_now_s(c->loop); /* it waits for us, not we for it */
	uint64_t now_s = loop_now_s(c->loop);
	if (end_of(c) > now_s) {
		if (rest_of(c) <= now_s)
			rest(c);
		if (pulse_of(c) <= now_s)
			pulse(c);
		if (c->state != CONN_CLOSED)
			conn_arm(c);
	} else if (c->state != CONN_OPEN || c->writing) {
		if (c->state != CONN_LINGERING)
			log_end(c, "stalled");
		conn_close(c);
	} else if (c->tls && !tls_stream_is_ready(c->tls)) {
		log_end(c, "handshake");
		conn_close(c);
	} else {
		log_end(c, c->admitted ? "idle" : "not logged in");
		c->user->on_ending(c, CONN_END_IDLE);
		conn_close_later(c);
	}
}

/* --- Ops. --- */

void conn_submit(struct conn *c, struct lane *lane, struct op *op)
{
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
	if (!c || c->state == CONN_CLOSED)
		return;
	if (c->goodbye_due && !c->flight) {
		c->goodbye_due = false;
		c->user->on_ending(c, c->goodbye);
	}
	conn_settle(c);
}

/* --- Life. --- */

void conn_close_later(struct conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	if (c->tls && !tls_stream_is_ready(c->tls)) {
		conn_close(c); /* nothing can be said yet */
		return;
	}
	conn_read(c, false);
	c->state = CONN_ENDING;
	conn_progress(c);
	conn_arm(c);
	conn_flush(c);
}

void conn_stop(struct conn *c, enum conn_end why)
{
	if (c->state != CONN_OPEN)
		return;
	conn_note_end(c, why == CONN_END_STOPPING ? "the server stops" : "ended by the administrator");
	c->goodbye = why;
	if (c->flight)
		c->goodbye_due = true;
	else
		c->user->on_ending(c, why);
	conn_close_later(c);
}

struct conn *conn_find(struct loop *loop, uint64_t id)
{
	struct conn *c;
	HASH_FIND(hh, loop->conns, &id, sizeof(id), c);
	return c && (c->state == CONN_OPEN || c->state == CONN_ENDING) ? c : NULL;
}

void conn_create(struct loop *loop, int fd, const struct listen_config *listener, const struct conn_user *user,
		 const struct conn_peer *peer)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	c->loop = loop;
	c->id = ++loop->last_id;
	c->listener = listener;
	c->user = user;
	c->peer = *peer;
	c->idle_s = LIMIT_STRANGER_IDLE_S;
	c->since_s = c->heard_s = c->took_s = c->said_s = loop_now_s(loop);
	buf_init(&c->in, LIMIT_IN_BYTES);
	buf_init(&c->packed, LIMIT_IN_BYTES);
	outq_init(&c->out);
	int rc;
	if (listener->path) {
		uv_pipe_init(&loop->uv, &c->uv.pipe, 0);
		rc = uv_pipe_open(&c->uv.pipe, fd);
	} else {
		uv_tcp_init(&loop->uv, &c->uv.tcp);
		rc = uv_tcp_open(&c->uv.tcp, fd);
		uv_tcp_nodelay(&c->uv.tcp, 1);
	}
	c->uv.handle.data = c;
	HASH_ADD(hh, loop->conns, id, sizeof(c->id), c);
	if (listener->protocol == PROTOCOL_IMAPS && user != &proxy_user)
		conn_start_tls(c);
	user->on_accept(c);
	if (rc != 0) {
		close(fd);
		conn_close(c);
		return;
	}
	conn_set_reading(c, true);
	conn_arm(c);
	conn_flush(c);
}
