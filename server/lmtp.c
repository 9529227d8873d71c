/*
 * LMTP (RFC 2033): mail comes in; a reply for each recipient once its message is on disk.
 *
 * The pump is lmtp_run(): it reads one line or some octets of data at a time, and stops while an op looks a recipient up
 * or the message is delivered.  What a client pipelines behind that waits as bytes (RFC 2920).
 */
#include "protocol/lmtp/data.h"
#include "protocol/lmtp/trace.h"
#include "server/accounts.h"
#include "server/domain_counts.h"
#include "server/lmtp_transaction.h"
#include "server/log.h"
#include "server/server.h"

#include <time.h>

_Static_assert((int)LIMIT_LMTP_LINE_BYTES == (int)LMTP_LINE_MAX && (int)LIMIT_LMTP_PATH_BYTES == (int)LMTP_PATH_MAX,
	       "docs/limits.md has what the parser has");

struct lmtp {
	struct conn *conn;
	enum lmtp_state {
		LMTP_COMMANDS,
		LMTP_LOOKUP,  /* an op is away */
		LMTP_READING, /* the data */
		LMTP_CHUNK,   /* the octets of a BDAT */
		LMTP_DELIVERING,
		LMTP_ENDING
	} state;
	bool greeted, skips_line, running, is_utf8;
	unsigned errors, serial;
	struct span domain; /* of LHLO; heap */
	struct transaction *transaction; /* from MAIL on */
	struct lmtp_data data;
	struct {
		uint64_t left; /* octets of the chunk */
		bool is_last, is_unwanted;
		bool any; /* of this transaction: there was one */
	} chunk;
};

static void lmtp_run(struct lmtp *l);

static const struct config *config_of(const struct lmtp *l)
{
	return &l->conn->loop->server->config;
}

static void reply(struct lmtp *l, enum lmtp_reply which)
{
	lmtp_reply(conn_out(l->conn), which);
	if (lmtp_replies[which].code[0] != '5' || ++l->errors < LIMIT_LMTP_ERRORS)
		return;
	lmtp_reply(conn_out(l->conn), LMTP_REPLY_TOO_MANY_ERRORS);
	l->state = LMTP_ENDING;
}

static void reset(struct lmtp *l)
{
	transaction_release(l->transaction);
	l->transaction = NULL;
	l->data = (struct lmtp_data){0};
	l->chunk.any = false;
}

/* ---- looking a recipient up ---- */

struct lookup {
	struct op op;
	char address[ADDRESS_MAX + 1]; /* "" when it cannot be one: nobody has that */
	struct alias_targets targets;
	enum store_err err;
};

static enum op_result lookup_run(struct op *op, struct account *account)
{
	struct lookup *k = container_of(op, struct lookup, op);
	(void)account;
	k->err = k->address[0] ? alias_resolve(op->directory, k->address, &k->targets) : STORE_NOTFOUND;
	return OP_DONE;
}

/* Those who take mail; one RCPT's. */
static enum lmtp_reply add_recipients(struct transaction *t, const struct alias_targets *targets)
{
	size_t n = 0;
	for (size_t i = 0; i < targets->n; i++)
		n += !targets->v[i].refuses_mail;
	if (n == 0)
		return LMTP_REPLY_DISABLED;
	if (t->recipients_n + n > LIMIT_LMTP_RECIPIENTS)
		return LMTP_REPLY_TOO_MANY_RECIPIENTS;
	for (size_t i = 0; i < targets->n; i++)
		if (!targets->v[i].refuses_mail)
			transaction_add_recipient(t, &targets->v[i], span_of(targets->detail), --n > 0);
	return LMTP_REPLY_RECIPIENT_OK;
}

static void note_unknown(struct server *server, const char *address)
{
	counter_add(&server->counters, COUNT_RECIPIENTS_UNKNOWN, 1);
	domain_count(domain_table_find(server->domains, address), DOMAIN_RECIPIENTS_UNKNOWN, 1);
}

