/*
 * An IMAP session and its pump.  Callbacks record a fact and call session_run(); all that a session does next is
 * decided there.  One op is in flight at a time; the view travels with it and comes back.
 */
#include "server/command.h"
#include "server/conn.h"
#include "server/notify.h"
#include "server/server.h"

#include "protocol/imap/names.h"
#include "protocol/imap/parse.h"
#include "server/auth.h"

enum { LINE_MAX_BYTES = 65536, LITERAL_INLINE_MAX = 262144, UNAUTHENTICATED_MAX = 8192, BAD_MAX = 50, APPEND_MAX = 1000 };
enum state { STATE_NOT_AUTHENTICATED, STATE_AUTHENTICATED, STATE_SELECTED, STATE_LOGOUT };

struct session {
	struct conn *conn;
	enum state state;
	struct lane *lane;
	struct watch watch;
	struct view *view;
	bool busy, dirty;
	struct command_op *more;   /* a FETCH that waits for the output to drain */
	struct command_op *append; /* an APPEND that collects its literals */
	bool in_literal, append_refused;
	uint64_t literal_left, discard;
	char idle_tag[128], auth_tag[128];
	bool idling, auth_waits;
	int auth_step; /* AUTHENTICATE LOGIN: which answer comes next */
	bool auth_login;
	char auth_user[256];
	size_t scanned, literals_end; /* of c->in: looked at; end of the literals passed */
	unsigned bad;
	char address[256];
};

static void session_run(struct session *s);

static const char capabilities_before[] = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE";
static const char capabilities_after[] =
	"IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE MULTIAPPEND SPECIAL-USE"
	" CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH WITHIN";

static bool may_login(const struct session *s)
{
	return conn_is_secure(s->conn) || s->conn->listener->cleartext_login;
}

static void add_capabilities(struct session *s, struct buf *out)
{
	if (s->state != STATE_NOT_AUTHENTICATED) {
		buf_printf(out, "%s APPENDLIMIT=%ld", capabilities_after, s->conn->loop->server->config.message_bytes_max);
		return;
	}
	buf_add_text(out, capabilities_before);
	if (!conn_is_secure(s->conn) && s->conn->loop->server->tls)
		buf_add_text(out, " STARTTLS");
	buf_add_text(out, may_login(s) ? " AUTH=PLAIN AUTH=LOGIN" : " LOGINDISABLED");
}

static void reply(struct session *s, struct span tag, const char *text)
{
	struct buf *out = conn_out(s->conn);
	buf_add_span(out, tag);
	buf_add_char(out, ' ');
	buf_add_text(out, text);
	buf_add_text(out, "\r\n");
}

static void submit(struct session *s, struct command_op *c, struct lane *lane)
{
	c->view = s->view;
	s->view = NULL;
	s->busy = true;
	c->message_bytes_max = s->conn->loop->server->config.message_bytes_max;
	conn_submit(s->conn, lane, &c->op);
}

static void on_command_done(struct op *op, struct conn *conn)
{
	struct command_op *c = container_of(op, struct command_op, op);
	struct session *s = conn ? conn->session : NULL;
	if (!s) {
		command_destroy(c);
		return;
	}
	s->busy = false;
	s->view = c->view;
	c->view = NULL;
	if (c->broken || (op->fate != OP_RAN && (c->item || c->literal_left))) {
		conn_close(conn);
		command_destroy(c);
		return;
	}
	if (op->fate != OP_RAN) {
		buf_reset(&c->out);
		c->more = c->close_view = false;
		if (s->view && (c->request.kind == CMD_SELECT || c->request.kind == CMD_EXAMINE))
			c->close_view = true;
		if (c->request.tag.ptr)
			command_tagged(c, "NO [UNAVAILABLE] The store cannot do this now; nothing was changed");
	}
	if (c->close_view) {
		view_destroy(s->view);
		s->view = op->fate != OP_RAN ? NULL : c->new_view;
		if (op->fate == OP_RAN)
			c->new_view = NULL;
		s->state = s->view ? STATE_SELECTED : STATE_AUTHENTICATED;
	}
	conn_move(conn, &c->out);
	if (c->more)
		s->more = c;
	else
		command_destroy(c);
	session_run(s);
}

