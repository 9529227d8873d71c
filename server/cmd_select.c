/*
 * SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 6.3.1, 6.3.2, 6.4.2; RFC 3691).
 *
 * A SELECT that fails leaves nothing selected: the view before is gone before the attempt (RFC 3501 6.3.1).
 */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "storage/expunge.h"
#include "storage/mailbox.h"

static void describe(struct command *cmd, struct account *a, const struct roster *r)
{
	const struct view *v = cmd->view;
	struct buf *out = &cmd->out, flags;
	uint32_t unseen = roster_first_unseen(a, r), first_recent = roster_lower(r, r->info.recent + 1);
	buf_init(&flags, 1 << 20);
	view_write_keywords(v, a, &flags);
	response_flags(out, buf_span(&flags));
	response_number(out, r->uids.n, "EXISTS");
	response_number(out, r->uids.n - first_recent, "RECENT");
	if (unseen < r->uids.n)
		response_ok_number(out, "UNSEEN", (uint64_t)unseen + 1, "The first unseen message");
	response_permanent_flags(out, v->read_only ? span_make("", 0) : buf_span(&flags),
				 !v->read_only && view_takes_keywords(v));
	response_ok_number(out, "UIDNEXT", r->info.uidnext, "The next UID");
	response_ok_number(out, "UIDVALIDITY", r->info.uidvalidity, "UIDs are valid");
	response_ok_mailboxid(out, r->info.objectid);
	buf_finish(&flags);
}

static enum op_result select_run(struct command *cmd, struct account *a)
{
	int64_t id;
	struct roster *r;
	bool found = command_mailbox(cmd, a, cmd->request.mailbox.name, "NONEXISTENT", &id);
	if (cmd->here && found && !roster_loaded(a, id))
		return OP_AGAIN;
	if (cmd->view)
		response_status(&cmd->out, (struct span){0}, RESPONSE_OK, "CLOSED", "The mailbox before is closed");
	view_destroy(cmd->view);
	cmd->view = NULL;
	if (!found)
		return OP_DONE;
	enum store_err err = roster_get(a, id, &r);
	if (err) {
		command_store_error(cmd, err);
		return OP_DONE;
	}
	bool read_only = cmd->request.kind == CMD_EXAMINE;
	uint32_t old;
	cmd->view = view_create(a, r, read_only);
	describe(cmd, a, r);
	if (!read_only && mailbox_take_recent(a, id, &old) != STORE_OK)
		cmd->view->read_only = read_only = true;
	command_ok(cmd, read_only ? "READ-ONLY" : "READ-WRITE", "Selected");
	return OP_DONE;
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
	cmd->quick = true;
	return session_op(s, cmd, select_run);
}

enum step cmd_close(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, close_run);
}

enum step cmd_unselect(struct session *s, struct command *cmd)
{
	session_unselect(s);
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}
