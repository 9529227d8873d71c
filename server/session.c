/*
 * An IMAP session and its pump.
 *
 * Callbacks record a fact and call session_run(), the only place that decides what happens next.  One command runs at
 * a time, with at most one op of it in flight; what is pipelined behind it waits as bytes, within a limit.  While the
 * op is away it owns the command and the view.
 *
 * Untagged updates leave at two points only, and always from a worker that has the account: just before the tagged
 * response of a command that allows them, and while a command waits that wants them live (IDLE).  Which command allows
 * what is in the flags of its row, read here and nowhere else.
 */
#include "server/session.h"

#include "protocol/imap/parse.h"
#include "server/accounts.h"
#include "server/conn.h"
#include "server/notify.h"
#include "server/server.h"

enum { BAD_MAX = 50, TURNS_MAX = 32 };

/* What the running command waits for. */
enum wait {
	WAIT_NOTHING, /* its step can be called */
	WAIT_OP,      /* its op is in flight: the command is not ours to touch */
	WAIT_BACK,    /* the op is back: its answer is to be taken */
	WAIT_EVENT,   /* for session_resume() */
	WAIT_INPUT
};

struct session {
	struct conn *conn;
	struct reader reader;
	struct lane *lane; /* a reference; NULL before login */
	struct watch watch;
	struct view *view; /* the selected mailbox; away with the op while one is in flight */
	struct command *command;
	enum wait wait;
	bool running;
	bool dirty;     /* something changed in the account since the mailbox was last looked at */
	bool ending;
	bool start_tls; /* once the tagged line is out */
	unsigned bad;
	struct auth *auth; /* NULL before the first login, and after the one that went well */
	char address[256];
};

static void session_run(struct session *s);

/* ---- what handlers ask of the session ---- */

struct buf *session_out(struct session *s)
{
	return conn_out(s->conn);
}

const struct config *session_config(const struct session *s)
{
	return &s->conn->loop->server->config;
}

bool session_is_logged_in(const struct session *s)
{
	return s->lane != NULL;
}

bool session_has_tls(const struct session *s)
{
	return !conn_is_secure(s->conn) && s->conn->loop->server->tls;
}

struct auth_link session_auth_link(const struct session *s)
{
	return (struct auth_link){.remote = "-",
				  .tls = conn_is_secure(s->conn) || s->conn->listener->protocol == PROTOCOL_IMAPS,
				  .clear_allowed = s->conn->listener->cleartext_login};
}

struct auth *session_auth(struct session *s)
{
	if (!s->auth)
		s->auth = auth_create(s->conn->loop->server->auth, s->conn->loop, cmd_auth_done, s);
	return s->auth;
}

struct command *session_command(const struct session *s)
{
	return s->command;
}

void session_add_capabilities(const struct session *s, struct buf *out)
{
	if (s->lane) {
		buf_add_text(out, "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE MULTIAPPEND"
				  " SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH WITHIN");
		buf_printf(out, " APPENDLIMIT=%ld", session_config(s)->message_bytes_max);
		return;
	}
	buf_add_text(out, "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE");
	if (session_has_tls(s))
		buf_add_text(out, " STARTTLS");
	struct auth_link link = session_auth_link(s);
	if (auth_is_allowed(&link))
		auth_add_capabilities(out);
	else
		buf_add_text(out, " LOGINDISABLED");
}

void session_log_in(struct session *s, const char *account, const char *address)
{
	invariant(!s->lane);
	s->lane = accounts_acquire(s->conn->loop->server->accounts, account);
	notify_watch(&s->watch, s->conn->loop, s->lane, WATCH_ALL);
	snprintf(s->address, sizeof(s->address), "%s", address);
	reader_set_limits(&s->reader, &reader_limits_after_login);
	auth_destroy(s->auth);
	s->auth = NULL;
}

void session_start_tls(struct session *s)
{
	s->start_tls = true;
}

void session_end(struct session *s)
{
	s->ending = true;
}

const struct view *session_view(const struct session *s)
{
	return s->view;
}

void session_unselect(struct session *s)
{
	view_destroy(s->view);
	s->view = NULL;
}

void session_accept_literal(struct session *s, const struct reader_event *event)
{
	if (event->literal.sync)
		buf_add_text(session_out(s), "+ OK\r\n");
	reader_stream(&s->reader);
}

void session_refuse_literal(struct session *s)
{
	reader_refuse(&s->reader);
}

/* ---- ops ---- */

static void on_op_done(struct op *op, struct conn *conn)
{
	struct command *cmd = container_of(op, struct command, op);
	struct session *s = conn ? conn->session : NULL;
	if (!s) {
		command_destroy(cmd);
		return;
	}
	invariant(s->wait == WAIT_OP && s->command == cmd);
	s->wait = WAIT_BACK;
	session_run(s);
}

