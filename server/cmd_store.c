/* STORE (RFC 3501 6.4.6). */
#include "server/session.h"

static void tell_flags(struct command *cmd, struct account *a, const struct roster *roster, const struct uidset *set)
{
	struct view *v = cmd->view;
	struct view_walk walk;
	struct view_message m;
	view_walk_init(&walk, v, roster, set, 0);
	while (view_walk_next(&walk, &m)) {
		if (m.gone)
			continue;
		buf_printf(&cmd->out, "* %u FETCH (", m.index + 1);
		if (cmd->request.uid)
			buf_printf(&cmd->out, "UID %u ", m.uid);
		view_flags_text(v, a, m.uid, m.slice->flagset[m.at], &cmd->out);
		buf_add_text(&cmd->out, ")\r\n");
	}
}

static enum store_err store(struct command *cmd, struct account *a, const struct uidset *set)
{
	const struct request *r = &cmd->request;
	struct view *v = cmd->view;
	struct uidset changed = {0};
	struct roster *roster;
	struct flag_spec spec = {r->store.flags.bits, r->store.flags.keywords.ptr};
	enum flag_op op = r->store.op == STORE_ADD ? FLAG_ADD : (r->store.op == STORE_REMOVE ? FLAG_REMOVE : FLAG_SET);
	/* What others changed is told first; then this command's own changes are known to be its own. */
	view_sync(v, a, &cmd->out, false, r->uid);
	enum store_err err = messages_store(a, v->mailbox, set, op, &spec, &changed);
	if (!err)
		err = roster_get(a, v->mailbox, &roster);
	if (!err) {
		if (!r->store.silent)
			tell_flags(cmd, a, roster, set);
		if (v->flags_modseq < roster->info.modseq)
			v->flags_modseq = roster->info.modseq;
	}
	uidset_finish(&changed);
	return err;
}

static enum op_result store_run(struct command *cmd, struct account *a)
{
	struct uidset set = {0};
	enum store_err err = STORE_OK;
	if (command_set(cmd, &set)) {
		err = store(cmd, a, &set);
		command_store_error(cmd, err);
	}
	uidset_finish(&set);
	return err ? OP_FAILED : OP_DONE;
}

enum step cmd_store(struct session *s, struct command *cmd)
{
	if (!session_view(s)->read_only)
		return session_op(s, cmd, store_run);
	command_no(cmd, NULL, "The mailbox is read-only");
	return STEP_DONE;
}
