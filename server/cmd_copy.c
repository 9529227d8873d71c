/*
 * COPY and MOVE (RFC 3501 6.4.7; RFC 6851), with COPYUID (RFC 4315 3).
 *
 * A COPY is one op: all or none, and a million messages take it half a second, so that it has no progress to tell (RFC
 * 9585 4).  MOVE promises that of each message alone (RFC 6851 3.3): a huge set goes a piece at a
 * time, each piece with a COPYUID of its own.
 */
#include "server/session.h"

#include "server/batch.h"
#include "server/copyuid.h"
#include "server/limits.h"
#include "server/progress.h"
#include "storage/copy.h"
#include "storage/usage.h"

struct copy {
	struct uidset set;
	bool resolved;
	struct batch batch; /* of the set: what is still to be done */
	struct copyuid code; /* of what was done last, until it is told */
};

static void copy_finish(struct command *cmd)
{
	struct copy *c = cmd->state;
	uidset_finish(&c->set);
	copyuid_finish(&c->code);
}

static enum store_err copy(struct copy *c, struct command *cmd, struct account *a, const struct uidset *set, int64_t target)
{
	bool move = cmd->request.kind == CMD_MOVE;
	struct copy_result result = {0};
	enum store_err err = move ? messages_move(a, cmd->view->mailbox, set, target, &result)
				  : messages_copy(a, cmd->view->mailbox, set, target, &result);
	if (!err)
		err = usage_check(a);
	command_store_error(cmd, err);
	if (!err && result.n)
		copyuid_init(&c->code, &result);
	cmd->expunged = cmd->expunged || (move && !err && result.n > 0);
	copy_result_finish(&result);
	return err;
}

/* The COPYUID of a MOVE's piece, untagged and before the EXPUNGEs (RFC 6851 4.3).  False when the chunk is full. */
static bool tell_moved(struct copy *c, struct command *cmd)
{
	if (cmd->request.kind != CMD_MOVE || c->code.n == 0)
		return true;
	if (!c->code.begun)
		buf_add_text(&cmd->out, "* OK [");
	if (!copyuid_write(&c->code, &cmd->out, LIMIT_SLICE_BYTES))
		return false;
	buf_add_text(&cmd->out, "] Moved\r\n");
	copyuid_finish(&c->code);
	return true;
}

/* That of a COPY, in its tagged line, once everything else is told: on the loop. */
static enum step tell_copied(struct session *s, struct command *cmd)
{
	struct copy *c = cmd->state;
	struct buf *out = session_out(s);
	if (c->code.n == 0)
		return STEP_DONE;
	if (!c->code.begun)
		command_begin_ok(cmd, out);
	return copyuid_write(&c->code, out, out->len + LIMIT_SLICE_BYTES) ? STEP_DONE : STEP_AGAIN;
}

/* RFC 3501 6.4.7: all or none; so none when a sequence number names one that is gone (RFC 2180 4.4.1).  What is gone is
 * no longer in "$" (RFC 5182 2.1). */
static bool all_there(struct command *cmd, struct account *a, const struct uidset *set)
{
	struct roster *roster;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (err)
		command_store_error(cmd, err);
	else if (!cmd->request.uid && !cmd->request.copy.set.saved && view_names_gone(cmd->view, roster, set))
		command_no(cmd, "EXPUNGEISSUED", "Some of the messages are gone");
	else
		return true;
	return false;
}

static bool resolve(struct copy *c, struct command *cmd, struct account *a)
{
	if (!command_set(cmd, &c->set) || !all_there(cmd, a, &c->set))
		return false;
	batch_init(&c->batch, &c->set);
	c->resolved = true;
	return true;
}

static enum op_result copy_run(struct command *cmd, struct account *a)
{
	struct copy *c = cmd->state;
	struct uidset piece = {0};
	uint32_t n = cmd->request.kind == CMD_MOVE ? LIMIT_BATCH_MESSAGES : UINT32_MAX;
	int64_t target;
	if (c->code.begun) { /* its op is done, and its answer is not */
		cmd->more = cmd->open = !tell_moved(c, cmd);
		cmd->more = cmd->more || !batch_is_over(&c->batch);
		return OP_DONE;
	}
	if ((!c->resolved && !resolve(c, cmd, a)) || !command_mailbox(cmd, a, cmd->request.copy.name, "TRYCREATE", &target))
		return OP_DONE;
	batch_next(&c->batch, &cmd->view->uids, n, &piece); /* it may be empty: a UID set that names nothing */
	enum store_err err = copy(c, cmd, a, &piece, target);
	uidset_finish(&piece);
	if (err)
		return OP_FAILED;
	cmd->open = !tell_moved(c, cmd);
	cmd->more = cmd->open || !batch_is_over(&c->batch);
	if (cmd->more && !cmd->open)
		progress_tell(cmd, c->batch.given, batch_total(&c->batch, &cmd->view->uids));
	return OP_DONE;
}

enum step cmd_copy(struct session *s, struct command *cmd)
{
	cmd->state = arena_alloc(&cmd->arena, sizeof(struct copy));
	cmd->finish = copy_finish;
	cmd->in_pieces = cmd->request.kind == CMD_MOVE;
	cmd->step = cmd->request.kind == CMD_COPY ? tell_copied : NULL;
	return session_op(s, cmd, copy_run);
}

enum step cmd_move(struct session *s, struct command *cmd)
{
	if (!session_view(s)->read_only)
		return cmd_copy(s, cmd);
	command_no(cmd, NULL, "The mailbox is read-only");
	return STEP_DONE;
}