static enum step submit(struct session *s, struct command *cmd, struct lane *lane)
{
	cmd->view = s->view;
	s->view = NULL;
	conn_submit(s->conn, lane, &cmd->op);
	return STEP_OP;
}

enum step session_op(struct session *s, struct command *cmd,
		     enum op_result (*run)(struct command *cmd, struct account *account))
{
	cmd->run = run;
	s->dirty = false;
	return submit(s, cmd, s->lane);
}

/* What the mailbox's view may be told with this command, on the worker.  RFC 3501 7.4.1; RFC 9051 7.5.1. */
static void tell_updates(struct command *cmd, struct account *account)
{
	unsigned flags = cmd->row->flags;
	if (!cmd->view || cmd->more || (flags & CMD_NO_UPDATES))
		return;
	bool expunges = !(flags & CMD_NO_EXPUNGE) || cmd->request.uid;
	cmd->held = view_sync(cmd->view, account, &cmd->out, expunges, cmd->request.uid);
}

static enum op_result run_command(struct op *op, struct account *account)
{
	struct command *cmd = container_of(op, struct command, op);
	const struct view *view = cmd->view;
	uint64_t flags_modseq = view ? view->flags_modseq : 0, gone_modseq = view ? view->gone_modseq : 0;
	cmd->more = false;
	enum op_result result = cmd->run ? cmd->run(cmd, account) : OP_DONE;
	if (result == OP_DONE)
		tell_updates(cmd, account);
	cmd->told = view && view == cmd->view &&
		    (view->flags_modseq != flags_modseq || view->gone_modseq != gone_modseq);
	return result;
}

/* ---- the end of a command ---- */

static void write_tagged(struct session *s, const struct command *cmd)
{
	static const char *const words[] = {[STATUS_OK] = "OK", [STATUS_NO] = "NO", [STATUS_BAD] = "BAD"};
	struct buf *out = session_out(s);
	const struct status *status = &cmd->status;
	/* RFC 5530 3: something is gone that could not be told of with this command. */
	const char *code = status->code || !cmd->held ? status->code : "EXPUNGEISSUED";
	invariant(status->word != STATUS_UNSET);
	buf_add_span(out, cmd->request.tag.ptr ? cmd->request.tag : span_of("*"));
	buf_add_char(out, ' ');
	buf_add_text(out, words[status->word]);
	if (code) {
		buf_add_text(out, " [");
		buf_add_text(out, code);
		buf_add_char(out, ']');
	}
	buf_add_char(out, ' ');
	buf_add_text(out, status->text);
	buf_add_text(out, "\r\n");
}

static void begin_tls(struct session *s)
{
	s->start_tls = false;
	conn_flush(s->conn);
	reader_clear(&s->reader);
	if (!conn_start_tls(s->conn))
		s->ending = true;
}

static void finish_command(struct session *s)
{
	struct command *cmd = s->command;
	write_tagged(s, cmd);
	s->bad = cmd->status.word == STATUS_BAD ? s->bad + 1 : 0;
	if (s->bad >= BAD_MAX) {
		buf_add_text(session_out(s), "* BYE Too many bad commands\r\n");
		s->ending = true;
	}
	s->command = NULL;
	s->wait = WAIT_NOTHING;
	command_destroy(cmd);
	if (s->start_tls)
		begin_tls(s);
}

static void obey(struct session *s, enum step step)
{
	switch (step) {
	case STEP_DONE:
		finish_command(s);
		break;
	case STEP_AGAIN:
		s->wait = WAIT_NOTHING;
		break;
	case STEP_OP:
		s->wait = WAIT_OP;
		break;
	case STEP_WAIT:
		s->wait = WAIT_EVENT;
		break;
	case STEP_INPUT:
		s->wait = WAIT_INPUT;
		break;
	case STEP_END:
		s->ending = true;
		break;
	}
}

void session_resume(struct session *s, enum step step)
{
	invariant(s->wait == WAIT_EVENT);
	obey(s, step);
	session_run(s);
}

static enum step next_slice(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, cmd->run);
}

/* The op could not be done, or its transaction was lost: nothing of its answer may be told. */
static void op_failed(struct session *s, struct command *cmd)
{
	buf_reset(&cmd->out);
	if (cmd->row->flags & CMD_CHOOSES)
		session_unselect(s);
	if (cmd->open || cmd->told) {
		/* A response cannot be finished, or the client was to hear of changes that may not have happened. */
		if (!cmd->open)
			buf_add_text(session_out(s), "* BYE [UNAVAILABLE] The store failed\r\n");
		s->ending = true;
		return;
	}
	command_no(cmd, "UNAVAILABLE", "The store cannot do this now; nothing was changed");
	finish_command(s);
}

