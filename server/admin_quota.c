/* roost quota: what users have, and may have. */
#include "server/admin.h"

#include "server/accounts.h"
#include "server/auth_pool.h"
#include "server/settings.h"
#include "storage/account.h"
#include "storage/setting.h"
#include "storage/usage.h"

enum { DOMAINS_SLICE = 100 };

static void write_row(struct admin_task *task, const struct account *a, uint64_t mailboxes)
{
	const struct usage used = usage_get(a);
	struct buf row;
	admin_row_begin(task, &row);
	admin_row_text(&row, "address", task->user.address);
	admin_row_number(&row, "bytes", (int64_t)used.bytes);
	admin_row_number(&row, "bytes_max", (int64_t)a->quota.bytes);
	admin_row_number(&row, "messages", (int64_t)used.messages);
	admin_row_number(&row, "messages_max", (int64_t)a->quota.messages);
	admin_row_number(&row, "mailboxes", (int64_t)mailboxes);
	admin_row_number(&row, "mailboxes_max", (int64_t)a->quota.mailboxes);
	admin_row_number(&row, "domain_bytes", (int64_t)usage_pool_bytes(a));
	admin_row_number(&row, "domain_bytes_max", (int64_t)a->quota.pool_bytes);
	admin_row_end(task, &row);
}

enum op_result admin_quota_show(struct admin_task *task, struct account *account)
{
	uint64_t mailboxes;
	enum store_err err = usage_mailboxes(account, &mailboxes);
	admin_store_error(task, task->user.address, err);
	if (!err)
		write_row(task, account, mailboxes);
	return OP_DONE;
}

enum op_result admin_quota_recount(struct admin_task *task, struct account *account)
{
	struct usage was = usage_get(account), is;
	struct buf row;
	enum store_err err = usage_load(account);
	is = usage_get(account);
	admin_store_error(task, task->user.address, err);
	if (err)
		return OP_DONE;
	admin_row_begin(task, &row);
	admin_row_text(&row, "address", task->user.address);
	admin_row_number(&row, "bytes", (int64_t)is.bytes);
	admin_row_number(&row, "messages", (int64_t)is.messages);
	admin_row_bool(&row, "was_wrong", was.bytes != is.bytes || was.messages != is.messages);
	admin_row_end(task, &row);
	return OP_DONE;
}

static bool on_domain(void *ctx, const char *domain, int64_t users)
{
	struct admin_task *task = ctx;
	struct directory *d = task->op.directory;
	struct setting_values values;
	int64_t allowed, unlimited;
	struct buf row;
	settings_defaults(admin_settings(task), &values);
	enum store_err err = directory_settings_of_domain(d, domain, &values);
	if (!err)
		err = directory_allowed(d, domain, values.value[SETTING_QUOTA_STORAGE], &allowed, &unlimited);
	admin_store_error(task, domain, err);
	if (err)
		return false;
	admin_row_begin(task, &row);
	admin_row_text(&row, "domain", domain);
	admin_row_number(&row, "users", users);
	admin_row_number(&row, "bytes", (int64_t)tally_of(accounts_tally(auth_pool_config(task->auth)->accounts), domain));
	admin_row_number(&row, "bytes_max", values.value[SETTING_QUOTA_DOMAIN]);
	admin_row_number(&row, "users_bytes_max", allowed);
	admin_row_number(&row, "users_unlimited", unlimited);
	admin_row_end(task, &row);
	snprintf(task->cursor, sizeof(task->cursor), "%s", domain);
	task->more = ++task->rows % DOMAINS_SLICE == 0;
	return !task->more;
}

/* One domain, or all. */
enum op_result admin_quota_domains(struct admin_task *task, struct account *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	(void)account;
	task->more = false;
	if (!admin_value(task, "DOMAIN")) {
		enum store_err err = directory_domains(task->op.directory, task->cursor, on_domain, task);
		if (err)
			admin_store_error(task, "the directory", err);
		return OP_DONE;
	}
	if (!admin_take_domain(task, domain))
		return OP_FAILED;
	int64_t users;
	enum store_err err = directory_domain_users(task->op.directory, domain, &users);
	if (err)
		admin_store_error(task, domain, err);
	else
		on_domain(task, domain, users);
	task->more = false;
	return OP_DONE;
}

static enum store_err set_one(struct admin_task *task, const char *owner, const char *option, enum setting_id id,
			      bool *out_given)
{
	const char *text = admin_value(task, option);
	int64_t value;
	if (!text)
		return STORE_OK;
	*out_given = true;
	if (!setting_read(id, text, &value)) {
		char expected[100];
		setting_describe(id, expected, sizeof(expected));
		admin_fail(task, "--%s %s: %s is expected", option, text, expected);
		return STORE_CANNOT;
	}
	enum store_err err = directory_setting_set(task->op.directory, owner, id, &value);
	if (err)
		admin_store_error(task, task->user.address, err);
	return err;
}

enum op_result admin_quota_set(struct admin_task *task, struct account *account)
{
	struct directory_user user;
	bool given = false;
	(void)account;
	enum store_err err = directory_user_find(task->op.directory, task->user.address, &user);
	if (err) {
		admin_store_error(task, task->user.address, err);
		return OP_FAILED;
	}
	err = set_one(task, user.account, "storage", SETTING_QUOTA_STORAGE, &given);
	if (!err)
		err = set_one(task, user.account, "messages", SETTING_QUOTA_MESSAGES, &given);
	if (!err)
		err = set_one(task, user.account, "mailboxes", SETTING_QUOTA_MAILBOXES, &given);
	if (!err && !given) {
		admin_fail(task, "--storage, --messages or --mailboxes is expected");
		err = STORE_CANNOT;
	}
	return err ? OP_FAILED : OP_DONE;
}
