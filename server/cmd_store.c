/*
 * STORE (RFC 3501 6.4.6): one op changes the flags of all messages of the set, or of none; a huge set is changed a piece
 * at a time.  The answer leaves in chunks.  Messages that were expunged and not told are passed over (RFC 2180 4.2.1).
 *
 * With UNCHANGEDSINCE those that changed meanwhile are left out, listed in MODIFIED, and told as they are, so that the
 * client need not ask (RFC 7162 3.1.3).  Only the flags that are added or removed count as changes then (3.1.12).
 */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "server/batch.h"
#include "server/limits.h"
#include "server/progress.h"
#include "storage/changes.h"
#include "storage/store.h"

struct store {
	struct uidset set;
	struct uidset modified; /* of it: left out by UNCHANGEDSINCE */
	bool resolved;
	struct batch batch; /* of the set: what is still to be stored */
	uint32_t next; /* index in the view of the next message to tell */
};

static void store_finish(struct command *cmd)
{
	struct store *st = cmd->state;
	uidset_finish(&st->set);
	uidset_finish(&st->modified);
}

static struct flag_spec spec_of(const struct store_request *r)
{
	return (struct flag_spec){r->flags.bits, r->flags.keywords.ptr};
}

/* Leaves in `newer` those of which the flags that are to be added or removed were changed: others' are none of this
 * command's business.  Where the journal cannot tell, all stay. */
static enum store_err spare_other_flags(const struct command *cmd, struct account *a, struct uidset *newer)
{
	const struct store_request *r = &cmd->request.store;
	struct flag_spec spec = spec_of(r);
	struct uidset changed = {0}, both = {0};
	enum store_err err = changes_of_flags(a, cmd->view->mailbox, r->unchanged_since, &spec, LIMIT_JOURNAL_ROWS, &changed);
	if (!err) {
		uidset_intersect(newer, &changed, &both);
		uidset_finish(newer);
		*newer = both;
	}
	uidset_finish(&changed);
	return err == STORE_LIMIT ? STORE_OK : err;
}

/* Too many to list: the client is to ask again for all that is not done yet. */
static void leave_out_rest(struct store *st, const struct view *v, const struct uidset *piece, struct uidset *left_out)
{
	struct uidset rest = {0};
	left_out->n = 0;
	for (size_t i = 0; i < piece->n; i++)
		uidset_append(left_out, piece->v[i].lo, piece->v[i].hi);
	batch_next(&st->batch, &v->uids, UINT32_MAX, &rest);
	for (size_t i = 0; i < rest.n; i++)
		uidset_append(left_out, rest.v[i].lo, rest.v[i].hi);
	uidset_finish(&rest);
}

/* Those of the piece that UNCHANGEDSINCE lets through.  What others change between two pieces is newer than the client's
 * mod-sequence like anything else. */
static enum store_err take_unchanged(struct store *st, const struct command *cmd, struct account *a,
				     const struct roster *roster, const struct uidset *piece, struct uidset *out)
{
	const struct store_request *r = &cmd->request.store;
	struct uidset newer = {0}, left_out = {0};
	uint32_t last = piece->v[piece->n - 1].hi;
	enum store_err err = STORE_OK;
	changes_flags(roster, r->unchanged_since, piece->v[0].lo, last < UINT32_MAX ? last + 1 : last, SIZE_MAX, &newer);
	uidset_intersect(piece, &newer, &left_out);
	if (left_out.n && r->op != STORE_REPLACE)
		err = spare_other_flags(cmd, a, &left_out);
	if (st->modified.n + left_out.n > LIMIT_MODIFIED_RANGES)
		leave_out_rest(st, cmd->view, piece, &left_out);
	uidset_subtract(piece, &left_out, out);
	for (size_t i = 0; i < left_out.n; i++)
		uidset_append(&st->modified, left_out.v[i].lo, left_out.v[i].hi);
	uidset_finish(&newer);
	uidset_finish(&left_out);
	return err;
}

