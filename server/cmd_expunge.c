/* EXPUNGE, UID EXPUNGE (RFC 3501 6.4.3; RFC 4315 2.1).  What is gone is told by the session, before the tagged line. */
#include "server/session.h"

#include "storage/expunge.h"

static enum op_result expunge_run(struct command *cmd, struct account *a)
{
	struct view *v = cmd->view;
	struct uidset set = {0}, gone = {0};
	enum store_err err = STORE_OK;
	if (cmd->request.uid && !command_set(cmd, &set)) {
		uidset_finish(&set);
		return OP_DONE;
	}
	/* Only what this session was told of (RFC 9051 6.4.3 speaks of the mailbox as the client sees it). */
	if (!cmd->request.uid && v->uids.n)
		uidset_append(&set, 1, uids_last(&v->uids));
	if (set.n)
		err = messages_expunge(a, v->mailbox, &set, &gone);
	command_store_error(cmd, err);
	cmd->expunged = gone.n > 0;
	uidset_finish(&set);
	uidset_finish(&gone);
	return err ? OP_FAILED : OP_DONE;
}

enum step cmd_expunge(struct session *s, struct command *cmd)
{
	if (!session_view(s)->read_only)
		return session_op(s, cmd, expunge_run);
	command_no(cmd, NULL, "The mailbox is read-only");
	return STEP_DONE;
}
