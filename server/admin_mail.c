/* What is done to one account, on its lane. */
#include "server/admin.h"

#include "server/deliver.h"
#include "storage/mailbox.h"

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
		struct mailbox_info info = {0};
		if (names.v[i].id && !names.v[i].noselect)
			err = mailbox_info(account, names.v[i].id, &info);
		if (!err && names.v[i].id)
			add_mailbox(task, &names.v[i], &info);
	}
	mailbox_names_finish(&names);
	admin_store_error(task, task->user.address, err);
	return OP_DONE;
}

enum op_result admin_deliver(struct admin_task *task, struct account *account)
{
	const char *name = admin_value(task, "MAILBOX");
	int64_t mailbox;
	uint32_t uid;
	if (task->body.len == 0) {
		admin_fail(task, "there is no message on standard input");
		return OP_FAILED;
	}
	if (!name || strcasecmp(name, "INBOX") == 0)
		name = "INBOX";
	enum store_err err = mailbox_find(account, name, &mailbox);
	if (err) {
		admin_store_error(task, name, err);
		return OP_FAILED;
	}
	struct append_message message = {.data = task->body.data, .len = task->body.len};
	err = deliver_message(account, mailbox, &message, 1, &uid);
	admin_store_error(task, task->user.address, err);
	return err ? OP_FAILED : OP_DONE;
}
