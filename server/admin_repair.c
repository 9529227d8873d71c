/* roost check --repair: what the check found is mended (storage/repair.h), step by step, and looked at again. */
#include "server/admin.h"

#include "server/accounts.h"
#include "server/intake.h"
#include "storage/check.h"
#include "storage/content.h"
#include "storage/frame.h"
#include "storage/jump.h"
#include "storage/mailbox.h"
#include "storage/repair.h"
#include "storage/sweep.h"
#include "storage/usage.h"

#include <inttypes.h>
#include <stdarg.h>

enum { USES_A_STEP = 20 };

enum repair_stage { REPAIR_STRUCTURE, REPAIR_CONTENTS, REPAIR_RECOVER, REPAIR_JUMP, REPAIR_SWEEP, REPAIR_PROOF };

struct repairing {
	struct admin_task *task;
	enum repair_stage stage;
	struct repair repair;
	int64_t *damaged;
	struct repair_uses uses;
	size_t at; /* in them */
	uint64_t found;
};

void admin_repair_finish(struct repairing *p)
{
	if (!p)
		return;
	repair_uses_finish(&p->uses);
	free(p->damaged);
	free(p);
}

static void on_mended(void *ctx, const char *line)
{
	struct repairing *p = ctx;
	struct buf row;
	admin_row_begin(p->task, &row);
	admin_row_text(&row, "address", p->task->user.address);
	admin_row_text(&row, "mended", line);
	admin_row_text(&row, "account", p->task->user.account);
	admin_row_end(p->task, &row);
}

void admin_repair_begin(struct admin_task *task)
{
	struct repairing *p = xcalloc(1, sizeof(*p));
	size_t n;
	const int64_t *damaged = check_damaged(task->check, &n);
	p->task = task;
	p->found = check_result(task->check).damage;
	p->damaged = xmalloc(n * sizeof(*p->damaged));
	if (n)
		memcpy(p->damaged, damaged, n * sizeof(*p->damaged));
	p->repair = (struct repair){.report = on_mended, .ctx = p, .damaged = p->damaged, .damaged_n = n};
	check_destroy(task->check);
	task->check = NULL;
	task->repairing = p;
	task->more = true;
}

/* ---- damaged contents ---- */

/* What can be read of the content, to the intake; *lost bytes of it cannot. */
static enum store_err salvage(struct account *a, int64_t content, uint32_t size, struct intake *in, uint64_t *lost)
{
	struct bytes header;
	char *buffer = xmalloc(FRAME_BYTES);
	enum store_err err = STORE_OK;
	for (uint64_t at = 0; at < size && !err; at += FRAME_BYTES) {
		size_t len = size - at < FRAME_BYTES ? (size_t)(size - at) : FRAME_BYTES;
		enum store_err read = content_read(a, content, at, len, buffer);
		if (read == STORE_OK) {
			err = intake_write(in, span_make(buffer, len));
			continue;
		}
		*lost += len;
		/* The header block is kept twice. */
		if (at == 0 && content_header(a, content, &header) == STORE_OK && header.len <= len) {
			err = intake_write(in, span_make(header.ptr, header.len));
			*lost -= header.len;
		}
	}
	free(buffer);
	return err;
}

