/* Domains and users.  On the directory's lane; admin.c opens and ends the transaction of those that write. */
#include "server/admin.h"

#include "storage/removed.h"
#include "storage/setting.h"

enum { ROWS_MAX = 500 /* a slice */, NUMBERED_MAX = 100000 };

bool admin_take_domain(struct admin_task *task, char out[ADDRESS_DOMAIN_MAX + 1])
{
	const char *text = admin_value(task, "DOMAIN");
	if (address_domain_normalise(text, strlen(text), out))
		return true;
	admin_fail(task, "%s: this is not the name of a domain", text);
	return false;
}

enum op_result admin_domain_add(struct admin_task *task, struct account *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	(void)account;
	if (!admin_take_domain(task, domain))
		return OP_FAILED;
	enum store_err err = directory_domain_add(task->op.directory, domain);
	admin_store_error(task, domain, err);
	return err ? OP_FAILED : OP_DONE;
}

struct listing {
	struct admin_task *task;
	size_t rows;
};

/* Whether the slice has room for one row more; else the list goes on behind the last name. */
static bool count_row(struct listing *l, const char *name)
{
	snprintf(l->task->cursor, sizeof(l->task->cursor), "%s", name);
	l->task->more = ++l->rows >= ROWS_MAX;
	return !l->task->more;
}

static bool on_domain(void *ctx, const char *name, int64_t users)
{
	struct listing *l = ctx;
	struct buf row;
	admin_row_begin(l->task, &row);
	admin_row_text(&row, "domain", name);
	admin_row_number(&row, "users", users);
	admin_row_end(l->task, &row);
	return count_row(l, name);
}

enum op_result admin_domain_list(struct admin_task *task, struct account *account)
{
	struct listing l = {task, 0};
	(void)account;
	task->more = false;
	admin_store_error(task, "the directory", directory_domains(task->op.directory, task->cursor, on_domain, &l));
	return OP_DONE;
}

static bool on_user(void *ctx, const char *address, const char *account)
{
	struct listing *l = ctx;
	struct buf row;
	admin_row_begin(l->task, &row);
	admin_row_text(&row, "address", address);
	admin_row_text(&row, "account", account);
	admin_row_end(l->task, &row);
	return count_row(l, address);
}

enum op_result admin_user_list(struct admin_task *task, struct account *account)
{
	struct listing l = {task, 0};
	char domain[ADDRESS_DOMAIN_MAX + 1];
	bool of_one = admin_value(task, "DOMAIN") != NULL;
	(void)account;
	if (of_one && !admin_take_domain(task, domain))
		return OP_FAILED;
	task->more = false;
	enum store_err err = of_one ? directory_has_domain(task->op.directory, domain) : STORE_OK;
	if (!err)
		err = directory_users(task->op.directory, of_one ? domain : NULL, task->cursor, on_user, &l);
	admin_store_error(task, of_one ? domain : "the directory", err);
	return OP_DONE;
}

static bool take_number(struct admin_task *task, const char *name, long standard, long *out)
{
	const char *text = admin_value(task, name);
	char *end = NULL;
	*out = text ? strtol(text, &end, 10) : standard;
	if (!text || (end != text && !*end && *out >= 0 && *out <= NUMBERED_MAX))
		return true;
	admin_fail(task, "--%s %s: a number from 0 to %d is expected", name, text, NUMBERED_MAX);
	return false;
}

static enum op_result say_user(struct admin_task *task, const char *address, enum store_err err)
{
	if (err == STORE_NOTFOUND && task->verb->run == admin_user_add)
		admin_fail(task, "%s: the domain is not one of ours; roost domain add %s makes it one", address,
			   address_domain(address));
	else
		admin_store_error(task, address, err);
	return err ? OP_FAILED : OP_DONE;
}

enum op_result admin_user_add(struct admin_task *task, struct account *account)
{
	const char *address = task->user.address, *at = strrchr(address, '@');
	long first, count;
	(void)account;
	if (!take_number(task, "first", 1, &first) || !take_number(task, "count", 0, &count))
		return OP_FAILED;
	if (!admin_value(task, "count"))
		return say_user(task, address, directory_user_add(task->op.directory, address, &task->user.secrets));
	enum op_result result = OP_DONE;
	for (long i = first; i <= count && result == OP_DONE; i++) {
		char numbered[ADDRESS_MAX + 32];
		snprintf(numbered, sizeof(numbered), "%.*s%ld%s", (int)(at - address), address, i, at);
		if (strlen(numbered) > ADDRESS_MAX) {
			admin_fail(task, "%s: too long", numbered);
			return OP_FAILED;
		}
		result = say_user(task, numbered, directory_user_add(task->op.directory, numbered, &task->user.secrets));
	}
	return result;
}

enum op_result admin_user_passwd(struct admin_task *task, struct account *account)
{
	const char *address = task->user.address;
	(void)account;
	return say_user(task, address, directory_user_passwd(task->op.directory, address, &task->user.secrets));
}

/* Ends the sessions that there are. */
static enum op_result set_disabled(struct admin_task *task, bool disabled)
{
	const char *address = task->user.address;
	bool mail_too = admin_value(task, "mail");
	struct directory_user user;
	const int64_t on = 1, *value = disabled ? &on : NULL;
	enum store_err err = directory_user_find(task->op.directory, address, &user);
	if (!err)
		err = directory_setting_set(task->op.directory, user.account, SETTING_DISABLED, value);
	if (!err && (mail_too || !disabled))
		err = directory_setting_set(task->op.directory, user.account, SETTING_REFUSE_MAIL, value);
	if (!err && disabled)
		snprintf(task->ends_address, sizeof(task->ends_address), "%s", address);
	return say_user(task, address, err);
}

enum op_result admin_user_disable(struct admin_task *task, struct account *account)
{
	(void)account;
	return set_disabled(task, true);
}

enum op_result admin_user_enable(struct admin_task *task, struct account *account)
{
	(void)account;
	return set_disabled(task, false);
}

enum op_result admin_user_rename(struct admin_task *task, struct account *account)
{
	const char *address = task->user.address, *text = admin_value(task, "NEW");
	char to[ADDRESS_MAX + 1];
	(void)account;
	if (!address_normalise(text, strlen(text), to)) {
		admin_fail(task, "%s: this is not an address (user@domain)", text);
		return OP_FAILED;
	}
	enum store_err err = directory_user_rename(task->op.directory, address, to);
	if (err == STORE_NOTFOUND && directory_has_domain(task->op.directory, address_domain(to)) == STORE_NOTFOUND) {
		admin_fail(task, "%s: the domain is not one of ours", to);
		return OP_FAILED;
	}
	struct directory_user user;
	if (!err)
		err = directory_user_find(task->op.directory, to, &user);
	if (!err)
		err = admin_note_move(task, user.account, address_domain(address), address_domain(to));
	if (!err)
		snprintf(task->ends_address, sizeof(task->ends_address), "%s", address);
	return say_user(task, err == STORE_EXISTS ? to : address, err);
}