static struct command_op *make_command(enum command_kind kind)
{
	struct command_op *c = xcalloc(1, sizeof(*c));
	buf_init(&c->out, UINT32_MAX);
	buf_init(&c->text, LITERAL_INLINE_MAX * 4);
	op_init(&c->op, "command", command_run, on_command_done);
	c->request.kind = kind;
	return c;
}

static void on_login_done(struct op *op, struct conn *conn)
{
	struct command_op *c = container_of(op, struct command_op, op);
	struct session *s = conn ? conn->session : NULL;
	if (s) {
		s->busy = false;
		if (op->fate == OP_RAN && c->login_ok) {
			s->state = STATE_AUTHENTICATED;
			s->lane = accounts_acquire(conn->loop->server->accounts, c->account);
			notify_watch(&s->watch, conn->loop, s->lane, WATCH_ALL);
			snprintf(s->address, sizeof(s->address), "%s", c->address);
			buf_add_span(conn_out(conn), c->request.tag);
			buf_add_text(conn_out(conn), " OK [CAPABILITY ");
			add_capabilities(s, conn_out(conn));
			buf_add_text(conn_out(conn), "] Logged in\r\n");
		} else {
			reply(s, c->request.tag, op->fate != OP_RAN ? "NO [UNAVAILABLE] The directory cannot be read now"
							    : "NO [AUTHENTICATIONFAILED] User or password is wrong");
			if (++s->bad >= BAD_MAX / 5)
				s->state = STATE_LOGOUT;
		}
		session_run(s);
	}
	command_destroy(c);
}

static void login(struct session *s, struct span tag, struct span user, struct span pass)
{
	struct command_op *c = make_command(CMD_LOGIN);
	c->request.tag = arena_copy(&c->arena, tag);
	c->request.user = arena_copy(&c->arena, user);
	c->request.pass = arena_copy(&c->arena, pass);
	c->op.run = auth_login_run;
	c->op.done = on_login_done;
	submit(s, c, accounts_directory(s->conn->loop->server->accounts));
}

static void auth_answer(struct session *s, struct span line)
{
	struct span tag = span_of(s->auth_tag);
	char text[2048];
	size_t len;
	if (span_is(line, "*") || !auth_base64(line, text, sizeof(text), &len)) {
		s->auth_waits = false;
		reply(s, tag, "BAD Cancelled, or not base64");
		return;
	}
	if (s->auth_login) {
		if (s->auth_step++ == 0) {
			snprintf(s->auth_user, sizeof(s->auth_user), "%.250s", text);
			conn_write_text(s->conn, "+ UGFzc3dvcmQ6\r\n");
			return;
		}
		s->auth_waits = false;
		login(s, tag, span_of(s->auth_user), span_make(text, len));
		return;
	}
	/* RFC 4616: authzid NUL authcid NUL password */
	s->auth_waits = false;
	const char *one = memchr(text, 0, len), *end = text + len;
	const char *two = one ? memchr(one + 1, 0, (size_t)(end - one - 1)) : NULL;
	if (!two) {
		reply(s, tag, "BAD Not a PLAIN response");
		return;
	}
	struct span user = span_make(one + 1, (size_t)(two - one - 1)), authzid = span_make(text, (size_t)(one - text));
	if (authzid.len && !span_iequal(authzid, user))
		reply(s, tag, "NO [AUTHORIZATIONFAILED] Nobody may act for another here");
	else
		login(s, tag, user, span_make(two + 1, (size_t)(end - two - 1)));
}