static void lookup_done(struct op *op, struct conn *conn)
{
	struct lookup *k = container_of(op, struct lookup, op);
	if (conn) {
		struct lmtp *l = conn->session;
		l->state = LMTP_COMMANDS;
		if (op->fate != OP_RAN || (k->err && k->err != STORE_NOTFOUND)) {
			reply(l, LMTP_REPLY_TRY_AGAIN);
		} else if (k->err) {
			note_unknown(conn->loop->server, k->address);
			lmtp_reply(conn_out(conn), LMTP_REPLY_UNKNOWN_USER); /* common, and no error of the protocol */
		} else {
			reply(l, add_recipients(l->transaction, &k->targets));
		}
		lmtp_run(l);
	}
	alias_targets_finish(&k->targets);
	op_finish(op);
	free(k);
}

static void look_up(struct lmtp *l, struct span path)
{
	struct lookup *k = xcalloc(1, sizeof(*k));
	char address[LMTP_PATH_MAX + 1];
	size_t len = lmtp_path_address(path, address, sizeof(address));
	if (!address_normalise(address, len, k->address))
		k->address[0] = '\0';
	op_init(&k->op, "LMTP recipient", lookup_run, lookup_done);
	l->state = LMTP_LOOKUP;
	conn_submit(l->conn, accounts_directory(l->conn->loop->server->accounts), &k->op);
}

/* ---- commands ---- */

static void lhlo(struct lmtp *l, const struct lmtp_command *c)
{
	char *copy = xmalloc(c->domain.len);
	memcpy(copy, c->domain.ptr, c->domain.len);
	free((char *)(uintptr_t)l->domain.ptr);
	l->domain = span_make(copy, c->domain.len);
	reset(l);
	l->greeted = true;
	lmtp_reply_lhlo(conn_out(l->conn), config_of(l)->hostname, (uint64_t)config_of(l)->message_bytes_max);
}

static void mail(struct lmtp *l, const struct lmtp_command *c)
{
	uint64_t most = (uint64_t)config_of(l)->message_bytes_max;
	if (l->transaction) {
		reply(l, LMTP_REPLY_SECOND_SENDER);
	} else if (c->has_size && c->size > most) {
		reply(l, LMTP_REPLY_TOO_LARGE); /* RFC 1870 6.1 */
	} else {
		const struct delivery_rules rules = {.junk_header = config_of(l)->junk_header,
						     .duplicates_s = config_of(l)->duplicates_s, .is_binary = c->is_binary};
		l->transaction = transaction_create(c->path, most, &rules);
		l->is_utf8 = c->is_utf8;
		reply(l, LMTP_REPLY_SENDER_OK);
	}
}

static void rcpt(struct lmtp *l, const struct lmtp_command *c)
{
	if (!l->transaction)
		reply(l, LMTP_REPLY_MAIL_FIRST);
	else if (l->chunk.any)
		reply(l, LMTP_REPLY_BDAT_FIRST);
	else if (l->transaction->recipients_n >= LIMIT_LMTP_RECIPIENTS)
		reply(l, LMTP_REPLY_TOO_MANY_RECIPIENTS);
	else
		look_up(l, c->path);
}

/* The message begins. */
static void begin_data(struct lmtp *l)
{
	struct buf head;
	int64_t now_s = time(NULL);
	uint64_t id = (uint64_t)now_s << 24 | (l->conn->id & 0xffff) << 8 | (l->serial++ & 0xff);
	const char *peer = conn_peer(l->conn);
	bool is_local = strcmp(peer, "local") == 0;
	struct trace_received received = {.domain = l->domain, .peer = is_local ? NULL : peer,
					  .host = config_of(l)->hostname, .is_utf8 = l->is_utf8, .id = id,
					  .unix_s = now_s};
	buf_init(&head, 4096);
	trace_write_received(&head, &received);
	transaction_begin_data(l->transaction, l->conn->loop->server->accounts, buf_span(&head));
	buf_finish(&head);
}

static void data(struct lmtp *l)
{
	if (!l->transaction || l->transaction->recipients_n == 0) {
		reply(l, LMTP_REPLY_NO_RECIPIENTS); /* RFC 2033 4.2 */
	} else if (l->chunk.any) {
		reply(l, LMTP_REPLY_BDAT_FIRST); /* RFC 3030 2 */
	} else if (l->transaction->rules.is_binary) {
		reply(l, LMTP_REPLY_BINARY_DATA); /* RFC 3030 3 */
	} else {
		begin_data(l);
		l->state = LMTP_READING;
		reply(l, LMTP_REPLY_GO_ON);
	}
}

