/*
 * UIDBATCHES (RFC 10022): ranges of UIDs that hold as many messages each, from the highest down.  The view answers: a
 * batch costs two look-ups, so that mailboxes of any size are divided whole.
 *
 * Neighbouring ranges leave no UID out, and the last one ends with 1, so that a client sees that it is the last.
 */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "server/limits.h"

enum { LINE_BYTES = 24 /* of a range, about */ };

struct batches {
	uint64_t at, last; /* batches, from 1: the next, and the last of those wanted that there are */
	bool begun;
};

/* RFC 10022 3.1.1: a client asks again when half a batch has come or gone.  Not every question is counted as one too
 * many, since batches are asked for in portions: what is refused is to be told the whole again and again. */
static bool may_ask(struct view *v, uint32_t size, uint64_t batches)
{
	struct view_batches *b = &v->batches;
	uint32_t n = v->uids.n, arrived = n - uids_lower(&v->uids, b->uidnext), gone = b->n + arrived - n;
	if ((uint64_t)arrived + gone > size / 2)
		*b = (struct view_batches){.n = n, .uidnext = v->uidnext};
	uint64_t told = size * batches < n ? size * batches : n;
	b->told += told > LIMIT_UIDBATCHES_MIN ? told : LIMIT_UIDBATCHES_MIN;
	return b->told <= ((uint64_t)n + LIMIT_UIDBATCHES_MIN) * LIMIT_UIDBATCHES_ROUNDS;
}

static void write_batch(const struct view *v, uint32_t size, uint64_t batch, bool first, struct buf *out)
{
	uint64_t n = v->uids.n, above = (batch - 1) * size; /* messages in the batches before */
	uint32_t hi = above ? uids_at(&v->uids, (uint32_t)(n - above)) - 1 : uids_last(&v->uids);
	uint32_t lo = n - above > size ? uids_at(&v->uids, (uint32_t)(n - above - size)) : 1;
	buf_add_char(out, first ? ' ' : ',');
	buf_add_u64(out, hi);
	buf_add_char(out, ':');
	buf_add_u64(out, lo);
}

static enum op_result batches_run(struct command *cmd, struct account *a)
{
	struct batches *b = cmd->state;
	uint32_t size = cmd->request.batches.size;
	(void)a;
	if (cmd->here && b->last - b->at >= LIMIT_QUICK_BYTES / LINE_BYTES && b->at <= b->last)
		return OP_AGAIN;
	bool first = !b->begun;
	if (first)
		response_batches_begin(&cmd->out, cmd->request.tag);
	b->begun = true;
	for (; b->at <= b->last && cmd->out.len < LIMIT_SLICE_BYTES; b->at++, first = false)
		write_batch(cmd->view, size, b->at, first, &cmd->out);
	cmd->more = cmd->open = b->at <= b->last;
	if (!cmd->more)
		buf_add_text(&cmd->out, "\r\n");
	command_ok(cmd, NULL, "Done");
	return OP_DONE;
}

enum step cmd_uidbatches(struct session *s, struct command *cmd)
{
	const struct batches_request *r = &cmd->request.batches;
	if (r->size < LIMIT_UIDBATCHES_MIN) {
		command_no(cmd, "TOOFEW", "A batch is of 500 messages at least"); /* RFC 10022 3.1.3.2 */
		return STEP_DONE;
	}
	struct view *v = session_view_to_change(s);
	struct batches *b = arena_alloc(&cmd->arena, sizeof(*b));
	uint64_t there = ((uint64_t)v->uids.n + r->size - 1) / r->size;
	b->at = r->first ? r->first : 1;
	b->last = r->last && r->last < there ? r->last : there;
	if (!may_ask(v, r->size, b->last >= b->at ? b->last - b->at + 1 : 0)) {
		command_no(cmd, "LIMIT", "The batches were told, and few messages have come or gone since");
		return STEP_DONE;
	}
	cmd->state = b;
	cmd->quick = true;
	return session_op(s, cmd, batches_run);
}
