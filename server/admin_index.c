/* roost reindex, roost index status: the full-text index (storage/fulltext.h). */
#include "server/admin.h"

#include "server/accounts.h"
#include "server/converting.h"
#include "server/index_run.h"
#include "storage/content.h"

/* In slices on the account's lane, so that it stays in use.  It does not matter whether the option fulltext is on: what is
 * there is used, and grows old when nobody keeps it. */
enum op_result admin_reindex(struct admin_task *task, struct account *account)
{
	bool more = false;
	if (!task->index) {
		task->index = xcalloc(1, sizeof(*task->index));
		index_run_init(task->index, FULLTEXT_NEXT);
		fulltext_drop(account, FULLTEXT_NEXT, "");
	}
	enum store_err err = index_run_step(task->index, account, &more);
	if (!err && more)
		return OP_AGAIN;
	if (!err)
		err = fulltext_swap(account);
	fulltext_close(account);
	converting_add(accounts_converting(task->lane), task->lane);
	uint64_t contents = task->index->contents;
	index_run_finish(task->index);
	free(task->index);
	task->index = NULL;
	task->accounts++;
	if (err) {
		task->exit_at_end = ADMIN_EXIT_FAILED;
		admin_store_error(task, task->user.address, err);
	} else if (admin_is_for_all(task)) {
		admin_say(task, "%llu accounts indexed", (unsigned long long)task->accounts);
	} else {
		admin_say(task, "%s: %llu contents indexed", task->user.address, (unsigned long long)contents);
	}
	return OP_DONE;
}

enum op_result admin_index_status(struct admin_task *task, struct account *account)
{
	struct fulltext_status status;
	int64_t behind = 0;
	struct buf row;
	enum store_err err = fulltext_status(account, &status);
	if (!err)
		err = content_count(account, status.watermark, &behind);
	if (err) {
		task->exit_at_end = ADMIN_EXIT_FAILED;
		admin_store_error(task, task->user.address, err);
		return OP_DONE;
	}
	admin_row_begin(task, &row);
	admin_row_text(&row, "address", task->user.address);
	admin_row_number(&row, "indexed", status.contents);
	admin_row_number(&row, "behind", behind);
	admin_row_number(&row, "dead", status.dead);
	admin_row_number(&row, "texts", status.texts);
	admin_row_number(&row, "bytes", (int64_t)status.bytes);
	admin_row_end(task, &row);
	admin_say(task, "%s", "");
	return OP_DONE;
}