static enum store_err store_set(struct command *cmd, struct account *a, const struct roster *roster,
				const struct uidset *set)
{
	const struct store_request *r = &cmd->request.store;
	struct view *v = cmd->view;
	struct uidset changed = {0};
	struct flag_spec spec = spec_of(r);
	enum flag_op op = r->op == STORE_ADD ? FLAG_ADD : (r->op == STORE_REMOVE ? FLAG_REMOVE : FLAG_SET);
	/* What others changed is told first; then this command's changes are all that is newer, and .SILENT means them. */
	bool told = view_tell_flags(v, a, roster, &cmd->out, cmd->request.uid);
	enum store_err err = messages_store(a, v->mailbox, set, op, &spec, &changed);
	if (!err && changed.n && told)
		v->flags_modseq = a->op_modseq;
	uidset_finish(&changed);
	return err;
}

static enum store_err store_piece(struct store *st, struct command *cmd, struct account *a, const struct roster *roster)
{
	struct uidset piece = {0}, unchanged = {0};
	enum store_err err = STORE_OK;
	if (batch_next(&st->batch, &cmd->view->uids, LIMIT_BATCH_MESSAGES, &piece)) {
		bool conditional = cmd->request.store.has_unchanged;
		if (conditional)
			err = take_unchanged(st, cmd, a, roster, &piece, &unchanged);
		if (!err)
			err = store_set(cmd, a, roster, conditional ? &unchanged : &piece);
	}
	uidset_finish(&piece);
	uidset_finish(&unchanged);
	return err;
}

/* False when the chunk is full. */
static bool tell(struct store *st, struct command *cmd, const struct account *a, const struct roster *roster)
{
	struct view_walk walk;
	struct view_message m;
	bool silent = cmd->request.store.silent;
	if (silent && !(cmd->dialect & DIALECT_CONDSTORE))
		return true;
	view_walk_init(&walk, cmd->view, roster, &st->set, st->next);
	while (cmd->out.len < LIMIT_SLICE_BYTES) {
		if (!view_walk_next(&walk, &m))
			return true;
		st->next = m.index + 1;
		if (m.gone)
			continue;
		if (silent && !uidset_has(&st->modified, m.uid))
			view_write_modseq(cmd->view, &m, cmd->request.uid, &cmd->out);
		else
			view_write_fetch(cmd->view, a, roster, &m, cmd->request.uid, &cmd->out);
	}
	return false;
}

/* "MODIFIED 2,5:7": UIDs, or sequence numbers for a STORE by these. */
static const char *modified(struct command *cmd, const struct uidset *uids)
{
	const struct uids *view = &cmd->view->uids;
	struct uidset numbers = {0};
	struct buf code;
	for (size_t i = 0; i < uids->n && !cmd->request.uid; i++)
		uidset_append(&numbers, uids_lower(view, uids->v[i].lo) + 1, uids_lower(view, uids->v[i].hi) + 1);
	const struct uidset *set = cmd->request.uid ? uids : &numbers;
	buf_init(&code, UINT32_MAX);
	buf_add_text(&code, "MODIFIED ");
	for (size_t i = 0; i < set->n; i++)
		response_range(&code, i == 0, set->v[i].lo, set->v[i].hi);
	const char *copy = arena_copy(&cmd->arena, buf_span(&code)).ptr;
	buf_finish(&code);
	uidset_finish(&numbers);
	return copy;
}

static enum op_result store_run(struct command *cmd, struct account *a)
{
	struct store *st = cmd->state;
	struct roster *roster;
	if (!st->resolved && !command_set(cmd, &st->set))
		return OP_DONE;
	if (!st->resolved)
		batch_init(&st->batch, &st->set);
	st->resolved = true;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (!err)
		err = store_piece(st, cmd, a, roster);
	command_store_error(cmd, err);
	if (err)
		return OP_FAILED;
	cmd->more = !batch_is_over(&st->batch) || !tell(st, cmd, a, roster);
	if (!batch_is_over(&st->batch))
		progress_tell(cmd, st->batch.given, batch_total(&st->batch, &cmd->view->uids));
	if (st->modified.n && !cmd->more)
		command_ok(cmd, modified(cmd, &st->modified), "These were changed by others");
	return OP_DONE;
}

enum step cmd_store(struct session *s, struct command *cmd)
{
	if (session_view(s)->read_only) {
		command_no(cmd, NULL, "The mailbox is read-only");
		return STEP_DONE;
	}
	if (cmd->request.store.has_unchanged)
		session_enable_condstore(s);
	cmd->state = arena_alloc(&cmd->arena, sizeof(struct store));
	cmd->finish = store_finish;
	cmd->in_pieces = true;
	return session_op(s, cmd, store_run);
}