/* Whatever is wrong, the octets are taken (RFC 3030 2). */
static void bdat(struct lmtp *l, const struct lmtp_command *c)
{
	l->chunk.left = c->size;
	l->chunk.is_last = c->is_last;
	l->chunk.is_unwanted = !l->transaction || l->transaction->recipients_n == 0;
	if (!l->chunk.is_unwanted && !l->chunk.any)
		begin_data(l);
	l->chunk.any = !l->chunk.is_unwanted;
	l->state = LMTP_CHUNK;
}

static void command(struct lmtp *l, struct span line)
{
	struct lmtp_command c;
	enum lmtp_error error = lmtp_parse(line, &c);
	bool needs_greeting = c.kind == LMTP_MAIL || c.kind == LMTP_RCPT || c.kind == LMTP_DATA;
	if (!l->greeted && needs_greeting) {
		reply(l, LMTP_REPLY_LHLO_FIRST);
		return;
	}
	if (error) {
		reply(l, lmtp_reply_of_error(error));
		if (c.kind == LMTP_BDAT)
			l->state = LMTP_ENDING; /* where the next command begins nobody knows */
		return;
	}
	switch (c.kind) {
	case LMTP_LHLO: lhlo(l, &c); break;
	case LMTP_MAIL: mail(l, &c); break;
	case LMTP_RCPT: rcpt(l, &c); break;
	case LMTP_DATA: data(l); break;
	case LMTP_BDAT: bdat(l, &c); break;
	case LMTP_HELO: reply(l, LMTP_REPLY_NOT_LMTP); break;
	case LMTP_VRFY: reply(l, LMTP_REPLY_VRFY); break;
	case LMTP_NOOP: reply(l, LMTP_REPLY_DONE); break;
	case LMTP_RSET:
		reset(l);
		reply(l, LMTP_REPLY_DONE);
		break;
	case LMTP_QUIT:
		reply(l, LMTP_REPLY_BYE);
		l->state = LMTP_ENDING;
		break;
	case LMTP_UNKNOWN:
		invariant(error);
	}
}

/* ---- input ---- */

/* One line; false: it is not whole. */
static bool read_line(struct lmtp *l, struct span *in)
{
	const char *lf = in->len ? memchr(in->ptr, '\n', in->len) : NULL;
	size_t len = lf ? (size_t)(lf - in->ptr) : in->len;
	if (len > LMTP_LINE_MAX + 1 && !l->skips_line) {
		l->skips_line = true;
		reply(l, LMTP_REPLY_LINE_TOO_LONG);
	}
	if (!lf) {
		if (l->skips_line)
			*in = span_after(*in, len);
		return false;
	}
	struct span line = span_make(in->ptr, len);
	*in = span_after(*in, len + 1);
	if (l->skips_line) {
		l->skips_line = false;
		return true;
	}
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	command(l, line);
	return true;
}

/* Some of the message; false: there is nothing, or it has to wait. */
static bool read_data(struct lmtp *l, struct span *in)
{
	struct transaction *t = l->transaction;
	if (in->len == 0 || !transaction_has_room(t))
		return false;
	struct span step = span_make(in->ptr, in->len < LIMIT_LMTP_CHUNK_BYTES ? in->len : LIMIT_LMTP_CHUNK_BYTES);
	const char *begin = step.ptr;
	while (transaction_has_room(t)) {
		struct span piece = lmtp_data_next(&l->data, &step);
		if (piece.len == 0)
			break;
		transaction_add(t, l->conn, piece);
	}
	*in = span_after(*in, (size_t)(step.ptr - begin));
	if (lmtp_data_ended(&l->data)) {
		transaction_end_data(t);
		l->state = LMTP_DELIVERING;
	}
	return true;
}

