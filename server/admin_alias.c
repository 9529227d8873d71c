/* roost alias.  On the directory's lane. */
#include "server/admin.h"

#include "storage/alias.h"

enum { ROWS_MAX = 500 /* a slice */ };

static bool take(struct admin_task *task, const char *param, char out[ADDRESS_MAX + 1])
{
	const char *text = admin_value(task, param);
	if (alias_normalise(text, out))
		return true;
	admin_fail(task, "%s: neither an address (user@domain) nor a domain's rest (@domain)", text);
	return false;
}

enum op_result admin_alias_add(struct admin_task *task, struct account *account)
{
	char address[ADDRESS_MAX + 1], target[ADDRESS_MAX + 1];
	(void)account;
	if (!take(task, "ALIAS", address) || !take(task, "TARGET", target))
		return OP_FAILED;
	enum store_err err = alias_add(task->op.directory, address, target);
	if (err == STORE_NOTFOUND && !directory_has_domain(task->op.directory, address_domain(address)))
		admin_fail(task, "%s: there is no such user or alias here", target);
	else if (err == STORE_CANNOT)
		admin_fail(task, "%s: mail would go in circles", address);
	else
		admin_store_error(task, address, err);
	return err ? OP_FAILED : OP_DONE;
}

enum op_result admin_alias_remove(struct admin_task *task, struct account *account)
{
	char address[ADDRESS_MAX + 1], target[ADDRESS_MAX + 1];
	bool one = admin_value(task, "TARGET");
	(void)account;
	if (!take(task, "ALIAS", address) || (one && !take(task, "TARGET", target)))
		return OP_FAILED;
	enum store_err err = alias_remove(task->op.directory, address, one ? target : NULL);
	admin_store_error(task, address, err);
	return err ? OP_FAILED : OP_DONE;
}

struct listing {
	struct admin_task *task;
	size_t rows;
};

static bool on_alias(void *ctx, const char *address, const char *target)
{
	struct listing *l = ctx;
	struct admin_task *task = l->task;
	struct buf row;
	admin_row_begin(task, &row);
	admin_row_text(&row, "alias", address);
	admin_row_text(&row, "target", target);
	admin_row_end(task, &row);
	snprintf(task->cursor, sizeof(task->cursor), "%s", address);
	snprintf(task->user.address, sizeof(task->user.address), "%s", target);
	task->more = ++l->rows >= ROWS_MAX;
	return !task->more;
}

enum op_result admin_alias_list(struct admin_task *task, struct account *account)
{
	struct listing l = {task, 0};
	char domain[ADDRESS_DOMAIN_MAX + 1], target[ADDRESS_MAX + 1], address[ADDRESS_MAX + 1];
	bool of_one = admin_value(task, "DOMAIN");
	(void)account;
	if (of_one && !admin_take_domain(task, domain))
		return OP_FAILED;
	task->more = false;
	memcpy(address, task->cursor, sizeof(address)); /* the last one told; its target is kept in user.address */
	memcpy(target, task->user.address, sizeof(target));
	admin_store_error(task, "the directory",
			  alias_list(task->op.directory, of_one ? domain : NULL, address, target, on_alias, &l));
	return OP_DONE;
}
