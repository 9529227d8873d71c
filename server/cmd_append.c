/*
 * APPEND and MULTIAPPEND (RFC 3501 6.3.11; RFC 3502, 7889), with APPENDUID (RFC 4315 3).
 *
 * Octets go to the store as they arrive: while a worker takes one chunk the connection reads the next, and no more.
 * The mailbox and the size are looked at before a synchronising literal is asked for.  One op at the end publishes all
 * messages or none; what came before it is nobody's, whatever happens.
 *
 *	{n} --> checked --> octets: chunk op, chunk op ... --> {n} of the next message, or the line's end --> publish op
 *
 * A message that is one chunk goes with the publishing op, so that a small APPEND is two ops, or one when its literal
 * does not wait for us.
 */
#include "server/session.h"

#include "protocol/imap/parse.h"
#include "server/config.h"
#include "server/intake.h"
#include "server/limits.h"
#include "storage/append.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"

struct append_message {
	struct flag_list flags;
	bool has_date;
	int64_t date_unix_s;
	int32_t zone_min;
	bool binary; /* it came as a literal8 */
	struct intake *intake; /* NULL while all its octets are in `chunk` */
};

struct append {
	struct append_message *messages;
	size_t n;
	struct reader_event literal; /* the one that is asked for */
	struct buf chunk;            /* octets of the last message that no worker has taken */
	bool ended;                  /* its last octet has come */
	uint64_t unstored;           /* bytes of messages since the last that was finished */
	size_t stored;               /* messages finished */
};

static struct append_message *last(struct append *a)
{
	invariant(a->n > 0);
	return &a->messages[a->n - 1];
}

static void append_release(struct command *cmd)
{
	struct append *a = cmd->state;
	for (size_t i = 0; i < a->n; i++) {
		intake_destroy(a->messages[i].intake);
		a->messages[i].intake = NULL;
	}
}

static void append_finish(struct command *cmd)
{
	struct append *a = cmd->state;
	buf_finish(&a->chunk);
	free(a->messages);
	free(a);
}

/* RFC 3516 4.4: what would have to be encoded anew is not taken.  A bare LF is refused with it, since in binary content
 * it is no line end that could be made CRLF. */
static void refuse_octets(struct command *cmd)
{
	if (last(cmd->state)->binary)
		command_no(cmd, "UNKNOWN-CTE", "A message may hold neither NUL octets nor bare line feeds");
	else
		command_no(cmd, NULL, "A message may not hold NUL octets");
}

static void set_error(struct command *cmd, enum store_err err)
{
	if (err == STORE_LIMIT)
		command_no(cmd, "TOOBIG", "The message is too large");
	else if (err == STORE_CANNOT)
		refuse_octets(cmd);
	else
		command_store_error(cmd, err);
}

/* ---- on a worker ---- */

static enum op_result check_run(struct command *cmd, struct account *account)
{
	int64_t mailbox;
	if (command_mailbox(cmd, account, cmd->request.append.name, "TRYCREATE", &mailbox))
		command_ok(cmd, NULL, "Done");
	return OP_DONE;
}

static enum store_err take_chunk(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	struct append_message *m = last(a);
	if (!m->intake)
		m->intake = intake_create(account, (uint64_t)cmd->message_bytes_max, m->binary);
	cmd->release = append_release;
	enum store_err err = intake_write(m->intake, buf_span(&a->chunk));
	buf_finish(&a->chunk);
	return err;
}

static enum op_result chunk_run(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	enum store_err err = take_chunk(cmd, account);
	if (!err && a->ended)
		err = intake_seal(last(a)->intake);
	set_error(cmd, err);
	return OP_DONE;
}

static enum store_err finish_messages(struct append *a, struct append_item *items)
{
	enum store_err err = STORE_OK;
	for (size_t i = items ? 0 : a->stored; i < a->n && !err; i++) {
		struct append_item item;
		err = intake_finish(a->messages[i].intake, &item.content, &item.size);
		if (items) {
			items[i].content = item.content;
			items[i].size = item.size;
		}
	}
	return err;
}

/* So that the messages of one long command do not pile up in memory. */
static enum op_result store_run(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	enum store_err err = a->chunk.len ? take_chunk(cmd, account) : STORE_OK;
	if (!err)
		err = finish_messages(a, NULL);
	a->stored = a->n;
	a->unstored = 0;
	set_error(cmd, err);
	return err ? OP_FAILED : OP_DONE;
}

static enum store_err describe(struct account *account, const struct append_message *m, struct append_item *out)
{
	struct flag_spec spec = {m->flags.bits, m->flags.keywords.ptr ? m->flags.keywords.ptr : ""};
	out->internal_date = m->has_date ? m->date_unix_s : account->env->now_s(account->env->ctx);
	out->zone_min = m->has_date ? m->zone_min : 0;
	return flagset_apply(account, 0, FLAG_SET, &spec, &out->flagset);
}

static enum store_err publish(struct command *cmd, struct account *account, int64_t mailbox, uint32_t *first)
{
	struct append *a = cmd->state;
	struct append_item *items = xcalloc(a->n, sizeof(*items));
	enum store_err err = a->chunk.len ? take_chunk(cmd, account) : STORE_OK;
	if (!err)
		err = finish_messages(a, items);
	if (err) {
		set_error(cmd, err);
		free(items);
		return err;
	}
	for (size_t i = 0; i < a->n && !err; i++)
		err = describe(account, &a->messages[i], &items[i]);
	if (!err)
		err = messages_append(account, mailbox, items, (uint32_t)a->n, first);
	command_store_error(cmd, err);
	free(items);
	return err;
}