static void end_chunk(struct lmtp *l)
{
	bool has_recipients = !l->chunk.is_unwanted, has_begun = l->transaction != NULL;
	l->state = LMTP_COMMANDS;
	if (has_recipients && l->chunk.is_last) {
		transaction_end_data(l->transaction);
		l->state = LMTP_DELIVERING;
	} else if (has_recipients) {
		reply(l, l->transaction->too_large ? LMTP_REPLY_TOO_LARGE : LMTP_REPLY_CHUNK);
	} else if (!has_begun || !l->chunk.is_last) {
		reply(l, LMTP_REPLY_NO_RECIPIENTS);
	} else {
		reset(l); /* a reply for each recipient, and there is none (RFC 2033 4.3) */
	}
}

/* Some of the chunk; false: there is nothing, or it has to wait. */
static bool read_chunk(struct lmtp *l, struct span *in)
{
	size_t n = in->len < LIMIT_LMTP_CHUNK_BYTES ? in->len : LIMIT_LMTP_CHUNK_BYTES;
	n = n < l->chunk.left ? n : (size_t)l->chunk.left;
	if (l->chunk.left && (n == 0 || (!l->chunk.is_unwanted && !transaction_has_room(l->transaction))))
		return false;
	if (n && !l->chunk.is_unwanted)
		transaction_add(l->transaction, l->conn, span_make(in->ptr, n));
	*in = span_after(*in, n);
	l->chunk.left -= n;
	if (l->chunk.left == 0)
		end_chunk(l);
	return true;
}

static bool deliver(struct lmtp *l)
{
	if (!transaction_step(l->transaction, l->conn))
		return false;
	reset(l);
	l->state = LMTP_COMMANDS;
	return true;
}

/* Does one thing; false: there is nothing to do now. */
static bool step(struct lmtp *l, struct span *in)
{
	switch (l->state) {
	case LMTP_COMMANDS:
		return read_line(l, in);
	case LMTP_READING:
		return read_data(l, in);
	case LMTP_CHUNK:
		return read_chunk(l, in);
	case LMTP_DELIVERING:
		return deliver(l);
	case LMTP_LOOKUP: case LMTP_ENDING:
		break;
	}
	return false;
}

static void lmtp_run(struct lmtp *l)
{
	struct conn *c = l->conn;
	struct span in = buf_span(&c->in);
	int turns = 0;
	invariant(!l->running);
	l->running = true;
	while (conn_is_open(c) && turns < LIMIT_LMTP_TURNS && conn_has_room(c) && step(l, &in))
		turns++;
	l->running = false;
	buf_drop(&c->in, c->in.len - in.len);
	if (turns == LIMIT_LMTP_TURNS)
		conn_yield(c);
	conn_flush(c);
	if (l->state == LMTP_ENDING)
		conn_close_later(c);
	else
		conn_set_reading(c, c->in.len < IN_HIGH);
}

/* ---- facts ---- */

static void on_fact(struct conn *c)
{
	lmtp_run(c->session);
}

static void on_closed(struct conn *c)
{
	struct lmtp *l = c->session;
	log_event(LOG_INFO, "lmtp_ended", log_text("peer", conn_peer(c)), log_span("client", l->domain),
		  log_number("transactions", l->serial), log_number("errors", l->errors),
		  log_number("bytes_in", (int64_t)c->bytes_in), log_number("bytes_out", (int64_t)c->bytes_out),
		  log_number("seconds", (int64_t)(loop_now_s(c->loop) - c->since_s)), log_text("reason", c->why ? c->why : "quit"));
	reset(l);
	free((char *)(uintptr_t)l->domain.ptr);
	free(l);
}

static void on_ending(struct conn *c, enum conn_end why)
{
	lmtp_reply(conn_out(c), why == CONN_END_IDLE ? LMTP_REPLY_IDLE : LMTP_REPLY_STOPPING);
}

static void on_accept(struct conn *c)
{
	struct lmtp *l = xcalloc(1, sizeof(*l));
	l->conn = c;
	c->session = l;
	conn_admit(c, LIMIT_LMTP_IDLE_S);
	lmtp_reply_greeting(conn_out(c), c->loop->server->config.hostname);
}

const struct conn_user lmtp_user = {on_accept, on_fact, on_fact, on_ending, on_closed, NULL};
