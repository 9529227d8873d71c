/* The table of commands, and what every handler needs to say how its command ended. */
#include "server/command.h"

#include "protocol/imap/name.h"
#include "server/accounts.h"
#include "server/lane.h"
#include "server/watchlist.h"
#include "storage/mailbox.h"

#include <stdarg.h>

/* Sorted by name; tests/unit/command_test.c checks that, and that each has its transcript. */
static const struct command_row commands[] = {
	{"APPEND", CMD_APPEND, LOGGED_IN, CMD_WRITES | CMD_STREAMS_IN, cmd_append},
	{"AUTHENTICATE", CMD_AUTHENTICATE, UNAUTHED, CMD_LINES, cmd_authenticate},
	{"CAPABILITY", CMD_CAPABILITY, ANY_STATE, 0, cmd_capability},
	{"CHECK", CMD_CHECK, SELECTED, 0, cmd_noop},
	{"CLOSE", CMD_CLOSE, SELECTED, CMD_WRITES | CMD_NO_UPDATES | CMD_CHOOSES, cmd_close},
	{"COMPRESS", CMD_COMPRESS, LOGGED_IN, 0, cmd_compress},
	{"COPY", CMD_COPY, SELECTED, CMD_UID_FORM | CMD_WRITES, cmd_copy},
	{"CREATE", CMD_CREATE, LOGGED_IN, CMD_WRITES, cmd_create},
	{"DELETE", CMD_DELETE, LOGGED_IN, CMD_WRITES, cmd_delete},
	{"ENABLE", CMD_ENABLE, LOGGED_IN, 0, cmd_enable},
	{"EXAMINE", CMD_EXAMINE, LOGGED_IN, CMD_NO_UPDATES | CMD_CHOOSES, cmd_select},
	{"EXPUNGE", CMD_EXPUNGE, SELECTED, CMD_UID_FORM | CMD_WRITES | CMD_TELLS_MODSEQ, cmd_expunge},
	{"FETCH", CMD_FETCH, SELECTED, CMD_UID_FORM | CMD_NO_EXPUNGE, cmd_fetch},
	{"GETMETADATA", CMD_GETMETADATA, LOGGED_IN, 0, cmd_getmetadata},
	{"GETQUOTA", CMD_GETQUOTA, LOGGED_IN, 0, cmd_quota},
	{"GETQUOTAROOT", CMD_GETQUOTAROOT, LOGGED_IN, 0, cmd_quota},
	{"ID", CMD_ID, ANY_STATE, 0, cmd_id},
	{"IDLE", CMD_IDLE, LOGGED_IN, CMD_UPDATES_LIVE | CMD_LINES, cmd_idle},
	{"LIST", CMD_LIST, LOGGED_IN, 0, cmd_list},
	{"LOGIN", CMD_LOGIN, UNAUTHED, 0, cmd_login},
	{"LOGOUT", CMD_LOGOUT, ANY_STATE, CMD_NO_UPDATES, cmd_logout},
	{"LSUB", CMD_LSUB, LOGGED_IN, 0, cmd_list},
	{"MOVE", CMD_MOVE, SELECTED, CMD_UID_FORM | CMD_WRITES | CMD_TELLS_MODSEQ, cmd_move},
	{"NAMESPACE", CMD_NAMESPACE, LOGGED_IN, 0, cmd_namespace},
	{"NOOP", CMD_NOOP, ANY_STATE, 0, cmd_noop},
	{"NOTIFY", CMD_NOTIFY, LOGGED_IN, 0, cmd_notify},
	{"RENAME", CMD_RENAME, LOGGED_IN, CMD_WRITES, cmd_rename},
	{"REPLACE", CMD_REPLACE, SELECTED, CMD_UID_FORM | CMD_WRITES | CMD_STREAMS_IN | CMD_TELLS_MODSEQ, cmd_replace},
	{"SEARCH", CMD_SEARCH, SELECTED, CMD_UID_FORM | CMD_NO_EXPUNGE, cmd_search},
	{"SELECT", CMD_SELECT, LOGGED_IN, CMD_NO_UPDATES | CMD_CHOOSES, cmd_select},
	{"SETMETADATA", CMD_SETMETADATA, LOGGED_IN, CMD_WRITES, cmd_setmetadata},
	{"SETQUOTA", CMD_SETQUOTA, LOGGED_IN, 0, cmd_quota},
	{"SORT", CMD_SORT, SELECTED, CMD_UID_FORM | CMD_NO_EXPUNGE, cmd_sort},
	{"STARTTLS", CMD_STARTTLS, UNAUTHED, 0, cmd_starttls},
	{"STATUS", CMD_STATUS, LOGGED_IN, 0, cmd_status},
	{"STORE", CMD_STORE, SELECTED, CMD_UID_FORM | CMD_WRITES | CMD_NO_EXPUNGE, cmd_store},
	{"SUBSCRIBE", CMD_SUBSCRIBE, LOGGED_IN, CMD_WRITES, cmd_subscribe},
	{"THREAD", CMD_THREAD, SELECTED, CMD_UID_FORM | CMD_NO_EXPUNGE, cmd_thread},
	{"UIDBATCHES", CMD_UIDBATCHES, SELECTED, 0, cmd_uidbatches},
	{"UNAUTHENTICATE", CMD_UNAUTHENTICATE, LOGGED_IN, CMD_NO_UPDATES, cmd_unauthenticate},
	{"UNSELECT", CMD_UNSELECT, SELECTED, CMD_NO_UPDATES | CMD_CHOOSES, cmd_unselect},
	{"UNSUBSCRIBE", CMD_UNSUBSCRIBE, LOGGED_IN, CMD_WRITES, cmd_subscribe},
};

