/*
 * Users and domains that are removed, had back, and deleted for good.  On the directory's lane; a verb that purges accounts
 * (storage/removed.h) runs once before the files of each are deleted, on the account's lane, and once behind that.
 */
#include "server/admin.h"

#include "server/settings.h"
#include "server/when.h"
#include "storage/removed.h"

#include <time.h>

enum { USERS_SLICE = 200, ROWS_SLICE = 500, DAY_S = 86400 };

enum store_err admin_note_move(struct admin_task *task, const char *account, const char *from, const char *to)
{
	struct tally_move *m = &task->moved;
	int64_t bytes;
	snprintf(m->from, sizeof(m->from), "%s", from);
	snprintf(m->to, sizeof(m->to), "%s", to);
	enum store_err err = directory_usage_of(task->op.directory, account, &bytes);
	m->recorded += err ? 0 : bytes;
	return err;
}

/* ---- for good ---- */

/* There is no way back from here; the verb runs again when the files are gone. */
static enum store_err begin_purge(struct admin_task *task, const char *account)
{
	enum store_err err = directory_purge_begin(task->op.directory, account);
	if (err)
		return err;
	snprintf(task->purge, sizeof(task->purge), "%s", account);
	task->purge_files = task->more = true;
	return STORE_OK;
}

static enum store_err end_purge(struct admin_task *task)
{
	enum store_err err = directory_purge_end(task->op.directory, task->purge);
	task->purge[0] = '\0';
	task->accounts += !err;
	return err;
}

/* ---- users ---- */

static enum op_result say(struct admin_task *task, const char *what, enum store_err err)
{
	admin_store_error(task, what, err);
	if (err)
		task->more = false;
	return err ? OP_FAILED : OP_DONE;
}

static enum store_err remove_user(struct admin_task *task, const char *address, bool with_domain,
				  char account[DIRECTORY_ACCOUNT_LEN + 1])
{
	enum store_err err = directory_user_remove(task->op.directory, address, time(NULL), with_domain, account);
	return err ? err : admin_note_move(task, account, address_domain(address), "");
}

enum op_result admin_user_remove(struct admin_task *task, struct account *account)
{
	const char *address = task->user.address;
	bool now = admin_value(task, "now");
	struct removed_user removed;
	char id[DIRECTORY_ACCOUNT_LEN + 1];
	(void)account;
	task->more = false;
	if (task->purge[0]) {
		enum op_result result = say(task, address, end_purge(task));
		if (result == OP_DONE)
			admin_say(task, "%s: removed for good, with all mail", address);
		return result;
	}
	enum store_err err = remove_user(task, address, false, id);
	if (!err)
		snprintf(task->ends_address, sizeof(task->ends_address), "%s", address);
	/* One who was removed before. */
	if (err == STORE_NOTFOUND && now) {
		err = directory_removed_find(task->op.directory, address, &removed);
		memcpy(id, removed.account, sizeof(id));
	}
	if (!err && now)
		err = begin_purge(task, id);
	if (err || now)
		return say(task, address, err);
	admin_say(task, "%s: removed; roost user restore brings it back; the mail is in accounts/%s of the store", address, id);
	return OP_DONE;
}

enum op_result admin_user_restore(struct admin_task *task, struct account *account)
{
	const char *address = task->user.address;
	struct directory_user user;
	(void)account;
	enum store_err err = directory_user_restore(task->op.directory, address);
	if (!err)
		err = directory_user_find(task->op.directory, address, &user);
	if (!err)
		err = admin_note_move(task, user.account, "", address_domain(address));
	return say(task, address, err);
}

static bool on_removed(void *ctx, const struct removed_user *user)
{
	struct admin_task *task = ctx;
	struct setting_values values;
	char at[WHEN_TEXT_MAX], until[WHEN_TEXT_MAX] = "";
	struct buf row;
	settings_defaults(admin_settings(task), &values);
	enum store_err err = directory_settings_of_removed(task->op.directory, user->account, user->address, &values);
	int64_t days = values.value[SETTING_REMOVED_DAYS];
	if (err) {
		admin_store_error(task, user->address, err);
		return false;
	}
	when_write(user->at_s, at);
	if (days)
		when_write(user->at_s + days * DAY_S, until);
	admin_row_begin(task, &row);
	admin_row_text(&row, "address", user->address);
	admin_row_text(&row, "removed", at);
	admin_row_text(&row, "until", user->purging ? at : until);
	admin_row_text(&row, "account", user->account);
	admin_row_bool(&row, "going", user->purging);
	admin_row_end(task, &row);
	snprintf(task->cursor, sizeof(task->cursor), "%s", user->account);
	task->more = ++task->rows % ROWS_SLICE == 0;
	return !task->more;
}

