/* APPEND and MULTIAPPEND (RFC 3501 6.3.11; RFC 3502, 7889), with APPENDUID (RFC 4315 3). */
#include "server/session.h"

#include "protocol/imap/parse.h"
#include "server/config.h"
#include "server/deliver.h"

enum { APPEND_MAX = 1000 };

struct append {
	struct append_message *messages;
	size_t n;
	struct reader_event literal; /* the one that waits for the check of the mailbox */
};

static void append_finish(struct command *cmd)
{
	struct append *a = cmd->state;
	for (size_t i = 0; i < a->n; i++)
		free(a->messages[i].data);
	free(a->messages);
	free(a);
}

static enum op_result check_run(struct command *cmd, struct account *a)
{
	int64_t id;
	if (command_mailbox(cmd, a, cmd->request.append.name, "TRYCREATE", &id))
		command_ok(cmd, NULL, "Done");
	return OP_DONE;
}

static enum op_result publish_run(struct command *cmd, struct account *a)
{
	struct append *append = cmd->state;
	struct mailbox_info info;
	uint32_t first;
	int64_t id;
	if (!command_mailbox(cmd, a, cmd->request.append.name, "TRYCREATE", &id))
		return OP_DONE;
	enum store_err err = deliver_message(a, id, append->messages, append->n, &first);
	if (!err)
		err = mailbox_info(a, id, &info);
	command_store_error(cmd, err);
	if (err)
		return OP_FAILED;
	uint32_t last = first + (uint32_t)append->n - 1;
	command_ok(cmd, command_code(cmd, last > first ? "APPENDUID %u %u:%u" : "APPENDUID %u %u", info.uidvalidity, first, last),
		   "Done");
	return OP_DONE;
}

static enum step refuse(struct session *s)
{
	session_refuse_literal(s);
	return STEP_DONE;
}

static enum step append_input(struct session *s, struct command *cmd, const struct reader_event *event);

static enum step take_literal(struct session *s, struct command *cmd)
{
	struct append *a = cmd->state;
	if (cmd->status.word != STATUS_OK)
		return refuse(s);
	a->messages[a->n - 1].data = xmalloc((size_t)a->literal.literal.size + 1);
	session_accept_literal(s, &a->literal);
	return STEP_INPUT;
}

/* What stands before a message's octets. */
static enum step begin_message(struct session *s, struct command *cmd, const struct reader_event *event)
{
	struct append *a = cmd->state;
	struct append_head head = {0};
	struct parse_error error;
	if (parse_append(&cmd->arena, arena_copy(&cmd->arena, event->text), DIALECT_REV1, a->n == 0, &head, &error) != PARSE_OK) {
		command_bad(cmd, command_code(cmd, "%s (at %zu)", error.message, error.offset));
		return refuse(s);
	}
	if (event->literal.size == 0) {
		command_no(cmd, NULL, "The message is empty");
		return refuse(s);
	}
	if (event->literal.size > (uint64_t)cmd->message_bytes_max || a->n >= APPEND_MAX) {
		command_no(cmd, a->n >= APPEND_MAX ? "LIMIT" : "TOOBIG", "The message is too large");
		return refuse(s);
	}
	a->literal = *event;
	a->messages = xrealloc(a->messages, (a->n + 1) * sizeof(*a->messages));
	a->messages[a->n++] = (struct append_message){.flags = head.flags.bits, .keywords = head.flags.keywords,
						      .has_date = head.has_date, .date = head.date_unix_s, .zone_min = head.zone_min};
	cmd->step = take_literal;
	if (a->n > 1)
		return STEP_AGAIN;
	cmd->request.append.name = head.name;
	return session_op(s, cmd, check_run);
}

static void take_piece(struct append *a, const struct reader_event *event)
{
	struct append_message *m = &a->messages[a->n - 1];
	memcpy(m->data + m->len, event->text.ptr, event->text.len);
	m->len += event->text.len;
	if (event->left)
		return;
	char *raw = m->data;
	m->data = deliver_normalise(span_make(raw, m->len), &m->len);
	free(raw);
}

static enum step append_input(struct session *s, struct command *cmd, const struct reader_event *event)
{
	struct append *a = cmd->state;
	switch (event->kind) {
	case READER_LITERAL:
		return begin_message(s, cmd, event);
	case READER_PIECE:
		take_piece(a, event);
		return STEP_INPUT;
	case READER_COMMAND:
		if (event->text.len == 0) {
			cmd->step = NULL;
			return session_op(s, cmd, publish_run);
		}
		break;
	case READER_TOO_LONG: case READER_MORE: case READER_LINE: case READER_LOST:
		break;
	}
	command_bad(cmd, "Unexpected text after the message");
	return STEP_DONE;
}

enum step cmd_append(struct session *s, struct command *cmd)
{
	(void)s;
	cmd->state = xcalloc(1, sizeof(struct append));
	cmd->finish = append_finish;
	cmd->input = append_input;
	return STEP_INPUT;
}
