/*
 * SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 6.3.1, 6.3.2, 6.4.2; RFC 3691).
 *
 * A SELECT that fails leaves nothing selected: the view before is gone before the attempt (RFC 3501 6.3.1).
 */
#include "server/session.h"

static const char system_flags[] = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

static void keywords_of(struct account *a, const struct roster *r, struct buf *out)
{
	struct keyword_set used;
	roster_keywords(a, r, &used);
	for (int id = -1; (id = keyword_set_next(&used, id + 1)) >= 0;) {
		buf_add_char(out, ' ');
		buf_add_text(out, keyword_name(a, id));
	}
}

static struct view *make_view(const struct roster *r, bool read_only)
{
	struct view *v = xcalloc(1, sizeof(*v));
	v->mailbox = r->info.id;
	v->read_only = read_only;
	v->uids = roster_snapshot(r);
	v->uidnext = r->info.uidnext;
	v->flags_modseq = v->gone_modseq = r->info.modseq;
	if (uids_last(&r->uids) > r->info.recent)
		uidset_append(&v->recent, r->info.recent + 1, uids_last(&r->uids));
	return v;
}

static void describe(struct command *cmd, struct account *a, const struct roster *r, bool read_only)
{
	struct buf *out = &cmd->out;
	uint32_t unseen = roster_first_unseen(a, r), first_recent = roster_lower(r, r->info.recent + 1);
	buf_printf(out, "* FLAGS (%s", system_flags);
	keywords_of(a, r, out);
	buf_printf(out, ")\r\n* %u EXISTS\r\n* %u RECENT\r\n", r->uids.n, r->uids.n - first_recent);
	if (unseen < r->uids.n)
		buf_printf(out, "* OK [UNSEEN %u] The first unseen message\r\n", unseen + 1);
	buf_printf(out, "* OK [PERMANENTFLAGS (%s", read_only ? "" : system_flags);
	if (!read_only)
		keywords_of(a, r, out);
	buf_printf(out, "%s)] Flags that are kept\r\n", read_only ? "" : " \\*");
	buf_printf(out, "* OK [UIDNEXT %u] The next UID\r\n* OK [UIDVALIDITY %u] UIDs are valid\r\n", r->info.uidnext,
		   r->info.uidvalidity);
}

static enum op_result select_run(struct command *cmd, struct account *a)
{
	int64_t id;
	struct roster *r;
	if (cmd->view)
		buf_add_text(&cmd->out, "* OK [CLOSED] The mailbox before is closed\r\n");
	view_destroy(cmd->view);
	cmd->view = NULL;
	if (!command_mailbox(cmd, a, cmd->request.mailbox.name, "NONEXISTENT", &id))
		return OP_DONE;
	enum store_err err = roster_get(a, id, &r);
	if (err) {
		command_store_error(cmd, err);
		return OP_DONE;
	}
	bool read_only = cmd->request.kind == CMD_EXAMINE;
	uint32_t old;
	cmd->view = make_view(r, read_only);
	describe(cmd, a, r, read_only);
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
