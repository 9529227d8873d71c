/* LMTP (RFC 2033): mail comes in; a reply for each recipient once its message is on disk. */
#include "server/deliver.h"
#include "server/accounts.h"
#include "server/conn.h"
#include "server/server.h"
#include "storage/directory.h"
#include "storage/mailbox.h"

#include <time.h>

enum { RECIPIENTS_MAX = 1000, LMTP_LINE_MAX = 4096 };

struct lmtp {
	struct conn *conn;
	bool greeted, has_sender, in_data, busy, quit, too_big;
	char sender[512];
	struct recipient {
		char address[ADDRESS_MAX + 1], account[DIRECTORY_ACCOUNT_LEN + 1];
	} *recipients;
	size_t recipients_n, delivered;
	struct buf data;
};

struct lmtp_op {
	struct op op;
	char address[ADDRESS_MAX + 1]; /* "" when it cannot be one: nobody has that */
	struct directory_user user;
	bool known, failed, stored;
	struct lane *lane; /* a reference, of a delivery */
	struct append_message message;
};

static void lmtp_run(struct lmtp *l);

static enum op_result rcpt_run(struct op *op, struct account *account)
{
	struct lmtp_op *o = container_of(op, struct lmtp_op, op);
	(void)account;
	enum store_err err = directory_user_find(op->directory, o->address, &o->user);
	o->known = err == STORE_OK;
	o->failed = err && err != STORE_NOTFOUND;
	return OP_DONE;
}

static void rcpt_done(struct op *op, struct conn *conn)
{
	struct lmtp_op *o = container_of(op, struct lmtp_op, op);
	if (conn) {
		struct lmtp *l = conn->session;
		l->busy = false;
		if (o->known) {
			l->recipients = xrealloc(l->recipients, (l->recipients_n + 1) * sizeof(*l->recipients));
			struct recipient *r = &l->recipients[l->recipients_n++];
			memcpy(r->address, o->address, sizeof(r->address));
			memcpy(r->account, o->user.account, sizeof(r->account));
		}
		conn_write_text(conn, o->known ? "250 2.1.5 OK\r\n" : (o->failed || op->fate != OP_RAN ? "451 4.3.0 Try again\r\n" : "550 5.1.1 No such user\r\n"));
		lmtp_run(l);
	}
	op_finish(op);
	free(o);
}

static enum op_result deliver_run(struct op *op, struct account *a)
{
	struct lmtp_op *o = container_of(op, struct lmtp_op, op);
	int64_t inbox;
	uint32_t uid;
	enum store_err err = mailbox_find(a, "INBOX", &inbox);
	if (!err)
		err = deliver_message(a, inbox, &o->message, 1, &uid);
	o->stored = err == STORE_OK;
	return o->stored ? OP_DONE : OP_FAILED;
}

static void deliver_next(struct lmtp *l);

static void deliver_done(struct op *op, struct conn *conn)
{
	struct lmtp_op *o = container_of(op, struct lmtp_op, op);
	if (conn) {
		struct lmtp *l = conn->session;
		l->busy = false;
		conn_write_text(conn, o->stored && op->fate == OP_RAN ? "250 2.0.0 Delivered\r\n" : "451 4.3.0 Not stored, try again\r\n");
		deliver_next(l);
		lmtp_run(l);
	}
	free(o->message.data);
	accounts_release(o->lane);
	op_finish(op);
	free(o);
}

static void reset(struct lmtp *l)
{
	free(l->recipients);
	l->recipients = NULL;
	l->recipients_n = l->delivered = 0;
	l->has_sender = l->too_big = false;
	buf_finish(&l->data);
}

static void submit(struct lmtp *l, struct lmtp_op *o, struct lane *lane)
{
	l->busy = true;
	conn_submit(l->conn, lane, &o->op);
}

static void deliver_next(struct lmtp *l)
{
	while (l->too_big && l->delivered < l->recipients_n) {
		conn_write_text(l->conn, "552 5.3.4 Too large\r\n");
		l->delivered++;
	}
	if (l->delivered == l->recipients_n) {
		reset(l);
		return;
	}
	struct recipient *r = &l->recipients[l->delivered++];
	struct lmtp_op *o = xcalloc(1, sizeof(*o));
	struct buf m;
	char date[64];
	time_t now = time(NULL);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	buf_init(&m, l->data.len + 4096);
	buf_printf(&m, "Return-Path: <%s>\r\nDelivered-To: %s\r\nReceived: by %s with LMTP; %s\r\n", l->sender, r->address,
		   l->conn->loop->server->config.hostname, date);
	buf_add_span(&m, buf_span(&l->data));
	o->message.data = buf_take(&m, &o->message.len);
	op_init(&o->op, "LMTP delivery", deliver_run, deliver_done);
	o->op.writes = true;
	o->lane = accounts_acquire(l->conn->loop->server->accounts, r->account);
	submit(l, o, o->lane);
}

/* The text between < and > behind "FROM:" or "TO:". */
static bool path_of(struct span line, const char *word, char *out, size_t size)
{
	size_t n = strlen(word);
	if (line.len < n + 2 || strncasecmp(line.ptr, word, n) != 0)
		return false;
	struct span s = span_after(line, n);
	while (s.len && s.ptr[0] == ' ')
		s = span_after(s, 1);
	const char *close = s.len ? memchr(s.ptr, '>', s.len) : NULL;
	if (!close || s.ptr[0] != '<' || (size_t)(close - s.ptr) > size)
		return false;
	snprintf(out, size, "%.*s", (int)(close - s.ptr - 1), s.ptr + 1);
	return true;
}