static void authenticate(struct session *s, const struct request *r)
{
	s->auth_login = span_is(r->user, "LOGIN");
	if (!may_login(s)) {
		reply(s, r->tag, "NO [PRIVACYREQUIRED] Use STARTTLS first");
	} else if (!s->auth_login && !span_is(r->user, "PLAIN")) {
		reply(s, r->tag, "NO This mechanism is not known");
	} else {
		snprintf(s->auth_tag, sizeof(s->auth_tag), "%.*s", (int)r->tag.len, r->tag.ptr);
		s->auth_waits = true;
		s->auth_step = 0;
		if (r->has_initial)
			auth_answer(s, span_is(r->pass, "=") ? span_make("", 0) : r->pass);
		else
			conn_write_text(s->conn, s->auth_login ? "+ VXNlcm5hbWU6\r\n" : "+ \r\n");
	}
}

enum { NOT_AUTHED = 1, AUTHED = 2, SELECTED = 4, ANY = 7, LOGGED_IN = AUTHED | SELECTED, WRITES = 8, ON_LOOP = 16 };

/* Where a command is legal, whether it writes, and whether the loop answers it alone. */
static unsigned rules(enum command_kind kind)
{
	switch (kind) {
	case CMD_CAPABILITY: case CMD_LOGOUT: case CMD_ID:
		return ANY | ON_LOOP;
	case CMD_NOOP:
		return ANY | WRITES;
	case CMD_STARTTLS: case CMD_LOGIN: case CMD_AUTHENTICATE:
		return NOT_AUTHED | ON_LOOP;
	case CMD_ENABLE: case CMD_NAMESPACE: case CMD_IDLE:
		return LOGGED_IN | ON_LOOP;
	case CMD_UNSELECT:
		return SELECTED | ON_LOOP;
	case CMD_LIST: case CMD_LSUB: case CMD_STATUS:
		return LOGGED_IN;
	case CMD_SELECT: case CMD_EXAMINE: case CMD_CREATE: case CMD_DELETE: case CMD_RENAME: case CMD_SUBSCRIBE:
	case CMD_UNSUBSCRIBE: case CMD_APPEND:
		return LOGGED_IN | WRITES;
	case CMD_CHECK: case CMD_CLOSE: case CMD_STORE: case CMD_COPY: case CMD_MOVE: case CMD_EXPUNGE:
		return SELECTED | WRITES;
	case CMD_FETCH: case CMD_SEARCH:
		return SELECTED;
	case CMD_UNKNOWN:
		break;
	}
	return 0;
}

