/* Users by the table: roost user import and export.  On the directory's lane; passwords are hashed on the auth pool's threads. */
#include "server/admin.h"

#include "server/settings.h"
#include "server/user_import.h"
#include "storage/alias.h"

enum { EXPORT_SLICE = 200 };

static void on_problem(void *ctx, unsigned line, const char *address, const char *problem)
{
	struct admin_task *task = ctx;
	struct buf row;
	admin_row_begin(task, &row);
	admin_row_number(&row, "line", line);
	admin_row_text(&row, "address", address);
	admin_row_text(&row, "problem", problem);
	admin_row_end(task, &row);
}

enum op_result admin_user_import_take(struct admin_task *task, struct account *account)
{
	const struct user_import_options options = {.adds_domains = admin_value(task, "domains") != NULL};
	(void)account;
	if (!task->users)
		task->users = user_import_create(&options);
	if (!user_import_take(task->users, task->input.data, task->input.len))
		admin_fail(task, "the table is too large; at most %d MB are expected", USER_IMPORT_BYTES_MAX >> 20);
	buf_reset(&task->input);
	return OP_DONE;
}

static void say_counts(struct admin_task *task, const char *would)
{
	const struct user_import *u = task->users;
	admin_say(task, "%s%zu added, %zu changed, %zu unchanged", would, user_import_count(u, USER_ADDED),
		  user_import_count(u, USER_CHANGED), user_import_count(u, USER_UNCHANGED));
}

/* First it is looked at, then, when the passwords are hashed, everything is done. */
enum op_result admin_user_import(struct admin_task *task, struct account *account)
{
	unsigned line;
	(void)account;
	if (task->rows++ == 0) {
		size_t wrong = user_import_validate(task->users, task->op.directory, on_problem, task);
		if (wrong)
			admin_fail(task, "problems: %zu; nothing was changed", wrong);
		else if (admin_value(task, "dry-run"))
			say_counts(task, "would be: ");
		task->more = task->hashes = !wrong && !admin_value(task, "dry-run");
		return wrong ? OP_FAILED : OP_DONE;
	}
	task->more = false;
	enum store_err err = user_import_apply(task->users, task->op.directory, &line);
	if (err) {
		char where[64];
		snprintf(where, sizeof(where), "line %u (nothing was changed)", line);
		admin_store_error(task, where, err);
		return OP_FAILED;
	}
	say_counts(task, "");
	return OP_DONE;
}

/* ---- export ---- */

struct exported {
	struct admin_task *task;
	char (*v)[ADDRESS_MAX + 1];
	size_t n;
};

static bool on_user(void *ctx, const char *address, const char *account)
{
	struct exported *e = ctx;
	(void)account;
	snprintf(e->v[e->n++], sizeof(*e->v), "%s", address);
	return e->n < EXPORT_SLICE;
}

static void on_alias(void *ctx, const char *alias)
{
	struct buf *names = ctx;
	buf_printf(names, "%s%s", names->len ? " " : "", alias);
}

static void write_settings(struct buf *row, const struct setting_values *values)
{
	for (enum setting_id id = 0; id < SETTINGS_N; id++) {
		char text[SETTING_VALUE_MAX] = "";
		bool is_own = values->source[id] == SETTING_USER, is_names = setting_table[id].type == SETTING_NAMES;
		if (!(setting_table[id].of & SETTING_OF_USER))
			continue;
		if (is_own && !is_names)
			setting_write(id, values->value[id], text);
		admin_row_text(row, setting_table[id].name, is_own && is_names ? values->capabilities_off : text);
	}
}

static enum store_err export_user(struct admin_task *task, const char *address)
{
	struct setting_values values;
	struct directory_user user;
	struct buf row, names;
	buf_init(&names, ADMIN_EXPORT_ALIASES_MAX);
	settings_defaults(admin_settings(task), &values);
	enum store_err err = directory_user_find(task->op.directory, address, &user);
	if (!err)
		err = directory_settings_of(task->op.directory, user.account, &values);
	if (!err)
		err = alias_of(task->op.directory, address, on_alias, &names);
	buf_add_char(&names, '\0');
	if (!err) {
		admin_row_begin(task, &row);
		admin_row_text(&row, "address", address);
		admin_row_text(&row, "hash", user.secrets.hash);
		admin_row_text(&row, "scram_sha1", user.secrets.scram_sha1);
		admin_row_text(&row, "scram_sha256", user.secrets.scram_sha256);
		admin_row_text(&row, "aliases", names.failed ? "" : names.data);
		write_settings(&row, &values);
		admin_row_end(task, &row);
	}
	buf_finish(&names);
	return err;
}

enum op_result admin_user_export(struct admin_task *task, struct account *account)
{
	struct exported e = {.task = task, .v = xmalloc(EXPORT_SLICE * sizeof(*e.v))};
	char domain[ADDRESS_DOMAIN_MAX + 1];
	bool of_one = admin_value(task, "DOMAIN") != NULL;
	enum store_err err = STORE_OK;
	(void)account;
	task->more = false;
	if (of_one && !admin_take_domain(task, domain)) {
		free(e.v);
		return OP_FAILED;
	}
	err = directory_users(task->op.directory, of_one ? domain : NULL, task->cursor, on_user, &e);
	for (size_t i = 0; i < e.n && !err; i++)
		err = export_user(task, e.v[i]);
	if (e.n == EXPORT_SLICE)
		snprintf(task->cursor, sizeof(task->cursor), "%s", e.v[e.n - 1]);
	task->more = e.n == EXPORT_SLICE && !err;
	free(e.v);
	if (err)
		admin_store_error(task, "the directory", err);
	return OP_DONE;
}
