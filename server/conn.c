#include "server/conn.h"

#include "server/server.h"

struct write {
	uv_write_t req;
	struct conn *conn;
	char *data;
	size_t len;
};

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *out)
{
	(void)handle, (void)hint;
	*out = uv_buf_init(xmalloc(65536), 65536);
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->user->on_closed(c);
	SSL_free(c->ssl);
	buf_finish(&c->in);
	buf_finish(&c->out);
	free(c);
}

void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close(&c->uv.handle, on_closed);
}

static void tls_read(struct conn *c)
{
	for (;;) {
		char *to = buf_reserve(&c->in, 16384);
		int n = to ? SSL_read(c->ssl, to, 16384) : 0;
		if (n <= 0) {
			int why = to ? SSL_get_error(c->ssl, n) : SSL_ERROR_SSL;
			if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
				c->ended = true;
			return;
		}
		c->in.len += (size_t)n;
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	if (n > 0 && c->ssl) {
		BIO_write(c->net_in, buf->base, (int)n);
		tls_read(c);
	} else if (n > 0) {
		buf_add(&c->in, buf->base, (size_t)n);
	}
	free(buf->base);
	if (n < 0 || c->in.failed)
		c->ended = true;
	if (n != 0 && !c->closing)
		c->user->on_data(c);
	if (!c->closing)
		conn_flush(c);
	if (c->ended)
		conn_close(c);
}

void conn_set_reading(struct conn *c, bool on)
{
	if (on == c->reading || c->closing)
		return;
	c->reading = on;
	if (on)
		uv_read_start(&c->uv.stream, on_alloc, on_read);
	else
		uv_read_stop(&c->uv.stream);
}

size_t conn_pending(const struct conn *c)
{
	return c->out.len + c->writing;
}

static void on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;
	struct conn *c = w->conn;
	c->writing -= w->len;
	free(w->data);
	free(w);
	if (status < 0) {
		conn_close(c);
		return;
	}
	if (c->closing)
		return;
	if (c->close_when_drained && conn_pending(c) == 0)
		conn_close(c);
	else if (conn_pending(c) < OUT_LOW)
		c->user->on_drained(c);
}

static void send_bytes(struct conn *c, char *data, size_t len)
{
	uv_buf_t one = uv_buf_init(data, (unsigned)len);
	int did = c->writing ? 0 : uv_try_write(&c->uv.stream, &one, 1);
	size_t done = did > 0 ? (size_t)did : 0;
	if (done == len) {
		free(data);
		return;
	}
	struct write *w = xcalloc(1, sizeof(*w));
	w->conn = c;
	w->data = data;
	w->len = len - done;
	c->writing += w->len;
	one = uv_buf_init(data + done, (unsigned)w->len);
	if (uv_write(&w->req, &c->uv.stream, &one, 1, on_written) != 0) {
		c->writing -= w->len;
		free(data);
		free(w);
		conn_close(c);
	}
}

void conn_flush(struct conn *c)
{
	if (c->closing)
		return;
	size_t len;
	if (c->ssl) {
		if (c->out.len && SSL_is_init_finished(c->ssl)) {
			invariant(c->out.len < INT32_MAX);
			if (SSL_write(c->ssl, c->out.data, (int)c->out.len) > 0)
				buf_reset(&c->out);
		}
		len = BIO_ctrl_pending(c->net_out);
		if (len) {
			char *data = xmalloc(len);
			invariant(BIO_read(c->net_out, data, (int)len) == (int)len);
			send_bytes(c, data, len);
		}
	} else if (c->out.len) {
		char *data = buf_take(&c->out, &len);
		send_bytes(c, data, len);
	}
	if (c->close_when_drained && !c->closing && conn_pending(c) == 0)
		conn_close(c);
}

void conn_write_text(struct conn *c, const char *text)
{
	buf_add_text(&c->out, text);
}

void conn_close_later(struct conn *c)
{
	c->close_when_drained = true;
	conn_set_reading(c, false);
}

void conn_start_tls(struct conn *c, SSL_CTX *ctx)
{
	buf_reset(&c->in);
	c->ssl = SSL_new(ctx);
	c->net_in = BIO_new(BIO_s_mem());
	c->net_out = BIO_new(BIO_s_mem());
	invariant(c->ssl && c->net_in && c->net_out);
	SSL_set_bio(c->ssl, c->net_in, c->net_out);
	SSL_set_accept_state(c->ssl);
}

struct conn *conn_find(struct loop *loop, uint64_t id)
{
	for (struct conn *c = loop->conns; c; c = c->next)
		if (c->id == id)
			return c->closing ? NULL : c;
	return NULL;
}

void conn_create(struct loop *loop, int fd, const struct listen_config *listener)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	c->loop = loop;
	c->id = ++loop->last_id;
	c->listener = listener;
	buf_init(&c->in, 1 << 20);
	buf_init(&c->out, 64 << 20);
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
	c->next = loop->conns;
	c->link = &loop->conns;
	if (c->next)
		c->next->link = &c->next;
	loop->conns = c;
	if (listener->protocol == PROTOCOL_LMTP)
		lmtp_accept(c);
	else
		session_accept(c);
	if (rc != 0 || loop->stopping) {
		conn_close(c);
		return;
	}
	if (listener->protocol == PROTOCOL_IMAPS)
		conn_start_tls(c, loop->server->tls);
	conn_set_reading(c, true);
	conn_flush(c);
}