static void command(struct lmtp *l, struct span line)
{
	struct conn *c = l->conn;
	char address[256];
	if (line.len >= 5 && strncasecmp(line.ptr, "LHLO ", 5) == 0) {
		reset(l);
		l->greeted = true;
		buf_printf(conn_out(c), "250-%s\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SIZE %ld\r\n",
			   c->loop->server->config.hostname, c->loop->server->config.message_bytes_max);
	} else if (line.len >= 4 && (strncasecmp(line.ptr, "HELO", 4) == 0 || strncasecmp(line.ptr, "EHLO", 4) == 0)) {
		conn_write_text(c, "500 5.5.1 This is LMTP\r\n");
	} else if (span_is(line, "QUIT")) {
		conn_write_text(c, "221 2.0.0 Bye\r\n");
		l->quit = true;
	} else if (span_is(line, "NOOP") || span_is(line, "RSET")) {
		if (span_is(line, "RSET"))
			reset(l);
		conn_write_text(c, "250 2.0.0 OK\r\n");
	} else if (!l->greeted) {
		conn_write_text(c, "503 5.5.1 LHLO first\r\n");
	} else if (path_of(line, "MAIL FROM:", l->sender, sizeof(l->sender))) {
		const char *size = memmem(line.ptr, line.len, "SIZE=", 5);
		bool big = size && strtol(size + 5, NULL, 10) > c->loop->server->config.message_bytes_max;
		bool again = l->has_sender;
		l->has_sender = l->has_sender || !big;
		conn_write_text(c, again ? "503 5.5.1 One sender\r\n" : (big ? "552 5.3.4 Too large\r\n" : "250 2.1.0 OK\r\n"));
	} else if (path_of(line, "RCPT TO:", address, sizeof(address))) {
		if (!l->has_sender || l->recipients_n >= RECIPIENTS_MAX) {
			conn_write_text(c, l->has_sender ? "452 4.5.3 Too many recipients\r\n" : "503 5.5.1 MAIL first\r\n");
			return;
		}
		struct lmtp_op *o = xcalloc(1, sizeof(*o));
		address_normalise(address, strlen(address), o->address);
		op_init(&o->op, "LMTP recipient", rcpt_run, rcpt_done);
		submit(l, o, accounts_directory(c->loop->server->accounts));
	} else if (span_is(line, "DATA")) {
		l->in_data = l->recipients_n > 0;
		conn_write_text(c, l->in_data ? "354 Go on\r\n" : "503 5.5.1 No recipients\r\n");
		buf_init(&l->data, (size_t)c->loop->server->config.message_bytes_max + 4096);
	} else if (line.len >= 4 && strncasecmp(line.ptr, "VRFY", 4) == 0) {
		conn_write_text(c, "252 2.5.0 Perhaps\r\n");
	} else {
		conn_write_text(c, "500 5.5.2 Not understood\r\n");
	}
}

/* One line of data.  The end is CRLF.CRLF exactly; a bare LF is data and becomes CRLF. */
static void data_line(struct lmtp *l, struct span line, bool crlf)
{
	if (crlf && line.len == 1 && line.ptr[0] == '.') {
		l->in_data = false;
		l->too_big = l->data.failed;
		deliver_next(l);
		return;
	}
	if (line.len && line.ptr[0] == '.')
		line = span_after(line, 1);
	buf_add_span(&l->data, line);
	buf_add_text(&l->data, "\r\n");
}

static void lmtp_run(struct lmtp *l)
{
	struct conn *c = l->conn;
	size_t used = 0;
	while (!l->busy && !l->quit && conn_is_open(c)) {
		struct span rest = span_after(buf_span(&c->in), used);
		const char *nl = rest.len ? memchr(rest.ptr, '\n', rest.len) : NULL;
		if (!nl && !(l->in_data && rest.len > IN_HIGH) && rest.len <= (l->in_data ? (size_t)1 << 19 : LMTP_LINE_MAX))
			break;
		if (!nl) {
			conn_write_text(c, "500 5.5.2 The line is too long\r\n");
			l->quit = true;
			break;
		}
		size_t len = (size_t)(nl - rest.ptr);
		used += len + 1;
		bool crlf = len > 0 && rest.ptr[len - 1] == '\r';
		struct span line = span_make(rest.ptr, len - crlf);
		if (l->in_data)
			data_line(l, line, crlf);
		else
			command(l, line);
	}
	buf_drop(&c->in, used);
	conn_flush(c);
	if (l->quit)
		conn_close_later(c);
	else
		conn_set_reading(c, !l->busy || c->in.len < IN_HIGH);
}

static void on_fact(struct conn *c)
{
	lmtp_run(c->session);
}

static void on_closed(struct conn *c)
{
	struct lmtp *l = c->session;
	reset(l);
	free(l);
}

static void on_ending(struct conn *c, enum conn_end why)
{
	conn_write_text(c, why == CONN_END_STOPPING ? "421 4.3.2 The server stops\r\n" : "421 4.4.2 Idle for too long\r\n");
}

static void on_accept(struct conn *c)
{
	struct lmtp *l = xcalloc(1, sizeof(*l));
	l->conn = c;
	c->session = l;
	conn_admit(c, LIMIT_LMTP_IDLE_S);
	buf_init(&l->data, 4096);
	buf_printf(conn_out(c), "220 %s LMTP Roost\r\n", c->loop->server->config.hostname);
}

const struct conn_user lmtp_user = {on_accept, on_fact, on_fact, on_ending, on_closed};
