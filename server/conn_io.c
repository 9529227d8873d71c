/*
 * Sending: at most one batch is with libuv at a time.  Plain output is offered to the socket as it lies in the queue,
 * and what the socket does not take is moved, chunk by chunk, into a uv_write().  TLS output is encrypted a batch ahead
 * of the socket, into a buffer of the loop; what the socket does not take is copied.  So a peer that does not read costs
 * the high water mark, one op's chunk and one batch.  Compression, where it is on, comes before TLS, a batch ahead in
 * the same way; what is sent is flushed each time the queue gets empty.
 *
 * Receiving: one buffer a loop; its bytes are copied (or decrypted) into c->in at once.  Compressed input may be a
 * thousand times as long as it looks: it is decompressed only as far as c->in has room, and while some of it waits in
 * c->packed nothing more is read.
 */
#include "server/conn.h"
#include "server/conn_private.h"

#include "server/deflate.h"
#include "server/log.h"
#include "server/server.h"
#include "server/tls.h"

enum { SLICES_MAX = 32, SLICE_BYTES = 16384 };

struct write {
	uv_write_t req;
	struct conn *conn;
	struct chunk *chunks;
	size_t bytes;
};

/* --- Sending. --- */

static void on_written(uv_write_t *req, int status)
{
	struct write *w = container_of(req, struct write, req);
	struct conn *c = w->conn;
	c->writing -= w->bytes;
	chunks_free(w->chunks);
	free(w);
	if (status < 0) {
		conn_note_end(c, "the connection was lost");
		conn_close(c);
	}
	if (c->state == CONN_CLOSED)
		return;
	conn_progress(c);
	conn_flush(c);
	if (c->wants_room && c->state == CONN_OPEN && conn_pending(c) < OUT_LOW) {
		c->wants_room = false;
		c->user->on_drained(c);
	}
	conn_settle(c);
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
	c->bytes_out += w->bytes;
	int rc = uv_write(&w->req, &c->uv.stream, slices, n, on_written);
	free(slices);
	if (rc == 0) {
		conn_progress(c);
		conn_arm(c);
		return;
	}
	c->writing -= w->bytes;
	chunks_free(chunks);
	free(w);
	conn_close(c);
}

static size_t try_write(struct conn *c, uv_buf_t *slices, unsigned n)
{
	int did = c->writing ? 0 : uv_try_write(&c->uv.stream, slices, n);
	if (did < 0 && did != UV_EAGAIN) {
		conn_note_end(c, "the connection was lost");
		conn_close(c);
	}
	c->bytes_out += did > 0 ? (size_t)did : 0;
	c->said_s = loop_now_s(c->loop);
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
	conn_note_end(c, "TLS failed");
	log_event(LOG_INFO, "tls_failed", log_text("peer", c->peer.text), log_text("reason", tls_stream_fault(c->tls)));
	conn_close(c);
}

static void send_tls(struct conn *c)
{
	struct buf *net = &c->loop->cipher;
	while (outq_bytes(&c->out) && !c->writing && c->state != CONN_CLOSED && tls_stream_is_ready(c->tls)) {
		while (net->len < LIMIT_TLS_AHEAD_BYTES && outq_bytes(&c->out)) {
			struct span slice;
			outq_peek(&c->out, &slice, 1);
			if (slice.len > SLICE_BYTES)
				slice.len = SLICE_BYTES;
			if (tls_stream_write(c->tls, slice, net) != TLS_GOES_ON) {
				fail_tls(c);
				break;
			}
			outq_drop(&c->out, slice.len);
		}
		send_cipher(c, net);
	}
}

/* Compresses a batch of the queue; what was written before compression began is only moved. */
static void pack(struct conn *c, struct buf *packed)
{
	while (packed->len < LIMIT_DEFLATE_AHEAD_BYTES && outq_bytes(&c->out)) {
		struct span slice;
		outq_peek(&c->out, &slice, 1);
		size_t most = c->bare && c->bare < SLICE_BYTES ? c->bare : SLICE_BYTES;
		slice.len = slice.len < most ? slice.len : most;
		if (c->bare) {
			buf_add_span(packed, slice);
			c->bare -= slice.len;
		} else {
			deflate_stream_write(c->deflate, slice, packed);
		}
		outq_drop(&c->out, slice.len);
	}
	if (outq_bytes(&c->out) == 0)
		deflate_stream_flush(c->deflate, packed);
}