static void on_loop_command(struct session *s, const struct request *r)
{
	struct buf *out = conn_out(s->conn);
	switch ((int)r->kind) {
	case CMD_CAPABILITY:
		buf_add_text(out, "* CAPABILITY ");
		add_capabilities(s, out);
		buf_add_text(out, "\r\n");
		reply(s, r->tag, "OK Done");
		break;
	case CMD_LOGOUT:
		buf_add_text(out, "* BYE Logging out\r\n");
		reply(s, r->tag, "OK Done");
		s->state = STATE_LOGOUT;
		break;
	case CMD_ID:
		buf_add_text(out, "* ID (\"name\" \"Roost\")\r\n");
		reply(s, r->tag, "OK Done");
		break;
	case CMD_ENABLE:
		buf_add_text(out, "* ENABLED\r\n");
		reply(s, r->tag, "OK Done");
		break;
	case CMD_NAMESPACE:
		buf_add_text(out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
		reply(s, r->tag, "OK Done");
		break;
	case CMD_UNSELECT:
		view_destroy(s->view);
		s->view = NULL;
		s->state = STATE_AUTHENTICATED;
		reply(s, r->tag, "OK Done");
		break;
	case CMD_IDLE:
		snprintf(s->idle_tag, sizeof(s->idle_tag), "%.*s", (int)r->tag.len, r->tag.ptr);
		s->idling = s->dirty = true;
		buf_add_text(out, "+ idling\r\n");
		break;
	case CMD_LOGIN:
		if (may_login(s))
			login(s, r->tag, r->user, r->pass);
		else
			reply(s, r->tag, "NO [PRIVACYREQUIRED] Use STARTTLS first");
		break;
	case CMD_AUTHENTICATE:
		authenticate(s, r);
		break;
	case CMD_STARTTLS:
		if (conn_is_secure(s->conn) || !s->conn->loop->server->tls) {
			reply(s, r->tag, "BAD TLS is not to be had here");
			break;
		}
		reply(s, r->tag, "OK Begin TLS");
		conn_flush(s->conn);
		(void)conn_start_tls(s->conn);
		break;
	default:
		invariant(!"a command of the loop");
	}
}

static void run_command(struct session *s, struct span text)
{
	struct command_op *c = make_command(CMD_UNKNOWN);
	struct parse_error error;
	buf_add_span(&c->text, text);
	enum parse_status status = parse_request(&c->arena, buf_span(&c->text), &c->request, &error);
	struct request *r = &c->request;
	static const unsigned bits[] = {NOT_AUTHED, AUTHED, SELECTED, 0};
	unsigned rule = rules(r->kind);
	if (status != PARSE_OK) {
		char message[200];
		snprintf(message, sizeof(message), "BAD %s (at %zu)", error.message, error.offset);
		reply(s, r->tag.ptr ? r->tag : span_of("*"), message);
		if (++s->bad >= BAD_MAX) {
			conn_write_text(s->conn, "* BYE Too many bad commands\r\n");
			s->state = STATE_LOGOUT;
		}
	} else if (!(rule & bits[s->state])) {
		reply(s, r->tag, "BAD This command does not belong here");
	} else if (rule & ON_LOOP) {
		on_loop_command(s, r);
	} else if (!s->lane) {
		reply(s, r->tag, "OK Done");
	} else {
		c->op.writes = (rule & WRITES) != 0;
		for (size_t i = 0; r->kind == CMD_FETCH && i < r->items_n; i++)
			c->op.writes = c->op.writes || (r->items[i].kind == FETCH_SECTION && !r->items[i].peek) ||
				       r->items[i].kind == FETCH_RFC822 || r->items[i].kind == FETCH_RFC822_TEXT;
		submit(s, c, s->lane);
		return;
	}
	command_destroy(c);
}

/* The mailbox was looked at before the literal is asked for. */
static void on_append_checked(struct op *op, struct conn *conn)
{
	struct command_op *c = container_of(op, struct command_op, op);
	struct session *s = conn ? conn->session : NULL;
	if (!s) {
		command_destroy(c);
		return;
	}
	s->busy = false;
	s->view = c->view;
	c->view = NULL;
	bool non_sync = c->close_view; /* borrowed: the literal is already on its way */
	bool ok = op->fate == OP_RAN && c->out.len > c->request.tag.len + 3 &&
		  memcmp(c->out.data + c->request.tag.len, " OK", 3) == 0;
	if (ok && !non_sync)
		conn_write_text(conn, "+ OK\r\n");
	if (!ok) {
		buf_add_span(conn_out(conn), buf_span(&c->out));
		s->in_literal = false;
		s->append_refused = non_sync;
		s->discard = non_sync ? s->literal_left : 0;
		command_destroy(s->append);
		s->append = NULL;
	}
	command_destroy(c);
	session_run(s);
}

static void append_head(struct session *s, struct span line, bool first, uint64_t size, bool non_sync)
{
	struct append_head head = {0};
	struct parse_error error;
	struct command_op *c = first ? make_command(CMD_APPEND) : s->append;
	const char *why = NULL;
	const char *sp = memchr(line.ptr, ' ', line.len);
	if (first) {
		c->request.tag = arena_copy(&c->arena, span_make(line.ptr, (size_t)(sp - line.ptr)));
		c->op.writes = true;
	}
	struct span kept = arena_copy(&c->arena, line);
	if (parse_append(&c->arena, kept, first, &head, &error) != PARSE_OK)
		why = "BAD Not an APPEND";
	else if (size == 0)
		why = "NO The message is empty";
	else if (size > (uint64_t)s->conn->loop->server->config.message_bytes_max || c->messages_n >= APPEND_MAX)
		why = "NO [TOOBIG] The message is too large";
	if (why) {
		reply(s, c->request.tag, why);
		s->append_refused = non_sync;
		s->discard = non_sync ? size : 0;
		command_destroy(c);
		s->append = NULL;
		return;
	}
	if (first)
		c->request.mailbox = head.mailbox;
	c->messages = xrealloc(c->messages, (c->messages_n + 1) * sizeof(*c->messages));
	c->messages[c->messages_n++] = (struct append_message){.data = xmalloc((size_t)size + 1), .flags = head.flags,
							       .keywords = head.keywords, .has_date = head.has_date,
							       .date = head.date, .zone_min = head.zone_min};
	s->append = c;
	s->in_literal = true;
	s->literal_left = size;
	if (!first) {
		if (!non_sync)
			conn_write_text(s->conn, "+ OK\r\n");
		return;
	}
	struct command_op *check = make_command(CMD_APPEND);
	check->request.tag = arena_copy(&check->arena, c->request.tag);
	check->request.mailbox = arena_copy(&check->arena, head.mailbox);
	check->op.done = on_append_checked;
	submit(s, check, s->lane);
	check->close_view = non_sync;
}

static void take_literal(struct session *s)
{
	struct buf *in = &s->conn->in;
	struct append_message *m = &s->append->messages[s->append->messages_n - 1];
	size_t n = in->len < s->literal_left ? in->len : (size_t)s->literal_left;
	memcpy(m->data + m->len, in->data, n);
	m->len += n;
	buf_drop(in, n);
	s->literal_left -= n;
	if (s->literal_left)
		return;
	s->in_literal = false;
	size_t len;
	char *normal = deliver_normalise(span_make(m->data, m->len), &len);
	free(m->data);
	m->data = normal;
	m->len = len;
}

static bool is_append(struct span line)
{
	const char *sp = memchr(line.ptr, ' ', line.len);
	return sp && line.ptr + line.len - sp > 8 && strncasecmp(sp + 1, "APPEND ", 7) == 0;
}

static void idle_line(struct session *s, struct span line)
{
	s->idling = false;
	reply(s, span_of(s->idle_tag), span_is(line, "DONE") ? "OK Done" : "BAD DONE is expected");
}

static void drop_input(struct session *s, size_t n)
{
	buf_drop(&s->conn->in, n);
	s->scanned = s->literals_end = 0;
}

/* One line, or one command with its literals.  False: more input is needed. */
static bool next_input(struct session *s)
{
	struct buf *in = &s->conn->in;
	if (s->discard) {
		size_t n = in->len < s->discard ? in->len : (size_t)s->discard;
		buf_drop(in, n);
		s->discard -= n;
		return n > 0;
	}
	if (s->in_literal) {
		size_t before = in->len;
		if (before)
			take_literal(s);
		return in->len < before;
	}
	if (s->scanned < s->literals_end)
		s->scanned = s->literals_end;
	const char *nl = s->scanned < in->len ? memchr(in->data + s->scanned, '\n', in->len - s->scanned) : NULL;
	if (!nl) {
		size_t limit = s->state == STATE_NOT_AUTHENTICATED ? UNAUTHENTICATED_MAX : LINE_MAX_BYTES;
		if (in->len > s->literals_end && in->len - s->literals_end > limit) {
			conn_write_text(s->conn, "* BYE [TOOBIG] The line is too long\r\n");
			s->state = STATE_LOGOUT;
		}
		s->scanned = in->len > s->literals_end ? in->len : s->literals_end;
		return false;
	}
	size_t next = (size_t)(nl - in->data) + 1, end = next - 1;
	if (end > s->literals_end && in->data[end - 1] == '\r')
		end--;
	struct span last = span_make(in->data + s->literals_end, end - s->literals_end);
	struct span text = span_make(in->data, end);
	uint64_t size = 0;
	bool non_sync = false, literal = parse_literal_at_end(last, &size, &non_sync);
	if (s->append_refused) {
		s->append_refused = literal && non_sync;
		s->discard = s->append_refused ? size : 0;
	} else if (s->idling) {
		idle_line(s, text);
	} else if (s->auth_waits) {
		char copy[4096];
		snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.ptr);
		auth_answer(s, span_of(copy));
	} else if (s->append && !literal) {
		struct command_op *c = s->append;
		s->append = NULL;
		if (text.len) {
			reply(s, c->request.tag, "BAD Unexpected text after the message");
			command_destroy(c);
		} else {
			submit(s, c, s->lane);
		}
	} else if (literal && (s->append || (s->state != STATE_NOT_AUTHENTICATED && !s->literals_end && is_append(text)))) {
		append_head(s, text, !s->append, size, non_sync);
	} else if (literal) {
		size_t limit = s->state == STATE_NOT_AUTHENTICATED ? 4096 : LITERAL_INLINE_MAX;
		if (size > limit || next + size > LITERAL_INLINE_MAX * 2) {
			conn_write_text(s->conn, "* BYE [TOOBIG] The literal is too large\r\n");
			s->state = STATE_LOGOUT;
			return false;
		}
		if (!non_sync)
			conn_write_text(s->conn, "+ OK\r\n");
		s->literals_end = s->scanned = next + (size_t)size;
		return true;
	} else {
		bool was_secure = conn_is_secure(s->conn);
		run_command(s, text);
		if (conn_is_secure(s->conn) != was_secure) {
			s->scanned = s->literals_end = 0; /* the connection dropped the input, this line with it */
			return false;
		}
	}
	drop_input(s, next);
	return true;
}

