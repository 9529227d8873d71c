/*
 * EXPUNGE, UID EXPUNGE (RFC 3501 6.4.3; RFC 4315 2.1).  What is gone is told by the session, before the tagged line.
 * Where much is to go it goes a piece at a time.
 */
#include "server/session.h"

#include "server/batch.h"
#include "server/limits.h"
#include "server/progress.h"
#include "storage/expunge.h"

struct expunge {
	struct uidset set;
	bool resolved;
	struct batch batch; /* of the set: what is still to be looked at */
};

static void expunge_finish(struct command *cmd)
{
	struct expunge *e = cmd->state;
	uidset_finish(&e->set);
}

static bool resolve(struct expunge *e, struct command *cmd)
{
	const struct view *v = cmd->view;
	if (cmd->request.uid && !command_set(cmd, &e->set))
		return false;
	/* Only what this session was told of (RFC 9051 6.4.3 speaks of the mailbox as the client sees it). */
	if (!cmd->request.uid && v->uids.n)
		uidset_append(&e->set, 1, uids_last(&v->uids));
	batch_init(&e->batch, &e->set);
	e->resolved = true;
	return true;
}

static enum store_err expunge_piece(struct expunge *e, struct command *cmd, struct account *a)
{
	const struct view *v = cmd->view;
	struct uidset piece = {0}, gone = {0};
	struct roster *r;
	enum store_err err = roster_get(a, v->mailbox, &r);
	if (err)
		return err;
	/* A few are found in any number of messages at once. */
	uint32_t n = r->info.deleted > LIMIT_BATCH_MESSAGES ? LIMIT_BATCH_MESSAGES : UINT32_MAX;
	if (batch_next(&e->batch, &v->uids, n, &piece))
		err = messages_expunge(a, v->mailbox, &piece, &gone);
	cmd->expunged = cmd->expunged || gone.n > 0;
	uidset_finish(&piece);
	uidset_finish(&gone);
	return err;
}

static enum op_result expunge_run(struct command *cmd, struct account *a)
{
	struct expunge *e = cmd->state;
	enum store_err err = STORE_OK;
	if (!e->resolved && !resolve(e, cmd))
		return OP_DONE;
	if (!batch_is_over(&e->batch))
		err = expunge_piece(e, cmd, a);
	command_store_error(cmd, err);
	if (err)
		return OP_FAILED;
	cmd->more = !batch_is_over(&e->batch);
	if (cmd->more)
		progress_tell(cmd, e->batch.given, batch_total(&e->batch, &cmd->view->uids));
	return OP_DONE;
}

enum step cmd_expunge(struct session *s, struct command *cmd)
{
	if (session_view(s)->read_only) {
		command_no(cmd, NULL, "The mailbox is read-only");
		return STEP_DONE;
	}
	cmd->state = arena_alloc(&cmd->arena, sizeof(struct expunge));
	cmd->finish = expunge_finish;
	cmd->in_pieces = true;
	return session_op(s, cmd, expunge_run);
}
