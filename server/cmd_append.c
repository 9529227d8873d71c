/*
 * APPEND and MULTIAPPEND (RFC 3501 6.3.11; RFC 3502, 7889), with APPENDUID (RFC 4315 3); CATENATE (RFC 4469), which puts
 * a message together of literals and parts of others; and REPLACE (RFC 8508), which is an APPEND that removes a message of
 * the selected mailbox in the op that publishes.
 *
 * Octets go to the store as they arrive: while a worker takes one chunk the connection reads the next, and no more.
 * The mailbox and the size are looked at before a synchronising literal is asked for.  One op at the end publishes all
 * messages or none; what came before it is nobody's, whatever happens.
 *
 *	text --> its steps: a message begins, is put together of a URL (copy op), ends --> {n}, checked, octets: chunk op ...
 *	     --> the text behind them --> ... --> the line's end --> publish op
 *
 * A message that is one chunk goes with the publishing op, so that a small APPEND is two ops, or one when its literal
 * does not wait for us.
 */
#include "server/session.h"

#include "protocol/imap/parse.h"
#include "protocol/imap/response.h"
#include "server/catenate.h"
#include "server/config.h"
#include "server/intake.h"
#include "server/limits.h"
#include "storage/append.h"
#include "storage/expunge.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"
#include "storage/usage.h"

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
	struct append_request text;  /* what was said up to the literal, or to the end */
	size_t next;                 /* of its steps */
	bool started;                /* something was said: a first text was read */
	bool checked;                /* the mailbox is there */
	uint32_t replaced;           /* REPLACE: the UID that goes */
	struct reader_event literal; /* the one that is asked for */
	struct catenate catenate;    /* the URL that is being copied */
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
	catenate_finish(&a->catenate);
	buf_finish(&a->chunk);
	free(a->messages);
	free(a);
}

