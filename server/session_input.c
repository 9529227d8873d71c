/* From the reader's events to commands: what a line starts, and what becomes of a literal (RFC 3501 4.3, 7.5). */
#include "server/session_private.h"

#include "protocol/imap/parse.h"
#include "server/server.h"
#include "server/worker.h"

enum { LITERAL_MINUS_BYTES_MAX = 4096 };

/* The tag and the row that a command's first words name; for one that is not whole yet. */
static const struct command_row *peek_row(struct span text, struct span *tag)
{
	return command_row(parse_peek(text, tag));
}

static bool is_in_state(const struct session *s, const struct command_row *row)
{
	return (row->states & (s->view ? SELECTED : (s->lane ? AUTHED : UNAUTHED))) != 0;
}

static void refuse_command(struct session *s, struct span tag, const char *text)
{
	struct command *cmd = session_begin_command(s);
	cmd->request.tag = tag.ptr ? arena_copy(&cmd->arena, tag) : tag;
	command_bad(cmd, text);
	session_obey(s, STEP_DONE);
}

/* A value that is too large has an answer of its own (RFC 5464 4.3). */
static void refuse_literal(struct session *s, const struct command_row *row, struct span tag, enum reader_over over)
{
	static const char *const texts[] = {[READER_OVER_LITERAL] = "The literal is too large",
					    [READER_OVER_TOTAL] = "The literals are too large together",
					    [READER_OVER_LITERALS] = "There are too many literals",
					    [READER_OVER_COUNT] = "The literal's size is no number"};
	reader_refuse(&s->reader);
	struct command *cmd = session_begin_command(s);
	cmd->request.tag = tag.ptr ? arena_copy(&cmd->arena, tag) : tag;
	if (row && row->kind == CMD_SETMETADATA && over == READER_OVER_LITERAL)
		metadata_too_large(cmd);
	else
		command_bad(cmd, texts[over]);
	session_obey(s, STEP_DONE);
}

/* Of what a client can do without a login nothing is refused, nor IDLE, which costs nothing. */
static bool must_yield(const struct session *s, const struct command *cmd)
{
	int at = session_config(s)->background_yield_at;
	bool cheap = (cmd->row->states & UNAUTHED) || (cmd->row->flags & CMD_UPDATES_LIVE);
	return s->yields && at && !cheap && workers_waiting(s->conn->loop->server->workers) >= at;
}

static void start(struct session *s, struct command *cmd)
{
	if (must_yield(s, cmd)) {
		command_no(cmd, "UNAVAILABLE", "Others are waiting; come back later");
		session_obey(s, STEP_DONE);
		return;
	}
	cmd->op.kind = cmd->row->name;
	atomic_store_explicit(&s->entry.command, cmd->row->name, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->entry.commands, 1, memory_order_relaxed);
	cmd->op.writes = (cmd->row->flags & CMD_WRITES) != 0;
	session_obey(s, cmd->row->start(s, cmd));
}

static void start_command(struct session *s, struct span text)
{
	struct command *cmd = session_begin_command(s);
	struct parse_error error;
	enum parse_status status = parse_request(&cmd->arena, arena_copy(&cmd->arena, text), cmd->dialect, &cmd->request, &error);
	cmd->row = command_row(cmd->request.kind);
	if (status != PARSE_OK) {
		command_parse_error(cmd, status, &error);
		session_obey(s, STEP_DONE);
	} else if (!is_in_state(s, cmd->row)) {
		command_bad(cmd, "This command does not belong here");
		session_obey(s, STEP_DONE);
	} else {
		start(s, cmd);
	}
}

/* A command whose literals are not kept but streamed: its `input` will be asked about the first of them. */
static void start_streaming(struct session *s, const struct command_row *row, struct span tag)
{
	struct command *cmd = session_begin_command(s);
	cmd->row = row;
	cmd->request.kind = row->kind;
	cmd->request.tag = arena_copy(&cmd->arena, tag);
	s->streaming = true;
	start(s, cmd);
}

/* RFC 7888 5.  The octets are on their way, and are swallowed. */
static bool is_over_minus(const struct session *s, const struct reader_event *event)
{
	return event->kind == READER_LITERAL && s->conn->listener->literal_minus && !event->literal.sync &&
	       event->literal.size > LITERAL_MINUS_BYTES_MAX;
}

static void refuse_over_minus(struct session *s, struct command *cmd)
{
	command_bad(cmd, "A literal of more than 4096 octets has to wait until it is asked for");
	if (cmd->row && cmd->row->kind == CMD_APPEND)
		cmd->status.code = "TOOBIG";
	session_obey(s, STEP_DONE);
}

static void decide_literal(struct session *s, const struct reader_event *event)
{
	struct span tag;
	const struct command_row *row = peek_row(event->text, &tag);
	if (is_over_minus(s, event)) {
		struct command *cmd = session_begin_command(s);
		cmd->row = row;
		cmd->request.tag = tag.ptr ? arena_copy(&cmd->arena, tag) : tag;
		reader_refuse(&s->reader);
		refuse_over_minus(s, cmd);
	} else if (row && (row->flags & CMD_STREAMS_IN) && is_in_state(s, row) && parse_append_streams(event->text)) {
		start_streaming(s, row, tag);
	} else if (event->literal.over != READER_WITHIN) {
		refuse_literal(s, row, tag, event->literal.over);
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
		invariant(false && "an event between commands");
	}
}

bool session_read_input(struct session *s)
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
		s->streaming = s->streaming && (event.kind == READER_LITERAL || event.kind == READER_PIECE);
		if (is_over_minus(s, &event))
			refuse_over_minus(s, cmd);
		else
			session_obey(s, cmd->input(s, cmd, &event));
	} else {
		begin_from(s, &event);
	}
	return true;
}