const struct command_row *command_row(enum command_kind kind)
{
	for (size_t i = 0; i < countof(commands); i++)
		if (commands[i].kind == kind)
			return &commands[i];
	return NULL;
}

const struct command_row *command_row_at(size_t index)
{
	return index < countof(commands) ? &commands[index] : NULL;
}

struct command *command_create(void)
{
	struct command *cmd = xcalloc(1, sizeof(*cmd));
	buf_init(&cmd->out, UINT32_MAX);
	return cmd;
}

static void destroy(struct command *cmd)
{
	if (cmd->finish)
		cmd->finish(cmd);
	view_destroy(cmd->view);
	watchlist_destroy(cmd->watchlist);
	buf_finish(&cmd->out);
	arena_finish(&cmd->arena);
	op_finish(&cmd->op);
	accounts_release(cmd->lane);
	free(cmd);
}

static enum op_result release_run(struct op *op, struct account *account)
{
	struct command *cmd = container_of(op, struct command, op);
	(void)account;
	cmd->release(cmd);
	cmd->release = NULL;
	return OP_DONE;
}

/* An account that could not be opened, or a server that has stopped, has nobody beside us. */
static void release_done(struct op *op, struct conn *conn)
{
	struct command *cmd = container_of(op, struct command, op);
	(void)conn;
	if (cmd->release)
		cmd->release(cmd);
	destroy(cmd);
}

void command_dispose(struct command *cmd)
{
	if (!cmd->release) {
		destroy(cmd);
		return;
	}
	cmd->op = (struct op){0};
	op_init(&cmd->op, "release", release_run, release_done);
	lane_submit(cmd->lane, &cmd->op);
}

static void set_status(struct command *cmd, enum status_word word, const char *code, const char *text)
{
	cmd->status = (struct status){.word = word, .code = code, .text = text};
}

void command_ok(struct command *cmd, const char *code, const char *text)
{
	set_status(cmd, STATUS_OK, code, text);
}

void command_begin_ok(struct command *cmd, struct buf *out)
{
	invariant(cmd->status.word == STATUS_OK);
	buf_add_span(out, cmd->request.tag);
	buf_add_text(out, " OK [");
	cmd->status.begun = true;
}