static bool encrypt(struct conn *c, struct span plain, struct buf *net)
{
	for (; plain.len; plain = span_after(plain, SLICE_BYTES)) {
		struct span slice = span_make(plain.ptr, plain.len < SLICE_BYTES ? plain.len : SLICE_BYTES);
		if (tls_stream_write(c->tls, slice, net) != TLS_GOES_ON) {
			fail_tls(c);
			return false;
		}
	}
	return true;
}

static void send_packed(struct conn *c)
{
	struct buf *packed = &c->loop->packed;
	if (outq_bytes(&c->out))
		conn_stir(c);
	while (outq_bytes(&c->out) && !c->writing && c->state != CONN_CLOSED) {
		pack(c, packed);
		if (!c->tls)
			send_cipher(c, packed);
		else if (encrypt(c, buf_span(packed), &c->loop->cipher))
			send_cipher(c, &c->loop->cipher);
		buf_reset(packed);
	}
}

static void on_shut_down(uv_shutdown_t *req, int status)
{
	(void)req, (void)status; /* a reset shows when reading */
}

/* Everything has left. */
static void say_goodbye(struct conn *c)
{
	if (c->tls) {
		tls_stream_shutdown(c->tls, &c->loop->cipher);
		send_cipher(c, &c->loop->cipher);
	}
	if (c->state == CONN_CLOSED)
		return;
	if (c->peer_ended || c->loop->stopping || uv_shutdown(&c->shutdown, &c->uv.stream, on_shut_down) != 0) {
		conn_close(c);
		return;
	}
	c->state = CONN_LINGERING;
	conn_progress(c);
	conn_arm(c);
	conn_read(c, true);
}

void conn_flush(struct conn *c)
{
	if (c->state == CONN_CLOSED || c->state == CONN_LINGERING)
		return;
	if (outq_tail(&c->out)->failed) {
		conn_close(c); /* a writer of ours went past every mark: the output has a hole */
		return;
	}
	if (c->deflate)
		send_packed(c);
	else if (c->tls)
		send_tls(c);
	else
		send_plain(c);
	if (c->state == CONN_ENDING && !c->goodbye_due && !conn_pending(c))
		say_goodbye(c);
}

size_t conn_pending(const struct conn *c)
{
	return outq_bytes(&c->out) + c->writing;
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
	if (conn_pending(c) < OUT_HIGH)
		return true;
	conn_flush(c);
	c->wants_room = conn_pending(c) >= OUT_LOW;
	return !c->wants_room;
}

/* --- Receiving. --- */

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *out)
{
	struct conn *c = handle->data;
	(void)hint;
	*out = uv_buf_init(c->loop->read_bytes, LOOP_READ_BYTES);
}

bool conn_has_packed(const struct conn *c)
{
	return !c->pack_ended && (c->packed.len || (c->deflate && deflate_stream_is_full(c->deflate)));
}

void conn_unpack(struct conn *c)
{
	if (!conn_has_packed(c) || c->in.len >= IN_HIGH || c->state != CONN_OPEN)
		return;
	struct span wire = buf_span(&c->packed);
	conn_stir(c);
	enum deflate_result result = deflate_stream_read(c->deflate, &wire, IN_HIGH - c->in.len, &c->in);
	buf_drop(&c->packed, c->packed.len - wire.len);
	if (result == DEFLATE_ENDED) {
		c->pack_ended = !c->peer_ended;
		c->peer_ended = true; /* what follows its stream is nothing, unless compression is stopped */
	}
	if (c->packed.len == 0 || result == DEFLATE_FAILED)
		buf_finish(&c->packed);
	if (result == DEFLATE_FAILED) {
		conn_note_end(c, "the compressed stream is broken");
		log_event(LOG_INFO, "deflate_failed", log_text("peer", c->peer.text),
			  log_text("reason", deflate_stream_fault(c->deflate)));
		conn_close_later(c);
	}
}

