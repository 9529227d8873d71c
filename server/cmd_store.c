/*
 * STORE (RFC 3501 6.4.6): one op changes the flags of all messages of the set, or of none; the answer leaves in chunks.
 * Messages that were expunged and not told are passed over (RFC 2180 4.2.1).
 */
#include "server/session.h"

#include "server/limits.h"
#include "storage/store.h"

struct store {
	struct uidset set;
	bool stored;
	uint32_t next; /* index in the view of the next message to tell */
};

static void store_finish(struct command *cmd)
{
	struct store *st = cmd->state;
	uidset_finish(&st->set);
}

static enum store_err store(struct store *st, struct command *cmd, struct account *a, const struct roster *roster)
{
	const struct store_request *r = &cmd->request.store;
	struct view *v = cmd->view;
	struct uidset changed = {0};
	struct flag_spec spec = {r->flags.bits, r->flags.keywords.ptr};
	enum flag_op op = r->op == STORE_ADD ? FLAG_ADD : (r->op == STORE_REMOVE ? FLAG_REMOVE : FLAG_SET);
	/* What others changed is told first; then this command's changes are all that is newer, and .SILENT means them. */
	bool told = view_tell_flags(v, a, roster, &cmd->out, cmd->request.uid);
	enum store_err err = messages_store(a, v->mailbox, &st->set, op, &spec, &changed);
	if (!err && changed.n && told)
		v->flags_modseq = a->op_modseq;
	uidset_finish(&changed);
	return err;
}

/* False when the chunk is full. */
static bool tell(struct store *st, struct command *cmd, const struct account *a, const struct roster *roster)
{
	struct view_walk walk;
	struct view_message m;
	view_walk_init(&walk, cmd->view, roster, &st->set, st->next);
	while (cmd->out.len < LIMIT_SLICE_BYTES) {
		if (!view_walk_next(&walk, &m))
			return true;
		st->next = m.index + 1;
		if (!m.gone)
			view_write_fetch(cmd->view, a, roster, &m, cmd->request.uid, &cmd->out);
	}
	return false;
}

static enum op_result store_run(struct command *cmd, struct account *a)
{
	struct store *st = cmd->state;
	struct roster *roster;
	if (!st->stored && !command_set(cmd, &st->set))
		return OP_DONE;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (!err && !st->stored)
		err = store(st, cmd, a, roster);
	command_store_error(cmd, err);
	if (err)
		return OP_FAILED;
	st->stored = true;
	cmd->more = !cmd->request.store.silent && !tell(st, cmd, a, roster);
	return OP_DONE;
}

enum step cmd_store(struct session *s, struct command *cmd)
{
	if (session_view(s)->read_only) {
		command_no(cmd, NULL, "The mailbox is read-only");
		return STEP_DONE;
	}
	cmd->state = arena_alloc(&cmd->arena, sizeof(struct store));
	cmd->finish = store_finish;
	return session_op(s, cmd, store_run);
}
