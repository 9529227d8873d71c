/* A request on its way: what verbs ask of it, and its end. */
#include "server/admin.h"

#include "server/accounts.h"
#include "server/admin_search.h"
#include "server/auth_pool.h"
#include "server/admin_frame.h"
#include "server/index_run.h"
#include "server/intake.h"
#include "server/lane.h"
#include "server/mail_export.h"
#include "server/mail_import.h"
#include "server/user_import.h"
#include "storage/check.h"

#include <openssl/crypto.h>

size_t admin_param_of(const struct admin_verb *verb, const char *name)
{
	for (size_t i = 0; i < ADMIN_PARAMS_MAX; i++)
		if (verb->params[i].kind && strcmp(verb->params[i].name, name) == 0)
			return i;
	return ADMIN_PARAMS_MAX;
}

const char *admin_value(const struct admin_task *task, const char *name)
{
	size_t i = admin_param_of(task->verb, name);
	return i < ADMIN_PARAMS_MAX ? task->values[i] : NULL;
}

struct settings *admin_settings(const struct admin_task *task)
{
	return accounts_settings(auth_pool_config(task->auth)->accounts);
}

bool admin_is_for_all(const struct admin_task *task)
{
	return (task->verb->flags & ADMIN_EACH) && admin_value(task, "all");
}

static PRINTF_LIKE(3, 0) void say(struct admin_task *task, int code, const char *fmt, va_list args)
{
	task->exit = code;
	vsnprintf(task->message, sizeof(task->message), fmt, args);
}

void admin_say(struct admin_task *task, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say(task, ADMIN_EXIT_DONE, fmt, args);
	va_end(args);
}

void admin_fail(struct admin_task *task, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say(task, ADMIN_EXIT_FAILED, fmt, args);
	va_end(args);
}

void admin_store_error(struct admin_task *task, const char *what, enum store_err err)
{
	static const char *const texts[] = {
		[STORE_NOTFOUND] = "not found",
		[STORE_EXISTS] = "exists already",
		[STORE_CANNOT] = "this can never be done",
		[STORE_HASCHILDREN] = "there is something below it",
		[STORE_LIMIT] = "a limit is reached",
		[STORE_OVERQUOTA] = "the quota is used up; nothing was added",
		[STORE_FULL] = "the disk is full; nothing was changed",
		[STORE_BUSY] = "somebody else has it open",
		[STORE_CORRUPT] = "what is stored is damaged; the log of the daemon says where",
		[STORE_FOREIGN] = "it was made by another version of roost; the log of the daemon says more",
		[STORE_IO] = "the disk failed; the log of the daemon says how",
	};
	accounts_log_error(&task->op, err);
	if (err == STORE_OK)
		admin_say(task, "%s", "");
	else
		admin_fail(task, "%s: %s", what, texts[err]);
}

void admin_row_begin(struct admin_task *task, struct buf *row)
{
	(void)task;
	buf_init(row, ADMIN_FRAME_MAX);
}

static void add_text(struct buf *row, const char *text)
{
	buf_add(row, text, strlen(text) + 1);
}

void admin_row_text(struct buf *row, const char *key, const char *value)
{
	add_text(row, key);
	buf_add_char(row, 's');
	add_text(row, value);
}

void admin_row_number(struct buf *row, const char *key, int64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "n%lld", (long long)value);
	add_text(row, key);
	add_text(row, text);
}

void admin_row_bool(struct buf *row, const char *key, bool value)
{
	add_text(row, key);
	add_text(row, value ? "btrue" : "bfalse");
}

void admin_row_end(struct admin_task *task, struct buf *row)
{
	if (!row->failed)
		admin_frame_add(&task->out, ADMIN_ROW, buf_span(row));
	buf_finish(row);
}

static void destroy(struct admin_task *task)
{
	if (task->index)
		index_run_finish(task->index);
	free(task->index);
	admin_search_finish(task->search);
	accounts_release(task->lane);
	admin_undelete_finish(task->undelete);
	user_import_destroy(task->users);
	admin_repair_finish(task->repairing);
	OPENSSL_cleanse(&task->user.secrets, sizeof(task->user.secrets));
	buf_finish(&task->out);
	buf_finish(&task->input);
	op_finish(&task->op);
	free(task);
}

/* What is the account's. */
static void drop_work(struct admin_task *task)
{
	intake_destroy(task->intake);
	check_destroy(task->check);
	mail_import_destroy(task->import);
	mail_export_destroy(task->export);
	task->intake = NULL;
	task->check = NULL;
	task->import = NULL;
	task->export = NULL;
}

static enum op_result release_run(struct op *op, struct account *account)
{
	struct admin_task *task = container_of(op, struct admin_task, op);
	(void)account;
	drop_work(task);
	return OP_DONE;
}

/* An account that cannot be opened, or a server that has stopped, has nobody beside us. */
static void release_done(struct op *op, struct conn *conn)
{
	struct admin_task *task = container_of(op, struct admin_task, op);
	(void)conn;
	drop_work(task);
	destroy(task);
}

/* By way of the lane when something of the account's is left.  Takes NULL. */
void admin_task_dispose(struct admin_task *task)
{
	if (!task)
		return;
	if (!task->intake && !task->check && !task->import && !task->export) {
		destroy(task);
		return;
	}
	op_finish(&task->op);
	task->op = (struct op){0};
	op_init(&task->op, "release", release_run, release_done);
	lane_submit(task->lane, &task->op);
}
