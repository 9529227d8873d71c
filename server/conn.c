/*
 * Sending: at most one batch is with libuv at a time.  Plain output is offered to the socket as it lies in the queue,
 * and what the socket does not take is moved, chunk by chunk, into a uv_write().  TLS output is encrypted a batch ahead
 * of the socket, into a buffer of the loop; what the socket does not take is copied.  So a peer that does not read costs
 * the high water mark, one op's chunk and one batch.
 *
 * Receiving: one buffer a loop; its bytes are copied (or decrypted) into c->in at once.
 */
#include "server/conn.h"

#include "server/lane.h"
#include "server/log.h"
#include "server/server.h"
#include "server/tls.h"

enum { SLICES_MAX = 32, TLS_BATCH_BYTES = 65536, IN_LIMIT = 1 << 20 };

struct write {
	uv_write_t req;
	struct conn *conn;
	struct chunk *chunks;
	size_t bytes;
};

static void flush(struct conn *c);

static void unlink_flight(struct op *op)
{
	if (!op->flight_link)
		return;
	*op->flight_link = op->flight_next;
	if (op->flight_next)
		op->flight_next->flight_link = op->flight_link;
	op->flight_link = NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;
	struct loop *loop = c->loop;
	HASH_DEL(loop->conns, c);
	atomic_fetch_sub_explicit(&loop->conns_n, 1, memory_order_relaxed);
	c->user->on_closed(c);
	while (c->flight)
		unlink_flight(c->flight);
	tls_stream_destroy(c->tls);
	buf_finish(&c->in);
	outq_finish(&c->out);
	free(c);
	loop_end_if_empty(loop);
}

void conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
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

/* --- Sending. --- */

static void on_written(uv_write_t *req, int status)
{
	struct write *w = container_of(req, struct write, req);
	struct conn *c = w->conn;
	c->writing -= w->bytes;
	chunks_free(w->chunks);
	free(w);
	if (status < 0)
		conn_close(c);
	if (c->state == CONN_CLOSED)
		return;
	flush(c);
	if (c->wants_room && c->state == CONN_OPEN && outq_bytes(&c->out) + c->writing < OUT_LOW) {
		c->wants_room = false;
		c->user->on_drained(c);
	}
}

/* Hands the chunks to libuv, which sends them after what it has. */
static void write_chunks(struct conn *c, struct chunk *chunks)
{
	struct write *w = xcalloc(1, sizeof(*w));
	w->conn = c;
	w->chunks = chunks;
	unsigned n = 0;
	for (struct chunk *chunk = chunks; chunk; chunk = chunk->next)
		n++;
	uv_buf_t *slices = xcalloc(n, sizeof(*slices));
	n = 0;
	for (struct chunk *chunk = chunks; chunk; chunk = chunk->next) {
		slices[n++] = uv_buf_init(chunk->data + chunk->at, (unsigned)(chunk->len - chunk->at));
		w->bytes += chunk->len - chunk->at;
	}
	c->writing += w->bytes;
	int rc = uv_write(&w->req, &c->uv.stream, slices, n, on_written);
	free(slices);
	if (rc == 0)
		return;
	c->writing -= w->bytes;
	chunks_free(chunks);
	free(w);
	conn_close(c);
}

static size_t try_write(struct conn *c, uv_buf_t *slices, unsigned n)
{
	int did = c->writing ? 0 : uv_try_write(&c->uv.stream, slices, n);
	if (did < 0 && did != UV_EAGAIN)
		conn_close(c);
	return did > 0 ? (size_t)did : 0;
}

static void send_plain(struct conn *c)
{
	while (outq_bytes(&c->out) && !c->writing && c->state != CONN_CLOSED) {
		struct span spans[SLICES_MAX];
		uv_buf_t slices[SLICES_MAX];
		size_t n = outq_peek(&c->out, spans, SLICES_MAX), bytes = 0;
		for (size_t i = 0; i < n; i++) {
			slices[i] = (uv_buf_t){.base = (char *)(uintptr_t)spans[i].ptr, .len = spans[i].len};
			bytes += spans[i].len;
		}
		size_t did = try_write(c, slices, (unsigned)n);
		outq_drop(&c->out, did);
		if (did < bytes && c->state != CONN_CLOSED)
			write_chunks(c, outq_take(&c->out));
	}
}

/* Sends cipher bytes that lie in the loop's buffer. */
static void send_cipher(struct conn *c, struct buf *net)
{
	if (net->len == 0 || c->state == CONN_CLOSED) {
		buf_reset(net);
		return;
	}
	uv_buf_t slice = uv_buf_init(net->data, (unsigned)net->len);
	size_t did = try_write(c, &slice, 1);
	if (did < net->len && c->state != CONN_CLOSED) {
		struct chunk *chunk = xcalloc(1, sizeof(*chunk));
		chunk->len = net->len - did;
		chunk->data = xmalloc(chunk->len);
		memcpy(chunk->data, net->data + did, chunk->len);
		write_chunks(c, chunk);
	}
	buf_reset(net);
}

static void fail_tls(struct conn *c)
{
	log_event(LOG_INFO, "tls_failed", log_number("conn", (int64_t)c->id), log_text("reason", tls_stream_fault(c->tls)));
	conn_close(c);
}