static void take_op(struct session *s, struct command *cmd)
{
	s->wait = WAIT_NOTHING;
	s->view = cmd->view;
	cmd->view = NULL;
	if (cmd->op.fate != OP_RAN) {
		op_failed(s, cmd);
		return;
	}
	conn_move(s->conn, &cmd->out);
	if (cmd->broken) {
		s->ending = true;
		return;
	}
	if (cmd->more)
		cmd->step = next_slice;
	else if (cmd->step == next_slice)
		cmd->step = NULL;
}

/* ---- input ---- */

/* The tag and the row that a command's first words name; for one that is not whole yet. */
static const struct command_row *peek_row(struct span text, struct span *tag)
{
	return command_row(parse_peek(text, tag));
}

static bool is_in_state(const struct session *s, const struct command_row *row)
{
	return (row->states & (s->view ? SELECTED : (s->lane ? AUTHED : UNAUTHED))) != 0;
}

static struct command *begin_command(struct session *s)
{
	invariant(!s->command);
	s->command = command_create();
	op_init(&s->command->op, "IMAP", run_command, on_op_done);
	s->command->message_bytes_max = session_config(s)->message_bytes_max;
	return s->command;
}

static void refuse_command(struct session *s, struct span tag, const char *text)
{
	struct command *cmd = begin_command(s);
	cmd->request.tag = tag.ptr ? arena_copy(&cmd->arena, tag) : tag;
	command_bad(cmd, text);
	finish_command(s);
}

static void start(struct session *s, struct command *cmd)
{
	cmd->op.kind = cmd->row->name;
	cmd->op.writes = (cmd->row->flags & CMD_WRITES) != 0;
	obey(s, cmd->row->start(s, cmd));
}

static void start_command(struct session *s, struct span text)
{
	struct command *cmd = begin_command(s);
	struct parse_error error;
	enum parse_status status = parse_request(&cmd->arena, arena_copy(&cmd->arena, text), DIALECT_REV1, &cmd->request, &error);
	cmd->row = command_row(cmd->request.kind);
	if (status != PARSE_OK) {
		const char *why = command_code(cmd, "%s (at %zu)", error.message, error.offset);
		if (status == PARSE_LIMIT)
			command_no(cmd, "LIMIT", why);
		else
			command_bad(cmd, why);
		finish_command(s);
	} else if (!is_in_state(s, cmd->row)) {
		command_bad(cmd, "This command does not belong here");
		finish_command(s);
	} else {
		start(s, cmd);
	}
}

/* A command whose literals are not kept but streamed: its `input` will be asked about the first of them. */
static void start_streaming(struct session *s, const struct command_row *row, struct span tag)
{
	struct command *cmd = begin_command(s);
	cmd->row = row;
	cmd->request.kind = row->kind;
	cmd->request.tag = arena_copy(&cmd->arena, tag);
	start(s, cmd);
}

static void decide_literal(struct session *s, const struct reader_event *event)
{
	static const char *const over[] = {[READER_OVER_LITERAL] = "The literal is too large",
					   [READER_OVER_TOTAL] = "The literals are too large together",
					   [READER_OVER_LITERALS] = "There are too many literals",
					   [READER_OVER_COUNT] = "The literal's size is no number"};
	struct span tag;
	const struct command_row *row = peek_row(event->text, &tag);
	if (row && (row->flags & CMD_STREAMS_IN) && is_in_state(s, row) && parse_append_is_message(event->text)) {
		start_streaming(s, row, tag);
	} else if (event->literal.over != READER_WITHIN) {
		session_refuse_literal(s);
		refuse_command(s, tag, over[event->literal.over]);
	} else {
		if (event->literal.sync)
			buf_add_text(session_out(s), "+ OK\r\n");
		reader_keep(&s->reader);
	}
}

/* Moves what the connection has read to the reader; false when there is nothing. */
static bool take_bytes(struct session *s)
{
	struct buf *in = &s->conn->in;
	if (in->len == 0)
		return false;
	reader_append(&s->reader, in->data, in->len);
	buf_reset(in);
	return true;
}

static void begin_from(struct session *s, const struct reader_event *event)
{
	struct span tag;
	switch (event->kind) {
	case READER_COMMAND:
		start_command(s, event->text);
		break;
	case READER_LITERAL:
		decide_literal(s, event);
		break;
	case READER_TOO_LONG:
		peek_row(event->text, &tag);
		refuse_command(s, tag, "The line is too long");
		break;
	case READER_MORE: case READER_PIECE: case READER_LINE: case READER_LOST:
		invariant(!"an event between commands");
	}
}

