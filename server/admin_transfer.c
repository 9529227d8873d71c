/* roost import and roost export, as the server does them: records in and out (transfer.h). */
#include "server/admin.h"

#include "server/admin_frame.h"
#include "server/mail_export.h"
#include "server/mail_import.h"
#include "storage/imported.h"
#include "storage/mailbox.h"

enum { PROBLEMS_SHOWN = 10000, OUTPUT_BYTES = 262144 };

static void on_problem(void *ctx, const char *mailbox, const char *source, const char *what)
{
	struct admin_task *task = ctx;
	struct buf row;
	if (task->rows++ >= PROBLEMS_SHOWN)
		return;
	admin_row_begin(task, &row);
	admin_row_text(&row, "mailbox", mailbox);
	admin_row_text(&row, "source", source);
	admin_row_text(&row, "problem", what);
	admin_row_end(task, &row);
}

static enum op_result end_badly(struct admin_task *task, enum store_err err)
{
	if (err == STORE_CANNOT)
		admin_fail(task, "what comes in makes no sense");
	else if (err == STORE_BUSY)
		admin_fail(task, "%s: another import into it has begun, and goes on", task->user.address);
	else
		admin_store_error(task, task->user.address, err);
	return OP_FAILED;
}

enum op_result admin_import_take(struct admin_task *task, struct account *account)
{
	struct transfer_record record;
	enum store_err err = STORE_OK;
	bool broken = false;
	if (!task->import) {
		const struct mail_import_rules how = {admin_value(task, "mailbox"), admin_value(task, "update") != NULL,
						      admin_value(task, "delete") != NULL, admin_value(task, "overwrite") != NULL};
		if (!how.update && (how.deletes || how.overwrite)) {
			admin_fail(task, "--delete and --overwrite go with --update");
			return OP_FAILED;
		}
		task->import = mail_import_create(account, &how, on_problem, task);
	}
	while (!err && transfer_read(buf_span(&task->input), &record, &broken)) {
		err = mail_import_take(task->import, account, &record);
		buf_drop(&task->input, record.size);
	}
	if (!err && (broken || (task->input_ended && task->input.len)))
		err = STORE_CANNOT;
	if (!err && task->input_ended)
		err = mail_import_end(task->import, account);
	if (!err)
		err = imported_note(account);
	return err ? end_badly(task, err) : OP_DONE;
}

static void add_count(struct buf *out, uint64_t n, const char *what)
{
	if (n)
		buf_printf(out, ", %llu %s", (unsigned long long)n, what);
}

enum op_result admin_import(struct admin_task *task, struct account *account)
{
	struct mail_import_counts n = mail_import_result(task->import);
	struct buf changes;
	(void)account;
	buf_init(&changes, 1000);
	add_count(&changes, n.updated, "have other flags now");
	add_count(&changes, n.kept, "have other flags there, were changed here, and stay (--overwrite)");
	add_count(&changes, n.deleted, "are gone there and were deleted");
	add_count(&changes, n.gone, "are gone there and stay (--delete)");
	admin_say(task, "%s: %llu messages taken in, %llu were there already%.*s; %llu mailboxes, %llu problems",
		  task->user.address, (unsigned long long)n.messages, (unsigned long long)n.known, (int)changes.len,
		  changes.len ? changes.data : "", (unsigned long long)n.mailboxes, (unsigned long long)n.problems);
	buf_finish(&changes);
	return OP_DONE;
}

enum op_result admin_export(struct admin_task *task, struct account *account)
{
	struct slice slice;
	struct buf records;
	bool more = false;
	enum store_err err = STORE_OK;
	if (!task->export)
		err = mail_export_create(account, admin_value(task, "mailbox"), &task->export);
	buf_init(&records, 2 * OUTPUT_BYTES);
	slice_begin(&slice);
	if (!err)
		err = mail_export_step(task->export, account, &slice, OUTPUT_BYTES, &records, &more);
	invariant(!records.failed);
	for (struct span rest = buf_span(&records); rest.len && !err;) {
		size_t n = rest.len < ADMIN_FRAME_MAX ? rest.len : ADMIN_FRAME_MAX;
		admin_frame_add(&task->out, ADMIN_BODY, span_make(rest.ptr, n));
		rest = span_after(rest, n);
	}
	buf_finish(&records);
	task->more = more;
	if (err) {
		admin_store_error(task, admin_value(task, "mailbox") ? admin_value(task, "mailbox") : task->user.address, err);
		return OP_FAILED;
	}
	struct mail_export_counts n = mail_export_result(task->export);
	admin_say(task, "%s: %llu messages of %llu mailboxes, %llu problems", task->user.address,
		  (unsigned long long)n.messages, (unsigned long long)n.mailboxes, (unsigned long long)n.problems);
	return OP_DONE;
}