/* RFC 3516 4.4: a NUL may come in a literal8, in a part that says it is binary. */
static void refuse_octets(struct command *cmd)
{
	if (intake_has_eight_bit_header(last(cmd->state)->intake))
		command_no(cmd, "CANNOT", "ENABLE UTF8=ACCEPT before adding messages with 8-bit headers");
	else if (last(cmd->state)->binary)
		command_no(cmd, "UNKNOWN-CTE", "Only binary parts may hold NUL octets");
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

/* Is the message that REPLACE is to remove still there?  False: the status is set. */
static bool has_replaced(struct command *cmd, struct account *account)
{
	const struct append *a = cmd->state;
	struct roster *r;
	enum store_err err = roster_get(account, cmd->view->mailbox, &r);
	if (err) {
		command_store_error(cmd, err);
		return false;
	}
	uint32_t index = roster_lower(r, a->replaced);
	if (a->replaced && index < r->uids.n && uids_at(&r->uids, index) == a->replaced)
		return true;
	command_no(cmd, a->replaced ? "EXPUNGEISSUED" : NULL, "The message is not there");
	return false;
}

/* Once, since numbers may be told anew while parts of other messages are copied. */
static bool find_replaced(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	struct uidset set = {0};
	if (!command_set(cmd, &set))
		return false;
	a->replaced = set.n ? set.v[0].lo : 0;
	uidset_finish(&set);
	return has_replaced(cmd, account);
}

/* So that nothing is uploaded in vain.  What REPLACE takes away counts only when it is done. */
static enum store_err room_for_literal(const struct command *cmd, struct account *account)
{
	const struct append *a = cmd->state;
	return cmd->request.kind == CMD_REPLACE ? STORE_OK : usage_check_room(account, a->literal.literal.size);
}

static enum op_result check_run(struct command *cmd, struct account *account)
{
	int64_t mailbox;
	if (command_mailbox(cmd, account, cmd->request.append.name, "TRYCREATE", &mailbox) &&
	    (cmd->request.kind != CMD_REPLACE || find_replaced(cmd, account)))
		command_store_error(cmd, room_for_literal(cmd, account));
	return OP_DONE;
}

static struct intake *begin_intake(const struct command *cmd, struct account *account, bool binary)
{
	struct intake *in = intake_create(account, (uint64_t)cmd->message_bytes_max, binary);
	if (cmd->seven_bit_headers)
		intake_set_seven_bit_header(in);
	return in;
}

static struct intake *last_intake(struct command *cmd, struct account *account)
{
	struct append_message *m = last(cmd->state);
	if (!m->intake)
		m->intake = begin_intake(cmd, account, m->binary);
	cmd->release = append_release;
	return m->intake;
}

static enum store_err take_chunk(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	enum store_err err = intake_write(last_intake(cmd, account), buf_span(&a->chunk));
	buf_finish(&a->chunk);
	return err;
}

static enum op_result chunk_run(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	enum store_err err = a->chunk.len ? take_chunk(cmd, account) : STORE_OK;
	if (!err && a->ended)
		err = intake_seal(last(a)->intake);
	set_error(cmd, err);
	return OP_DONE;
}

/* What the URL of the next step names, behind the octets that came before it. */
static enum op_result copy_run(struct command *cmd, struct account *account)
{
	struct append *a = cmd->state;
	enum store_err err = a->chunk.len ? take_chunk(cmd, account) : STORE_OK;
	if (!err && !a->catenate.open && !catenate_open(&a->catenate, cmd, account, a->text.steps[a->next].url))
		return OP_DONE;
	if (!err)
		err = catenate_copy(&a->catenate, account, last_intake(cmd, account));
	set_error(cmd, err);
	cmd->more = a->catenate.open;
	a->next += !a->catenate.open;
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
	if (!err)
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

/* RFC 8508 4: of one account, so one op. */
static enum store_err remove_replaced(struct command *cmd, struct account *account)
{
	const struct append *a = cmd->state;
	struct uidset set = {0};
	uidset_append(&set, a->replaced, a->replaced);
	enum store_err err = messages_remove(account, cmd->view->mailbox, &set);
	uidset_finish(&set);
	cmd->expunged = !err;
	command_store_error(cmd, err);
	return err;
}

static void tell_published(struct command *cmd, uint32_t uidvalidity, uint32_t first)
{
	const struct append *a = cmd->state;
	uint32_t end = first + (uint32_t)a->n - 1;
	const char *code = command_code(cmd, end > first ? "APPENDUID %u %u:%u" : "APPENDUID %u %u", uidvalidity, first, end);
	bool replaces = cmd->request.kind == CMD_REPLACE;
	if (replaces) /* before the EXPUNGE (RFC 8508 4.3) */
		response_status(&cmd->out, (struct span){0}, RESPONSE_OK, code, "The replacement is there");
	command_ok(cmd, replaces ? NULL : code, "Done");
}

static enum op_result publish_run(struct command *cmd, struct account *account)
{
	struct mailbox_info info;
	int64_t mailbox;
	uint32_t first = 0;
	enum store_err err = STORE_OK;
	bool replaces = cmd->request.kind == CMD_REPLACE;
	bool ok = command_mailbox(cmd, account, cmd->request.append.name, "TRYCREATE", &mailbox) &&
		  (!replaces || has_replaced(cmd, account));
	if (ok)
		err = publish(cmd, account, mailbox, &first);
	if (ok && !err && replaces)
		err = remove_replaced(cmd, account);
	if (ok && !err) {
		err = usage_check(account);
		command_store_error(cmd, err);
	}
	if (ok && !err)
		err = mailbox_info(account, mailbox, &info);
	append_release(cmd);
	cmd->release = NULL;
	if (!ok || err)
		return OP_FAILED;
	tell_published(cmd, info.uidvalidity, first);
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

static enum step refuse(struct command *cmd, const char *code, const char *text)
{
	command_no(cmd, code, text);
	return STEP_DONE;
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
	if (cmd->status.word != STATUS_OK)
		return STEP_DONE;
	cmd->step = NULL;
	session_accept_literal(s, &a->literal);
	return STEP_INPUT;
}

static uint64_t last_size(struct append *a)
{
	return a->chunk.len + (last(a)->intake ? intake_size(last(a)->intake) : 0);
}

/* The literal at which the text stops is a message, and no part of one. */
static bool is_message(const struct append *a)
{
	return a->text.stop == APPEND_LITERAL || a->text.stop == APPEND_UTF8;
}

/* The text stops at a literal, which is octets of the last message. */
static enum step ask_for_literal(struct session *s, struct command *cmd)
{
	struct append *a = cmd->state;
	const uint64_t size = a->literal.literal.size, most = (uint64_t)cmd->message_bytes_max;
	bool whole = is_message(a);
	if (whole && size == 0)
		return refuse(cmd, NULL, "The message is empty"); /* how a client cancels (RFC 3502 3) */
	if (a->literal.literal.over == READER_OVER_COUNT || size > most || last_size(a) > most - size)
		return refuse(cmd, "TOOBIG", "The message is too large");
	last(a)->binary = a->literal.literal.binary;
	a->ended = false;
	/* Octets that come anyway, and fit one chunk, are looked at when they are published. */
	bool checks = a->literal.literal.sync || size > LIMIT_APPEND_CHUNK_BYTES || cmd->request.kind == CMD_REPLACE;
	cmd->step = ask;
	if (a->checked || !checks || a->n > 1)
		return STEP_AGAIN;
	a->checked = true;
	return read_op(s, cmd, check_run);
}

static void begin_message(struct append *a, const struct append_step *step)
{
	a->messages = xrealloc(a->messages, (a->n + 1) * sizeof(*a->messages));
	a->messages[a->n++] = (struct append_message){.flags = step->flags, .has_date = step->has_date,
						      .date_unix_s = step->date_unix_s, .zone_min = step->zone_min};
	a->ended = false;
}

/* Goes on with the steps of the text: those that need no worker here, one op at a time for the others. */
static enum step advance(struct session *s, struct command *cmd)
{
	struct append *a = cmd->state;
	if (cmd->status.word != STATUS_OK)
		return STEP_DONE;
	cmd->step = advance;
	while (a->next < a->text.steps_n) {
		const struct append_step *step = &a->text.steps[a->next];
		if (step->kind == APPEND_URL)
			return read_op(s, cmd, copy_run);
		if (step->kind == APPEND_ENDS) {
			if (last_size(a) == 0)
				return refuse(cmd, NULL, "The message is empty");
			a->ended = true;
			a->next++;
			a->unstored += last_size(a);
			if (last(a)->intake)
				return read_op(s, cmd, chunk_run);
			continue;
		}
		if (a->chunk.len)
			return read_op(s, cmd, chunk_run);
		if (a->unstored > LIMIT_APPEND_UNSTORED_BYTES || a->n - a->stored >= LIMIT_APPEND_UNSTORED_MESSAGES)
			return write_op(s, cmd, store_run);
		if (a->n == LIMIT_APPEND_MESSAGES)
			return refuse(cmd, "LIMIT", "There are too many messages");
		begin_message(a, step);
		a->next++;
		if (a->next < a->text.steps_n && !a->checked) {
			a->checked = true;
			return read_op(s, cmd, check_run);
		}
	}
	if (a->text.stop != APPEND_STOPS)
		return ask_for_literal(s, cmd);
	cmd->step = NULL;
	return write_op(s, cmd, publish_run);
}

/* A text, from the command's tag or from behind a literal. */
static enum step read_text(struct session *s, struct command *cmd, const struct reader_event *event)
{
	struct append *a = cmd->state;
	struct request piece = {.uid = cmd->request.uid};
	struct parse_error error;
	static const enum append_place places[] = {[APPEND_STOPS] = APPEND_AFTER, [APPEND_KEEPS] = APPEND_AFTER,
						   [APPEND_LITERAL] = APPEND_AFTER, [APPEND_UTF8] = APPEND_IN_UTF8,
						   [APPEND_TEXT] = APPEND_IN_LIST};
	enum parse_status status = parse_append(&cmd->arena, arena_copy(&cmd->arena, event->text), cmd->dialect,
						a->started ? places[a->text.stop] : APPEND_AT_START,
						cmd->request.kind == CMD_REPLACE, &piece, &error);
	if (status != PARSE_OK) {
		command_parse_error(cmd, status, &error);
		return STEP_DONE;
	}
	if (piece.append.stop == APPEND_KEEPS)
		return session_keep_literal(s, cmd, event);
	if (!a->started) {
		cmd->request.append = piece.append;
		cmd->request.uid = piece.uid;
	}
	a->started = true;
	a->text = piece.append;
	a->next = 0;
	a->literal = *event;
	command_ok(cmd, NULL, "Done");
	return advance(s, cmd);
}

static enum step take_piece(struct session *s, struct command *cmd, const struct reader_event *event)
{
	struct append *a = cmd->state;
	bool came = event->left == 0, whole = is_message(a);
	buf_add_span(&a->chunk, event->text);
	if (whole)
		a->unstored += event->text.len;
	a->ended = came && whole;
	/* What is whole and one chunk waits for the op that publishes; a part that is not whole, for more. */
	bool waits = came && whole ? !last(a)->intake : a->chunk.len < LIMIT_APPEND_CHUNK_BYTES;
	if (waits)
		return STEP_INPUT;
	cmd->step = go_on;
	return read_op(s, cmd, chunk_run);
}

static enum step append_input(struct session *s, struct command *cmd, const struct reader_event *event)
{
	switch (event->kind) {
	case READER_LITERAL: case READER_COMMAND:
		return read_text(s, cmd, event);
	case READER_PIECE:
		return take_piece(s, cmd, event);
	case READER_TOO_LONG: case READER_MORE: case READER_LINE: case READER_LOST:
		break;
	}
	command_bad(cmd, "Unexpected text after the message");
	return STEP_DONE;
}

enum step cmd_append(struct session *s, struct command *cmd)
{
	struct append *a = xcalloc(1, sizeof(*a));
	buf_init(&a->chunk, UINT32_MAX);
	cmd->state = a;
	cmd->finish = append_finish;
	cmd->input = append_input;
	if (!cmd->request.append.steps_n) /* its text stops at a literal, which comes to append_input() */
		return STEP_INPUT;
	a->started = true;
	a->text = cmd->request.append;
	command_ok(cmd, NULL, "Done");
	return advance(s, cmd);
}

enum step cmd_replace(struct session *s, struct command *cmd)
{
	if (!session_view(s)->read_only)
		return cmd_append(s, cmd);
	command_no(cmd, NULL, "The mailbox is read-only");
	return STEP_DONE;
}
