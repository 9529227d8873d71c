/*
 * SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 6.3.1, 6.3.2, 6.4.2; RFC 9051 6.3.2; RFC 3691; RFC 7162 3.1.8, 3.2.5).
 *
 * A SELECT that fails leaves nothing selected: the view before is gone before the attempt (RFC 3501 6.3.1).
 */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "server/limits.h"
#include "server/list_tell.h"
#include "server/resync.h"
#include "server/slice.h"
#include "storage/expunge.h"
#include "storage/mailbox.h"
#include "storage/usage.h"

/* What QRESYNC tells behind the description, in as many chunks as it needs. */
struct select {
	bool resyncs;
	struct uidset known;
	struct vanished_earlier vanished;
	bool vanished_told;
	struct changed changed;
};

static void select_finish(struct command *cmd)
{
	struct select *st = cmd->state;
	uidset_finish(&st->known);
	vanished_finish(&st->vanished);
	changed_finish(&st->changed);
}

static void describe(struct command *cmd, struct account *a, const struct roster *r)
{
	bool rev2 = (cmd->dialect & DIALECT_REV2) != 0; /* LIST in place of RECENT and UNSEEN (RFC 9051 E 10-12) */
	const struct view *v = cmd->view;
	struct buf *out = &cmd->out, flags;
	uint32_t unseen = roster_first_unseen(a, r), first_recent = roster_lower(r, r->info.recent + 1);
	buf_init(&flags, 1 << 20);
	view_write_keywords(v, a, &flags);
	response_flags(out, buf_span(&flags));
	response_number(out, r->uids.n, "EXISTS");
	if (!rev2)
		response_number(out, r->uids.n - first_recent, "RECENT");
	/* UNSEEN is a sequence number (RFC 9586 3). */
	if (!rev2 && unseen < r->uids.n && !(v->dialect & DIALECT_UIDONLY))
		response_ok_number(out, "UNSEEN", (uint64_t)unseen + 1, "The first unseen message");
	response_permanent_flags(out, v->read_only ? span_make("", 0) : buf_span(&flags),
				 !v->read_only && view_takes_keywords(v));
	response_ok_number(out, "UIDNEXT", r->info.uidnext, "The next UID");
	response_ok_number(out, "UIDVALIDITY", r->info.uidvalidity, "UIDs are valid");
	response_ok_number(out, "HIGHESTMODSEQ", r->info.modseq, "The last change");
	response_ok_mailboxid(out, r->info.objectid);
	buf_finish(&flags);
}

/* What the client has is worth something only under the same UIDVALIDITY (RFC 7162 3.2.5). */
static enum store_err begin_resync(struct select *st, struct command *cmd, struct account *a, const struct roster *r)
{
	const struct select_request *q = &cmd->request.select;
	const struct view *v = cmd->view;
	if (!q->qresync || q->uidvalidity != r->info.uidvalidity)
		return STORE_OK;
	for (size_t i = 0; i < q->known.n; i++)
		uidset_append(&st->known, q->known.v[i].lo, q->known.v[i].hi);
	if (q->known.n == 0 && v->uidnext > 1)
		uidset_append(&st->known, 1, v->uidnext - 1);
	st->resyncs = true;
	changed_init(&st->changed, q->modseq, &st->known);
	return vanished_init(&st->vanished, a, v, q->modseq, &st->known,
			     resync_match(&q->match_seqs, &q->match_uids, &v->uids));
}

/* VANISHED before FETCH (RFC 7162 3.2.5.1). */
static enum store_err resync(struct select *st, struct command *cmd, struct account *a)
{
	struct view *v = cmd->view;
	struct roster *r;
	struct view_message m;
	struct slice slice;
	bool all = false;
	enum store_err err = roster_get(a, v->mailbox, &r);
	if (err)
		return err;
	if (!st->vanished_told)
		st->vanished_told = vanished_write(&st->vanished, v, LIMIT_SLICE_BYTES, &cmd->out);
	slice_begin(&slice);
	changed_resume(&st->changed, v, r);
	while (st->vanished_told && cmd->out.len < LIMIT_SLICE_BYTES && !slice_is_over(&slice, 1)) {
		all = !changed_next(&st->changed, &m);
		if (all)
			break;
		view_write_fetch(v, a, r, &m, true, &cmd->out);
	}
	cmd->more = !all;
	return STORE_OK;
}