static void session_run(struct session *s)
{
	struct conn *c = s->conn;
	while (!s->busy && s->state != STATE_LOGOUT && conn_is_open(c)) {
		if (!conn_has_room(c))
			break;
		if (s->more) {
			struct command_op *more = s->more;
			s->more = NULL;
			more->op.writes = false;
			submit(s, more, s->lane);
		} else if (s->idling && s->dirty && s->view) {
			s->dirty = false;
			struct command_op *sync = make_command(CMD_IDLE);
			sync->op.writes = true;
			submit(s, sync, s->lane);
		} else if (!next_input(s)) {
			break;
		}
	}
	conn_flush(c);
	if (s->state == STATE_LOGOUT && !s->busy)
		conn_close_later(c);
	conn_set_reading(c, s->state != STATE_LOGOUT && c->in.len < IN_HIGH * 4 && (!s->busy || c->in.len < IN_HIGH));
}

static void on_fact(struct conn *c)
{
	session_run(c->session);
}

static void on_closed(struct conn *c)
{
	struct session *s = c->session;
	if (s->more)
		command_destroy(s->more);
	if (s->append)
		command_destroy(s->append);
	view_destroy(s->view);
	notify_unwatch(&s->watch);
	accounts_release(s->lane);
	free(s);
}

/* The view may be away with an op: any change of the account is worth a look. */
static void on_change(struct watch *watch, int64_t mailbox, uint64_t modseq)
{
	struct session *s = container_of(watch, struct session, watch);
	(void)mailbox, (void)modseq;
	s->dirty = true;
	if (s->idling && !s->busy)
		session_run(s);
}

static void on_ending(struct conn *c, enum conn_end why)
{
	static const char *const words[] = {[CONN_END_STOPPING] = "* BYE [UNAVAILABLE] The server stops\r\n",
					    [CONN_END_IDLE] = "* BYE Idle for too long\r\n",
					    [CONN_END_STALLED] = ""};
	struct session *s = c->session;
	if (!s->more) /* else the output may stop inside a literal */
		conn_write_text(c, words[why]);
}

static void on_accept(struct conn *c)
{
	struct session *s = xcalloc(1, sizeof(*s));
	s->conn = c;
	s->watch.on_change = on_change;
	c->session = s;
	conn_write_text(c, "* OK [CAPABILITY ");
	add_capabilities(s, conn_out(c));
	conn_write_text(c, "] Roost is ready\r\n");
}

const struct conn_user session_user = {on_accept, on_fact, on_fact, on_ending, on_closed};