static enum op_result publish_run(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	struct mailbox_info info;
	int64_t mailbox;
	uint32_t first = 0;
	enum store_err err = STORE_OK;
	bool ok = command_mailbox(cmd, account, cmd->request.append.name, "TRYCREATE", &mailbox);
	if (ok)
		err = publish(cmd, account, mailbox, &first);
	if (ok && !err)
		err = mailbox_info(account, mailbox, &info);
	append_release(cmd);
	cmd->release = NULL;
	if (!ok || err)
		return OP_FAILED;
	uint32_t end = first + (uint32_t)a->n - 1;
	command_ok(cmd, command_code(cmd, end > first ? "APPENDUID %u %u:%u" : "APPENDUID %u %u", info.uidvalidity, first, end),
		   "Done");
	return OP_DONE;
}

/* ---- on the loop ---- */

static enum step write_op(struct session *s, struct command *cmd,
			  enum op_result (*run)(struct command *cmd, struct account *account))
{
	cmd->op.writes = true;
	return session_op(s, cmd, run);
}

static enum step read_op(struct session *s, struct command *cmd,
			 enum op_result (*run)(struct command *cmd, struct account *account))
{
	cmd->op.writes = false;
	return session_op(s, cmd, run);
}

/* What the op said decides whether more is taken; the session swallows what is left of a refused command. */
static enum step go_on(struct session *s, struct command *cmd)
{
	(void)s;
	return cmd->status.word == STATUS_OK ? STEP_INPUT : STEP_DONE;
}

static enum step ask(struct session *s, struct command *cmd)
{
	struct append *a = cmd->state;
	if (cmd->status.word == STATUS_OK)
		session_accept_literal(s, &a->literal);
	return go_on(s, cmd);
}

/* What stands before a message's octets; false: the status is set. */
static bool read_head(struct command *cmd, const struct reader_event *event)
{
	struct append *a = cmd->state;
	struct append_head head = {0};
	struct parse_error error;
	enum parse_status status = parse_append(&cmd->arena, arena_copy(&cmd->arena, event->text), cmd->dialect, a->n == 0,
						&head, &error);
	if (status != PARSE_OK) {
		command_parse_error(cmd, status, &error);
	} else if (event->literal.size == 0) {
		command_no(cmd, NULL, "The message is empty"); /* how a client cancels (RFC 3502 3) */
	} else if (a->n == LIMIT_APPEND_MESSAGES) {
		command_no(cmd, "LIMIT", "There are too many messages");
	} else if (event->literal.over == READER_OVER_COUNT || event->literal.size > (uint64_t)cmd->message_bytes_max) {
		command_no(cmd, "TOOBIG", "The message is too large");
	} else {
		a->messages = xrealloc(a->messages, (a->n + 1) * sizeof(*a->messages));
		a->messages[a->n++] = (struct append_message){.flags = head.flags, .has_date = head.has_date,
							      .date_unix_s = head.date_unix_s, .zone_min = head.zone_min,
							      .binary = event->literal.binary};
		if (a->n == 1)
			cmd->request.append.name = head.name;
		command_ok(cmd, NULL, "Done");
		return true;
	}
	return false;
}

static enum step begin_message(struct session *s, struct command *cmd, const struct reader_event *event)
{
	struct append *a = cmd->state;
	/* The reader asks about this literal again after each of these. */
	cmd->step = go_on;
	if (a->chunk.len)
		return read_op(s, cmd, chunk_run);
	if (a->unstored > LIMIT_APPEND_UNSTORED_BYTES)
		return write_op(s, cmd, store_run);
	if (!read_head(cmd, event))
		return STEP_DONE;
	a->literal = *event;
	a->ended = false;
	cmd->step = ask;
	/* Octets that come anyway, and fit one chunk, are looked at when they are published. */
	bool asks_first = event->literal.sync || event->literal.size > LIMIT_APPEND_CHUNK_BYTES;
	return a->n == 1 && asks_first ? read_op(s, cmd, check_run) : STEP_AGAIN;
}

static enum step take_piece(struct session *s, struct command *cmd, const struct reader_event *event)
{
	struct append *a = cmd->state;
	buf_add_span(&a->chunk, event->text);
	a->unstored += event->text.len;
	a->ended = event->left == 0;
	bool is_one_chunk = a->ended && !last(a)->intake;
	if (is_one_chunk || (!a->ended && a->chunk.len < LIMIT_APPEND_CHUNK_BYTES))
		return STEP_INPUT;
	cmd->step = go_on;
	return read_op(s, cmd, chunk_run);
}

static enum step append_input(struct session *s, struct command *cmd, const struct reader_event *event)
{
	switch (event->kind) {
	case READER_LITERAL:
		return begin_message(s, cmd, event);
	case READER_PIECE:
		return take_piece(s, cmd, event);
	case READER_COMMAND:
		cmd->step = NULL;
		if (event->text.len == 0)
			return write_op(s, cmd, publish_run);
		break;
	case READER_TOO_LONG: case READER_MORE: case READER_LINE: case READER_LOST:
		break;
	}
	command_bad(cmd, "Unexpected text after the message");
	return STEP_DONE;
}

enum step cmd_append(struct session *s, struct command *cmd)
{
	struct append *a = xcalloc(1, sizeof(*a));
	(void)s;
	buf_init(&a->chunk, UINT32_MAX);
	cmd->state = a;
	cmd->finish = append_finish;
	cmd->input = append_input;
	return STEP_INPUT;
}