static void receive(struct conn *c, struct span bytes)
{
	struct buf *to = c->deflate ? &c->packed : &c->in;
	if (c->tls) {
		enum tls_result result = tls_stream_read(c->tls, bytes, to, &c->loop->cipher);
		send_cipher(c, &c->loop->cipher);
		if (result == TLS_ENDED)
			c->peer_ended = true;
		else if (result == TLS_FAILED && c->state != CONN_CLOSED)
			fail_tls(c);
	} else {
		buf_add_span(to, bytes);
	}
	conn_unpack(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	if (n == 0)
		return;
	c->heard_s = loop_now_s(c->loop);
	c->bytes_in += n > 0 ? (size_t)n : 0;
	if (n < 0 && n != UV_EOF) {
		conn_note_end(c, "the connection was lost");
		conn_close(c);
		return;
	}
	if (c->state == CONN_LINGERING) {
		if (n == UV_EOF)
			conn_close(c);
		return;
	}
	if (n == UV_EOF)
		c->peer_ended = true;
	else
		receive(c, span_make(buf->base, (size_t)n));
	if (c->in.failed || c->packed.failed)
		conn_close(c);
	if (c->peer_ended) {
		conn_note_end(c, "the client hung up");
		conn_read(c, false);
	}
	if (c->state == CONN_OPEN)
		c->user->on_data(c);
	conn_settle(c);
}

void conn_read(struct conn *c, bool on)
{
	if (on == c->reading || c->state == CONN_CLOSED)
		return;
	c->reading = on;
	if (on)
		uv_read_start(&c->uv.stream, on_alloc, on_read);
	else
		uv_read_stop(&c->uv.stream);
}

void conn_set_reading(struct conn *c, bool on)
{
	if (c->state != CONN_OPEN)
		return;
	if (on && conn_has_packed(c))
		conn_yield(c); /* and then there is more in c->in */
	conn_read(c, on && !c->peer_ended && !conn_has_packed(c));
}

void conn_hand_over(struct conn *c, const struct conn_user *user, size_t used)
{
	struct buf rest;
	buf_init(&rest, LIMIT_IN_BYTES);
	buf_add(&rest, c->in.data + used, c->in.len - used);
	buf_finish(&c->in);
	c->user = user;
	c->idle_s = LIMIT_STRANGER_IDLE_S;
	if (c->listener->protocol == PROTOCOL_IMAPS)
		conn_start_tls(c);
	user->on_accept(c);
	conn_arm(c);
	if (rest.len && c->state == CONN_OPEN)
		receive(c, buf_span(&rest));
	buf_finish(&rest);
	if (c->in.failed)
		conn_close(c);
	if (c->state == CONN_OPEN)
		user->on_data(c);
}

/* --- TLS. --- */

bool conn_start_tls(struct conn *c)
{
	if (!c->loop->server->tls || c->tls || c->state == CONN_CLOSED)
		return false;
	buf_finish(&c->in);
	if (outq_bytes(&c->out)) /* the answer to STARTTLS behind what libuv still has: it leaves in the clear */
		write_chunks(c, outq_take(&c->out));
	c->tls = tls_stream_create(c->loop->server->tls, c->listener);
	c->handshake_s = loop_now_s(c->loop);
	conn_arm(c);
	return true;
}

bool conn_is_secure(const struct conn *c)
{
	return c->tls != NULL;
}

const struct tls_stream *conn_tls(const struct conn *c)
{
	return c->tls && tls_stream_is_ready(c->tls) ? c->tls : NULL;
}

const char *conn_tls_version(const struct conn *c)
{
	return c->tls ? tls_stream_version(c->tls) : "none";
}

const char *conn_tls_cipher(const struct conn *c)
{
	return c->tls ? tls_stream_cipher(c->tls) : "none";
}

/* --- Compression. --- */

void conn_start_deflate(struct conn *c, struct span early)
{
	invariant(!c->deflate);
	c->deflate = deflate_stream_create();
	c->resting = true; /* nothing is made yet */
	c->bare = outq_bytes(&c->out);
	buf_add_span(&c->packed, early);
	buf_add_span(&c->packed, buf_span(&c->in));
	buf_finish(&c->in);
	if (c->packed.failed)
		conn_close(c);
	conn_unpack(c);
}

void conn_stop_deflate(struct conn *c)
{
	struct buf all;
	invariant(c->deflate);
	buf_init(&all, UINT32_MAX);
	while (outq_bytes(&c->out)) {
		struct buf some;
		buf_init(&some, UINT32_MAX);
		pack(c, &some);
		buf_add_span(&all, buf_span(&some));
		buf_finish(&some);
	}
	outq_move(&c->out, &all);
	buf_finish(&all);
	deflate_stream_destroy(c->deflate);
	c->deflate = NULL;
	c->bare = 0;
	c->peer_ended = c->peer_ended && !c->pack_ended;
	c->pack_ended = false;
	buf_add_span(&c->in, buf_span(&c->packed));
	buf_finish(&c->packed);
	if (c->in.failed)
		conn_close(c);
}

bool conn_is_deflated(const struct conn *c)
{
	return c->deflate != NULL;
}