/* Nothing is selected then (RFC 3501 6.3.1). */
static enum op_result fail(struct command *cmd, enum store_err err)
{
	view_destroy(cmd->view);
	cmd->view = NULL;
	cmd->more = false;
	command_store_error(cmd, err);
	return OP_DONE;
}

static enum op_result resync_run(struct command *cmd, struct account *a)
{
	enum store_err err = resync(cmd->state, cmd, a);
	return err ? fail(cmd, err) : OP_DONE;
}

static enum op_result select_run(struct command *cmd, struct account *a)
{
	struct select *st = cmd->state;
	int64_t id;
	struct roster *r;
	if (st->resyncs)
		return resync_run(cmd, a);
	bool found = command_mailbox(cmd, a, cmd->request.select.name, "NONEXISTENT", &id);
	if (cmd->here && found && !roster_loaded(a, id))
		return OP_AGAIN;
	if (cmd->view)
		response_status(&cmd->out, (struct span){0}, RESPONSE_OK, "CLOSED", "The mailbox before is closed");
	view_destroy(cmd->view);
	cmd->view = NULL;
	if (!found)
		return OP_DONE;
	enum store_err err = roster_get(a, id, &r);
	if (!err)
		err = list_tell_selected(cmd, a, &r->info, cmd->request.select.name);
	if (err) {
		command_store_error(cmd, err);
		return OP_DONE;
	}
	bool read_only = cmd->request.kind == CMD_EXAMINE;
	uint32_t old;
	cmd->view = view_create(a, r, read_only);
	cmd->view->dialect = cmd->dialect;
	describe(cmd, a, r);
	if (!read_only && mailbox_take_recent(a, id, &old) != STORE_OK)
		cmd->view->read_only = read_only = true;
	/* The mailbox is over what is then a soft quota (RFC 9208 4.3.1). */
	if (usage_is_over(a))
		response_status(&cmd->out, (struct span){0}, RESPONSE_NO, "OVERQUOTA", "There is more than the quota allows");
	command_ok(cmd, read_only ? "READ-ONLY" : "READ-WRITE", "Selected");
	err = begin_resync(st, cmd, a, r);
	if (err)
		return fail(cmd, err);
	return st->resyncs ? resync_run(cmd, a) : OP_DONE;
}


/* What is deleted goes without a word to this session (RFC 3501 6.4.2). */
static enum op_result close_run(struct command *cmd, struct account *a)
{
	struct uidset all = {0}, gone = {0};
	struct view *v = cmd->view;
	enum store_err err = STORE_OK;
	if (!v->read_only && v->uids.n) {
		uidset_append(&all, 1, uids_last(&v->uids));
		err = messages_expunge(a, v->mailbox, &all, &gone);
	}
	uidset_finish(&all);
	uidset_finish(&gone);
	if (err && err != STORE_NOTFOUND) {
		command_store_error(cmd, err);
		return OP_FAILED;
	}
	view_destroy(v);
	cmd->view = NULL;
	command_ok(cmd, NULL, "Closed");
	return OP_DONE;
}

enum step cmd_select(struct session *s, struct command *cmd)
{
	const struct select_request *r = &cmd->request.select;
	cmd->state = arena_alloc(&cmd->arena, sizeof(struct select));
	cmd->finish = select_finish;
	cmd->quick = !r->qresync; /* that reads the graveyard */
	if (r->condstore)
		session_enable(s, DIALECT_CONDSTORE);
	return session_op(s, cmd, select_run);
}

enum step cmd_close(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, close_run);
}

/* For a client that uses NOTIFY: what it was not told of the mailbox it is told once that is one among others. */
static enum op_result unselect_run(struct command *cmd, struct account *a)
{
	(void)a;
	view_destroy(cmd->view);
	cmd->view = NULL;
	command_ok(cmd, NULL, "Done");
	return OP_DONE;
}

enum step cmd_unselect(struct session *s, struct command *cmd)
{
	if (session_is_notified(s))
		return session_op(s, cmd, unselect_run);
	session_unselect(s);
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}