void command_no(struct command *cmd, const char *code, const char *text)
{
	set_status(cmd, STATUS_NO, code, text);
}

void command_bad(struct command *cmd, const char *text)
{
	set_status(cmd, STATUS_BAD, NULL, text);
}

void command_store_error(struct command *cmd, enum store_err err)
{
	static const struct {
		const char *code, *text;
	} answers[] = {
		[STORE_OK] = {NULL, "Done"},
		[STORE_NOTFOUND] = {"NONEXISTENT", "There is no such mailbox"},
		[STORE_EXISTS] = {"ALREADYEXISTS", "The mailbox exists already"},
		[STORE_CANNOT] = {"CANNOT", "This can never be done"},
		[STORE_HASCHILDREN] = {"HASCHILDREN", "The name has children"},
		[STORE_LIMIT] = {"LIMIT", "A limit of this server is reached"},
		[STORE_OVERQUOTA] = {"OVERQUOTA", "The quota is used up"}, /* RFC 9208 4.3.1 */
		[STORE_FULL] = {"UNAVAILABLE", "The disk of the server is full"}, /* RFC 5530 3: no limit of the user's */
		[STORE_BUSY] = {"INUSE", "The mailbox is in use"},
		[STORE_CORRUPT] = {"CORRUPTION", "The stored data is damaged"},
		[STORE_FOREIGN] = {"SERVERBUG", "The store was made by another version"},
		[STORE_IO] = {"SERVERBUG", "The store failed"},
	};
	accounts_log_error(&cmd->op, err);
	set_status(cmd, err ? STATUS_NO : STATUS_OK, answers[err].code, answers[err].text);
}

void command_parse_error(struct command *cmd, enum parse_status status, const struct parse_error *error)
{
	const char *why = command_code(cmd, "%s (at %zu)", error->message, error->offset);
	if (status == PARSE_LIMIT)
		command_no(cmd, "LIMIT", why);
	else
		set_status(cmd, STATUS_BAD, error->code, why);
}

const char *command_code(struct command *cmd, const char *fmt, ...)
{
	struct buf b;
	va_list args;
	char small[256];
	va_start(args, fmt);
	int n = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	invariant(n >= 0);
	if ((size_t)n < sizeof(small))
		return arena_copy(&cmd->arena, span_make(small, (size_t)n)).ptr;
	buf_init(&b, (size_t)n + 1);
	char *to = buf_reserve(&b, (size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, args);
	va_end(args);
	const char *code = arena_copy(&cmd->arena, span_make(to, (size_t)n)).ptr;
	buf_finish(&b);
	return code;
}

bool command_mailbox(struct command *cmd, struct account *a, struct span wire, const char *missing_code, int64_t *out)
{
	struct span name;
	enum store_err err = name_decode(&cmd->arena, wire, cmd->dialect, &name) ? mailbox_find(a, name.ptr, out) : STORE_NOTFOUND;
	if (err == STORE_NOTFOUND)
		command_no(cmd, missing_code, "There is no such mailbox");
	else if (err)
		command_store_error(cmd, err);
	return err == STORE_OK;
}

static const struct numset *set_of(const struct request *r)
{
	switch ((int)r->kind) {
	case CMD_STORE:
		return &r->store.set;
	case CMD_EXPUNGE:
		return &r->expunge.set;
	case CMD_FETCH:
		return &r->fetch.set;
	case CMD_REPLACE:
		return &r->append.set;
	default:
		invariant(r->kind == CMD_COPY || r->kind == CMD_MOVE);
		return &r->copy.set;
	}
}

bool command_set(struct command *cmd, struct uidset *out)
{
	if (view_resolve(cmd->view, set_of(&cmd->request), cmd->request.uid, out))
		return true;
	command_bad(cmd, "There is no message with this number");
	return false;
}