enum op_result admin_user_removed(struct admin_task *task, struct account *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	bool of_one = admin_value(task, "DOMAIN") != NULL;
	(void)account;
	task->more = false;
	if (of_one && !admin_take_domain(task, domain))
		return OP_FAILED;
	enum store_err err = directory_removed(task->op.directory, of_one ? domain : NULL, task->cursor, on_removed, task);
	if (err)
		admin_store_error(task, "the directory", err);
	return OP_DONE;
}

/* ---- domains ---- */

struct addresses {
	char (*v)[ADDRESS_MAX + 1];
	size_t n;
};

static bool on_user(void *ctx, const char *address, const char *account)
{
	struct addresses *a = ctx;
	(void)account;
	snprintf(a->v[a->n++], sizeof(*a->v), "%s", address);
	return a->n < USERS_SLICE;
}

/* Some of its users; task->more when there may be others. */
static enum store_err remove_users(struct admin_task *task, const char *domain)
{
	struct addresses a = {.v = xmalloc(USERS_SLICE * sizeof(*a.v))};
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	enum store_err err = directory_users(task->op.directory, domain, "", on_user, &a);
	for (size_t i = 0; i < a.n && !err; i++)
		err = remove_user(task, a.v[i], true, account);
	task->more = a.n == USERS_SLICE;
	free(a.v);
	return err;
}

static bool on_first(void *ctx, const struct removed_user *user)
{
	*(struct removed_user *)ctx = *user;
	return false;
}

/* The next account of the domain that is to go; when there is none, the domain itself is forgotten. */
static enum store_err purge_next(struct admin_task *task, const char *domain)
{
	struct removed_user next = {.account = ""};
	enum store_err err = directory_removed(task->op.directory, domain, "", on_first, &next);
	if (!err && next.account[0])
		return begin_purge(task, next.account);
	return err ? err : directory_domain_forget(task->op.directory, domain);
}

/* One step of it, which is committed before the next. */
static enum store_err remove_domain(struct admin_task *task, const char *domain, bool now)
{
	enum store_err err = task->purge[0] ? end_purge(task) : STORE_OK;
	if (!err)
		err = directory_has_domain(task->op.directory, domain);
	if (!err && admin_value(task, "users"))
		err = remove_users(task, domain);
	if (!err && !task->more)
		err = directory_domain_remove(task->op.directory, domain, time(NULL));
	else if (err == STORE_NOTFOUND && now && (task->rows || directory_was_domain(task->op.directory, domain) == STORE_OK))
		err = STORE_OK;
	if (!err && !task->more && now)
		err = purge_next(task, domain);
	task->rows++;
	return err;
}

enum op_result admin_domain_remove(struct admin_task *task, struct account *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	bool now = admin_value(task, "now");
	(void)account;
	task->more = false;
	if (!admin_take_domain(task, domain))
		return OP_FAILED;
	enum store_err err = remove_domain(task, domain, now);
	snprintf(task->ends_domain, sizeof(task->ends_domain), "%s", domain);
	if (err != STORE_HASCHILDREN)
		return say(task, domain, err);
	admin_fail(task, "%s: it has users; remove them first (roost user list %s), or with it: --users", domain, domain);
	return OP_FAILED;
}

static bool on_with_domain(void *ctx, const struct removed_user *user)
{
	struct addresses *a = ctx;
	if (user->with_domain && !user->purging)
		snprintf(a->v[a->n++], sizeof(*a->v), "%s", user->address);
	return a->n < USERS_SLICE;
}

static enum store_err restore_users(struct admin_task *task, const char *domain)
{
	struct addresses a = {.v = xmalloc(USERS_SLICE * sizeof(*a.v))};
	struct directory_user user;
	enum store_err err = directory_removed(task->op.directory, domain, "", on_with_domain, &a);
	for (size_t i = 0; i < a.n && !err; i++) {
		err = directory_user_restore(task->op.directory, a.v[i]);
		if (!err)
			err = directory_user_find(task->op.directory, a.v[i], &user);
		if (!err)
			err = admin_note_move(task, user.account, "", domain);
	}
	task->more = a.n == USERS_SLICE;
	free(a.v);
	return err;
}

enum op_result admin_domain_restore(struct admin_task *task, struct account *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	(void)account;
	task->more = false;
	if (!admin_take_domain(task, domain))
		return OP_FAILED;
	enum store_err err = task->rows++ ? STORE_OK : directory_domain_restore(task->op.directory, domain);
	if (!err)
		err = restore_users(task, domain);
	return say(task, domain, err);
}
