/* What is set for users and domains (storage/setting.h).  On the directory's lane. */
#include "server/admin.h"

#include "protocol/imap/capability.h"
#include "server/settings.h"

static bool take_setting(struct admin_task *task, unsigned of, enum setting_id *out)
{
	const char *name = admin_value(task, "SETTING");
	char known[500] = "";
	size_t len = 0;
	*out = setting_find(name);
	if (*out < SETTINGS_N && (setting_table[*out].of & of))
		return true;
	for (size_t i = 0; i < SETTINGS_N && len < sizeof(known); i++)
		if (setting_table[i].of & of)
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "", setting_table[i].name);
	admin_fail(task, "%s: no such setting; there are: %s", name, known);
	return false;
}

/* A name that is misspelt would leave on what was to be off. */
static bool check_names(struct admin_task *task, enum setting_id id, const char *names)
{
	struct span wrong;
	bool ok = id != SETTING_CAPABILITIES_OFF || capability_can_be_off(names, &wrong);
	if (!ok)
		admin_fail(task, "%s: \"%.*s\" is no capability that can be left out", setting_table[id].name, (int)wrong.len, wrong.ptr);
	return ok;
}

static enum op_result set(struct admin_task *task, const char *who, const char *owner, unsigned of)
{
	const char *text = admin_value(task, "VALUE");
	char expected[100];
	enum setting_id id;
	int64_t value = 0;
	if (!take_setting(task, of, &id))
		return OP_FAILED;
	if (text && !setting_read(id, text, &value)) {
		setting_describe(id, expected, sizeof(expected));
		admin_fail(task, "%s = %s: %s is expected", setting_table[id].name, text, expected);
		return OP_FAILED;
	}
	if (text && !check_names(task, id, text))
		return OP_FAILED;
	enum store_err err = text && setting_table[id].type == SETTING_NAMES
				     ? directory_setting_set_names(task->op.directory, owner, id, text)
				     : directory_setting_set(task->op.directory, owner, id, text ? &value : NULL);
	admin_store_error(task, who, err);
	return err ? OP_FAILED : OP_DONE;
}

static void show(struct admin_task *task, const struct setting_values *values, unsigned of)
{
	static const char *const sources[] = {
		[SETTING_STANDARD] = "configuration", [SETTING_DOMAIN] = "domain", [SETTING_USER] = "user"};
	for (enum setting_id id = 0; id < SETTINGS_N; id++) {
		char text[SETTING_VALUE_MAX] = "";
		struct buf row;
		if (!(setting_table[id].of & of))
			continue;
		bool names = setting_table[id].type == SETTING_NAMES; /* the one there is */
		if (!names)
			setting_write(id, values->value[id], text);
		admin_row_begin(task, &row);
		admin_row_text(&row, "setting", setting_table[id].name);
		admin_row_text(&row, "value", names ? values->capabilities_off : text);
		admin_row_text(&row, "from", sources[values->source[id]]);
		admin_row_text(&row, "help", setting_table[id].help);
		admin_row_end(task, &row);
	}
}

enum op_result admin_user_set(struct admin_task *task, struct account *account)
{
	struct directory_user user;
	(void)account;
	enum store_err err = directory_user_find(task->op.directory, task->user.address, &user);
	if (!err)
		return set(task, task->user.address, user.account, SETTING_OF_USER);
	admin_store_error(task, task->user.address, err);
	return OP_FAILED;
}

enum op_result admin_user_show(struct admin_task *task, struct account *account)
{
	struct setting_values values;
	struct directory_user user;
	(void)account;
	settings_defaults(admin_settings(task), &values);
	enum store_err err = directory_user_find(task->op.directory, task->user.address, &user);
	if (!err)
		err = directory_settings_of(task->op.directory, user.account, &values);
	admin_store_error(task, task->user.address, err);
	if (!err)
		show(task, &values, SETTING_OF_USER);
	return OP_DONE;
}

/* The domain that is asked for, which is one of ours. */
static bool take_domain(struct admin_task *task, char out[ADDRESS_DOMAIN_MAX + 1])
{
	if (!admin_take_domain(task, out))
		return false;
	enum store_err err = directory_has_domain(task->op.directory, out);
	admin_store_error(task, out, err);
	return !err;
}

enum op_result admin_domain_set(struct admin_task *task, struct account *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1], owner[ADDRESS_DOMAIN_MAX + 2];
	(void)account;
	if (!take_domain(task, domain))
		return OP_FAILED;
	snprintf(owner, sizeof(owner), "@%s", domain);
	return set(task, domain, owner, SETTING_OF_DOMAIN);
}

enum op_result admin_domain_show(struct admin_task *task, struct account *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	struct setting_values values;
	(void)account;
	if (!take_domain(task, domain))
		return OP_FAILED;
	settings_defaults(admin_settings(task), &values);
	enum store_err err = directory_settings_of_domain(task->op.directory, domain, &values);
	admin_store_error(task, domain, err);
	if (!err)
		show(task, &values, SETTING_OF_DOMAIN);
	return OP_DONE;
}