static void write_notice(struct intake *in, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void write_notice(struct intake *in, const char *fmt, ...)
{
	char text[600];
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	enum store_err err = intake_write(in, span_make(text, (size_t)len));
	(void)err; /* stays with the intake */
}

/* The message again, of what is left of it. */
static enum store_err renew(struct repairing *p, struct account *a, const struct repair_use *use, int64_t *content,
			    uint32_t *size)
{
	uint64_t lost = 0, whole = use->entry.size;
	struct intake *probe = intake_create(a, UINT32_MAX, false), *in = NULL;
	enum store_err err = salvage(a, use->entry.content, use->entry.size, probe, &lost);
	if (!err && lost == 0) {
		in = probe;
		probe = NULL;
	} else if (!err) {
		in = intake_create(a, UINT32_MAX, false);
		if (lost < whole) {
			write_notice(in, "X-Roost-Damage: %" PRIu64 " of %" PRIu64 " bytes are missing\r\n", lost, whole);
			lost = 0;
			err = salvage(a, use->entry.content, use->entry.size, in, &lost);
		} else {
			write_notice(in, "Subject: (this message is lost)\r\nFrom: MAILER-DAEMON <>\r\n\r\nOf a message of %" PRIu64
					 " bytes nothing could be read any more.\r\n", whole);
		}
	}
	intake_destroy(probe);
	if (!err)
		err = intake_finish(in, content, size);
	intake_destroy(in);
	char name[MAILBOX_NAME_BYTES_MAX + 1];
	if (!err && mailbox_path(a, use->mailbox, name) == STORE_OK)
		repair_told(&p->repair, "%s, UID %u: it is there again with a new UID; %" PRIu64 " of %" PRIu64 " bytes are missing",
			    name, use->entry.uid, lost, whole);
	return err;
}

/* All messages of the next content, and so for some contents. */
static enum store_err renew_some(struct repairing *p, struct account *a, bool *more)
{
	enum store_err err = p->uses.v || p->at ? STORE_OK : repair_uses(&p->repair, a, &p->uses);
	for (int n = 0; n < USES_A_STEP && p->at < p->uses.n && !err; n++) {
		const struct repair_use *use = &p->uses.v[p->at];
		int64_t content = 0;
		uint32_t size = 0;
		err = repair_disown(a, use->entry.content);
		if (!err)
			err = renew(p, a, use, &content, &size);
		for (int64_t old = use->entry.content; p->at < p->uses.n && p->uses.v[p->at].entry.content == old && !err; p->at++)
			err = repair_replace(a, &p->uses.v[p->at], content, size);
	}
	*more = !err && p->at < p->uses.n;
	return err;
}

/* ---- the stages ---- */

static void on_left(void *ctx, enum check_kind kind, const char *line)
{
	struct repairing *p = ctx;
	struct buf row;
	if (kind != CHECK_DAMAGE)
		return;
	admin_row_begin(p->task, &row);
	admin_row_text(&row, "address", p->task->user.address);
	admin_row_text(&row, "problem", line);
	admin_row_text(&row, "account", p->task->user.account);
	admin_row_end(p->task, &row);
}

static enum store_err prove(struct repairing *p, struct account *a)
{
	struct admin_task *task = p->task;
	enum store_err err = usage_load(a);
	struct check *c = err ? NULL : check_create(a, &admin_check_digest, on_left, p);
	bool more = c != NULL;
	if (!err && !c)
		err = STORE_BUSY;
	while (more && !err)
		err = check_step(c, &more);
	uint64_t left = c ? check_result(c).damage : 0;
	check_destroy(c);
	task->damage += left;
	task->accounts++;
	if (left)
		task->exit_at_end = ADMIN_EXIT_FAILED;
	if (admin_is_for_all(task))
		admin_say(task, "%llu accounts looked at, %llu problems are left", (unsigned long long)task->accounts,
			  (unsigned long long)task->damage);
	else
		admin_say(task, "%s: %llu problems found, %llu things mended, %llu problems are left", task->user.address,
			  (unsigned long long)p->found, (unsigned long long)p->repair.mended, (unsigned long long)left);
	return err;
}

/* In an op and a transaction of its own, as the jump is; none of the lane's is open. */
static enum store_err in_op(struct repairing *p, struct account *a, bool *again)
{
	const struct account_touched *touched;
	size_t n;
	uint64_t recovered;
	account_set_actor(a, "admin", "check --repair");
	enum store_err err = account_begin(a);
	if (err)
		return err;
	a->beyond_quota = true; /* nothing comes in that was not there */
	if (p->stage == REPAIR_STRUCTURE)
		err = repair_structure(&p->repair, a);
	else if (p->stage == REPAIR_CONTENTS)
		err = renew_some(p, a, again);
	else if (p->stage == REPAIR_RECOVER && p->repair.has_lost_segments)
		err = repair_recover(&p->repair, a, &recovered);
	else if (p->stage == REPAIR_SWEEP)
		err = sweep_step(a, again);
	if (!err && p->stage == REPAIR_RECOVER)
		err = repair_tidy(a);
	enum store_err end = account_end(a, !err);
	a->beyond_quota = false;
	if (!err)
		err = end;
	return err ? err : account_commit(a, &touched, &n);
}

static enum store_err do_stage(struct repairing *p, struct account *a, bool *again)
{
	*again = false;
	switch (p->stage) {
	case REPAIR_JUMP:
		repair_told(&p->repair, "modification sequences%s are set ahead: clients compare what they remember with what is there",
			    p->repair.uids_are_in_doubt ? " and UIDs" : "");
		return account_jump(a, a->modseq, p->repair.uids_are_in_doubt);
	case REPAIR_PROOF:
		return prove(p, a);
	case REPAIR_SWEEP:
		*again = true;
		for (enum store_err err = STORE_OK; *again;)
			if ((err = in_op(p, a, again)))
				return err;
		return STORE_OK;
	case REPAIR_STRUCTURE: case REPAIR_CONTENTS: case REPAIR_RECOVER:
		break;
	}
	return in_op(p, a, again);
}

enum op_result admin_repair(struct admin_task *task, struct account *account)
{
	struct repairing *p = task->repairing;
	bool again;
	if (account->in_transaction)
		return OP_AGAIN; /* what others changed is committed first */
	if (p->stage == REPAIR_SWEEP)
		sweep_start(account, accounts_retention_s(task->lane), true);
	enum store_err err = do_stage(p, account, &again);
	task->more = !err && (again || p->stage < REPAIR_PROOF);
	p->stage += !err && !again;
	if (task->more)
		return OP_DONE;
	admin_repair_finish(p);
	task->repairing = NULL;
	if (!err)
		return OP_DONE;
	admin_store_error(task, task->user.address, err);
	return OP_FAILED;
}
