/* What is done to one account, on its lane. */
#include "server/admin.h"

#include "server/accounts.h"
#include "server/expirer.h"
#include "server/intake.h"
#include "storage/append.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"
#include "storage/usage.h"

static void add_mailbox(struct admin_task *task, const struct mailbox_name *name, const struct mailbox_info *info)
{
	struct buf row;
	admin_row_begin(task, &row);
	admin_row_text(&row, "mailbox", name->name);
	admin_row_number(&row, "messages", info->messages);
	admin_row_number(&row, "unseen", info->unseen);
	admin_row_bool(&row, "selectable", !name->noselect);
	admin_row_bool(&row, "subscribed", name->subscribed);
	admin_row_end(task, &row);
}

enum op_result admin_mailbox_list(struct admin_task *task, struct account *account)
{
	struct mailbox_names names = {0};
	enum store_err err = mailbox_list(account, &names);
	for (size_t i = 0; i < names.n && !err; i++) {
		if (names.v[i].info.id)
			add_mailbox(task, &names.v[i], &names.v[i].info);
	}
	mailbox_names_finish(&names);
	admin_store_error(task, task->user.address, err);
	return OP_DONE;
}

/* The mailbox that is to have the message; false: that is said. */
static bool find_target(struct admin_task *task, struct account *account, int64_t *out)
{
	const char *name = admin_value(task, "MAILBOX");
	if (!name || strcasecmp(name, "INBOX") == 0)
		name = "INBOX";
	enum store_err err = mailbox_find(account, name, out);
	if (err)
		admin_store_error(task, name, err);
	return !err;
}

static void say_intake(struct admin_task *task, enum store_err err)
{
	if (err == STORE_LIMIT)
		admin_fail(task, "the message is larger than %lld bytes (message_bytes_max)", (long long)task->message_bytes_max);
	else if (err == STORE_CANNOT)
		admin_fail(task, "the message holds a NUL, which no message may");
	else
		admin_store_error(task, task->user.address, err);
}

enum op_result admin_expire(struct admin_task *task, struct account *account)
{
	struct expire_rules rules;
	const char *days = admin_value(task, "days");
	char *end = NULL;
	bool more = false;
	accounts_expire_rules(task->lane, &rules);
	if (days)
		rules.trash_days = rules.junk_days = (int)strtol(days, &end, 10);
	if (days && (*end || rules.trash_days < 0 || rules.trash_days > 36500)) {
		admin_fail(task, "--days %s: a number from 0 to 36500 is expected", days);
		return OP_DONE;
	}
	if (days && rules.trash_days == 0)
		rules.trash_days = rules.junk_days = -1; /* what came in this second too */
	enum store_err err = expire_step(account, &rules, &task->damage, &more);
	task->more = more && !err;
	if (err) {
		admin_store_error(task, task->user.address, err);
		return OP_FAILED;
	}
	admin_say(task, "%llu messages expunged", (unsigned long long)task->damage);
	return OP_DONE;
}

enum op_result admin_deliver_take(struct admin_task *task, struct account *account)
{
	int64_t mailbox;
	if (!task->intake && !find_target(task, account, &mailbox))
		return OP_DONE;
	if (!task->intake)
		task->intake = intake_create(account, (uint64_t)task->message_bytes_max, false);
	enum store_err err = intake_write(task->intake, buf_span(&task->input));
	if (!err && task->input_ended)
		err = intake_seal(task->intake);
	buf_reset(&task->input);
	say_intake(task, err);
	return OP_DONE;
}

enum op_result admin_deliver(struct admin_task *task, struct account *account)
{
	struct append_item item = {.internal_date = account->env->now_s(account->env->ctx)};
	int64_t mailbox;
	uint32_t uid;
	if (intake_size(task->intake) == 0) {
		admin_fail(task, "there is no message on standard input");
		return OP_FAILED;
	}
	if (!find_target(task, account, &mailbox))
		return OP_FAILED;
	struct flag_spec none = {0, ""};
	enum store_err err = flagset_apply(account, 0, FLAG_SET, &none, &item.flagset);
	if (!err)
		err = intake_finish(task->intake, &item.content, &item.size);
	if (!err)
		err = messages_append(account, mailbox, &item, 1, &uid);
	if (!err)
		err = usage_check(account);
	intake_destroy(task->intake);
	task->intake = NULL;
	say_intake(task, err);
	return err ? OP_FAILED : OP_DONE;
}