static void send_tls(struct conn *c)
{
	struct buf *net = &c->loop->cipher;
	while (outq_bytes(&c->out) && !c->writing && c->state != CONN_CLOSED && tls_stream_is_ready(c->tls)) {
		while (net->len < TLS_BATCH_BYTES && outq_bytes(&c->out)) {
			struct span slice;
			outq_peek(&c->out, &slice, 1);
			if (slice.len > TLS_BATCH_BYTES / 4)
				slice.len = TLS_BATCH_BYTES / 4;
			if (tls_stream_write(c->tls, slice, net) != TLS_GOES_ON) {
				fail_tls(c);
				break;
			}
			outq_drop(&c->out, slice.len);
		}
		send_cipher(c, net);
	}
}

static void flush(struct conn *c)
{
	if (outq_tail(&c->out)->failed) {
		conn_close(c); /* a writer of ours went past every mark: the output has a hole */
		return;
	}
	if (c->tls)
		send_tls(c);
	else
		send_plain(c);
	if (c->state != CONN_ENDING || c->goodbye_due || outq_bytes(&c->out) || c->writing)
		return;
	if (c->tls) {
		tls_stream_shutdown(c->tls, &c->loop->cipher);
		send_cipher(c, &c->loop->cipher);
	}
	conn_close(c);
}

void conn_flush(struct conn *c)
{
	if (c->state != CONN_CLOSED)
		flush(c);
}

struct buf *conn_out(struct conn *c)
{
	return outq_tail(&c->out);
}

void conn_write_text(struct conn *c, const char *text)
{
	buf_add_text(conn_out(c), text);
}

void conn_move(struct conn *c, struct buf *from)
{
	outq_move(&c->out, from);
}

bool conn_has_room(struct conn *c)
{
	if (outq_bytes(&c->out) + c->writing < OUT_HIGH)
		return true;
	conn_flush(c);
	c->wants_room = outq_bytes(&c->out) + c->writing >= OUT_LOW;
	return !c->wants_room;
}

/* --- Receiving. --- */

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *out)
{
	struct conn *c = handle->data;
	(void)hint;
	*out = uv_buf_init(c->loop->read_bytes, LOOP_READ_BYTES);
}

static void receive(struct conn *c, struct span bytes)
{
	if (!c->tls) {
		buf_add_span(&c->in, bytes);
		return;
	}
	enum tls_result result = tls_stream_read(c->tls, bytes, &c->in, &c->loop->cipher);
	send_cipher(c, &c->loop->cipher);
	if (result == TLS_ENDED)
		c->peer_ended = true;
	else if (result == TLS_FAILED && c->state != CONN_CLOSED)
		fail_tls(c);
}

/* Nothing is left to do for a peer that has ended. */
static void close_if_finished(struct conn *c)
{
	if (c->state == CONN_OPEN && c->peer_ended && !c->flight && outq_bytes(&c->out) + c->writing == 0)
		conn_close_later(c);
	if (c->state != CONN_CLOSED && c->in.len == 0)
		buf_finish(&c->in);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	if (n == 0)
		return;
	if (n > 0)
		receive(c, span_make(buf->base, (size_t)n));
	else if (n == UV_EOF)
		c->peer_ended = true;
	if ((n < 0 && n != UV_EOF) || c->in.failed)
		conn_close(c);
	if (c->peer_ended)
		conn_set_reading(c, false);
	if (c->state == CONN_OPEN)
		c->user->on_data(c);
	conn_flush(c);
	close_if_finished(c);
}

void conn_set_reading(struct conn *c, bool on)
{
	on = on && c->state == CONN_OPEN && !c->peer_ended;
	if (on == c->reading || c->state == CONN_CLOSED)
		return;
	c->reading = on;
	if (on)
		uv_read_start(&c->uv.stream, on_alloc, on_read);
	else
		uv_read_stop(&c->uv.stream);
}

/* --- TLS. --- */

bool conn_start_tls(struct conn *c)
{
	if (!c->loop->server->tls || c->tls)
		return false;
	buf_finish(&c->in);
	c->tls = tls_stream_create(c->loop->server->tls);
	return true;
}

bool conn_is_secure(const struct conn *c)
{
	return c->tls != NULL;
}

const char *conn_tls_version(const struct conn *c)
{
	return c->tls ? tls_stream_version(c->tls) : "none";
}

const char *conn_tls_cipher(const struct conn *c)
{
	return c->tls ? tls_stream_cipher(c->tls) : "none";
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
		c->user->on_ending(c, CONN_END_STOPPING);
	}
	conn_flush(c);
	close_if_finished(c);
}

/* --- Life. --- */

void conn_close_later(struct conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	conn_set_reading(c, false);
	c->state = CONN_ENDING;
	flush(c);
}

void conn_stop(struct conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	if (c->flight)
		c->goodbye_due = true;
	else
		c->user->on_ending(c, CONN_END_STOPPING);
	conn_close_later(c);
}

struct conn *conn_find(struct loop *loop, uint64_t id)
{
	struct conn *c;
	HASH_FIND(hh, loop->conns, &id, sizeof(id), c);
	return c && c->state != CONN_CLOSED ? c : NULL;
}

void conn_create(struct loop *loop, int fd, const struct listen_config *listener, const struct conn_user *user)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	c->loop = loop;
	c->id = ++loop->last_id;
	c->listener = listener;
	c->user = user;
	buf_init(&c->in, IN_LIMIT);
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
	atomic_fetch_add_explicit(&loop->conns_n, 1, memory_order_relaxed);
	if (listener->protocol == PROTOCOL_IMAPS)
		conn_start_tls(c);
	user->on_accept(c);
	if (rc != 0)
		conn_close(c);
	else if (loop->stopping)
		conn_stop(c);
	conn_set_reading(c, true);
	conn_flush(c);
}