/* ---- the pump: each step returns false when it has nothing to do ---- */

static bool step_command(struct session *s)
{
	struct command *cmd = s->command;
	if (!cmd || s->wait == WAIT_OP || s->wait == WAIT_EVENT || s->wait == WAIT_INPUT)
		return false;
	if (s->wait == WAIT_BACK)
		take_op(s, cmd);
	else
		obey(s, cmd->step ? cmd->step(s, cmd) : STEP_DONE);
	return true;
}

static bool send_updates(struct session *s)
{
	struct command *cmd = s->command;
	if (!cmd || s->wait != WAIT_INPUT || !s->dirty || !s->view || !(cmd->row->flags & CMD_UPDATES_LIVE))
		return false;
	obey(s, session_op(s, cmd, NULL));
	return true;
}

static bool read_input(struct session *s)
{
	struct command *cmd = s->command;
	struct reader_event event;
	if (cmd && s->wait != WAIT_INPUT)
		return false;
	if (cmd && (cmd->row->flags & CMD_LINES))
		reader_next_line(&s->reader, &event);
	else
		reader_next(&s->reader, &event);
	if (event.kind == READER_MORE)
		return take_bytes(s);
	if (event.kind == READER_LOST) {
		buf_add_text(session_out(s), "* BYE [CLIENTBUG] Where the literal ends cannot be known\r\n");
		s->ending = true;
	} else if (cmd) {
		obey(s, cmd->input(s, cmd, &event));
	} else {
		begin_from(s, &event);
	}
	return true;
}

struct nudge {
	struct letter letter;
	uint64_t conn_id;
};

static void deliver_nudge(struct letter *letter, struct loop *loop)
{
	struct nudge *n = container_of(letter, struct nudge, letter);
	struct conn *c = conn_find(loop, n->conn_id);
	if (c)
		session_run(c->session);
	free(n);
}

/* The loop's others get their turn; then this session goes on. */
static void yield(struct session *s)
{
	struct nudge *n = xcalloc(1, sizeof(*n));
	n->letter.deliver = deliver_nudge;
	n->conn_id = s->conn->id;
	loop_post(s->conn->loop, &n->letter);
}

static void session_run(struct session *s)
{
	struct conn *c = s->conn;
	int turns = 0;
	invariant(!s->running);
	s->running = true;
	while (!s->ending && conn_is_open(c) && turns < TURNS_MAX && conn_has_room(c)) {
		turns++;
		if (!step_command(s) && !send_updates(s) && !read_input(s))
			break;
	}
	s->running = false;
	if (turns == TURNS_MAX)
		yield(s);
	conn_flush(c);
	if (s->ending && s->wait != WAIT_OP)
		conn_close_later(c);
	conn_set_reading(c, !s->ending && c->in.len < IN_HIGH);
}

/* ---- facts ---- */

static void on_fact(struct conn *c)
{
	session_run(c->session);
}

static void on_closed(struct conn *c)
{
	struct session *s = c->session;
	if (s->wait != WAIT_OP)
		command_destroy(s->command);
	view_destroy(s->view);
	reader_finish(&s->reader);
	notify_unwatch(&s->watch);
	auth_destroy(s->auth);
	accounts_release(s->lane);
	free(s);
}

/* The view may be away with an op: any change of the account is worth a look. */
static void on_change(struct watch *watch, int64_t mailbox, uint64_t modseq)
{
	struct session *s = container_of(watch, struct session, watch);
	(void)mailbox, (void)modseq;
	s->dirty = true;
	if (s->command && s->wait == WAIT_INPUT)
		session_run(s);
}

static void on_ending(struct conn *c, enum conn_end why)
{
	static const char *const words[] = {[CONN_END_STOPPING] = "* BYE [UNAVAILABLE] The server stops\r\n",
					    [CONN_END_IDLE] = "* BYE Idle for too long\r\n",
					    [CONN_END_STALLED] = ""};
	struct session *s = c->session;
	if (!s->command || !s->command->more) /* else the output may stop inside a literal */
		conn_write_text(c, words[why]);
}

static void on_accept(struct conn *c)
{
	struct session *s = xcalloc(1, sizeof(*s));
	s->conn = c;
	s->watch.on_change = on_change;
	c->session = s;
	reader_init(&s->reader, &reader_limits_before_login);
	conn_write_text(c, "* OK [CAPABILITY ");
	session_add_capabilities(s, conn_out(c));
	conn_write_text(c, "] Roost is ready\r\n");
}

const struct conn_user session_user = {on_accept, on_fact, on_fact, on_ending, on_closed};
