/*
 * SEARCH (RFC 3501 6.4.4), with ESEARCH (RFC 4731) and WITHIN (RFC 5032), by straightforward execution: each message
 * of the view is asked, in slices; between them other ops of the account have their turn, and a client that goes away
 * ends it.  Hits are one bit a message; they are written when all are known, in chunks.
 *
 * Messages that were expunged and not told are no hits (RFC 2180 4.3).
 */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "server/search.h"
#include "server/slice.h"

enum { NUMBERS_MAX = 1024 /* written between two looks at the chunk */ };

struct find {
	struct search search;
	struct uidset within; /* no others can match */
	uint64_t *hits;       /* a bit each message of the view */
	uint32_t next;        /* index of the next message to ask */
	uint64_t count;
	uint32_t first, last; /* indexes of hits, when count > 0 */
	uint64_t modseq, first_modseq, last_modseq; /* the highest of all hits, and those of these two */
	/* While writing. */
	bool writing, wrote_any;
	uint32_t at;
};

static void find_finish(struct command *cmd)
{
	struct find *f = cmd->state;
	search_finish(&f->search);
	uidset_finish(&f->within);
	free(f->hits);
}

static void start_find(struct find *f, const struct view *v)
{
	if (f->hits)
		return;
	f->hits = xcalloc((size_t)v->uids.n / 64 + 1, sizeof(*f->hits));
	if (!search_bounds(&f->search, &f->within) && v->uids.n)
		uidset_append(&f->within, 1, UINT32_MAX);
}

/* True when every message was asked. */
static bool ask(struct find *f, const struct view *v, const struct roster *r)
{
	static const unsigned weights[] = {[COST_ROSTER] = 1, [COST_ROW] = 8, [COST_HEADER] = 16, [COST_BODY] = 256};
	struct slice slice;
	struct view_walk walk;
	struct view_message m;
	slice_begin(&slice);
	view_walk_init(&walk, v, r, &f->within, f->next);
	while (!slice_is_over(&slice, weights[f->search.cost])) {
		if (!view_walk_next(&walk, &m))
			return true;
		f->next = m.index;
		enum search_answer answer = m.gone ? SEARCH_NO : search_matches(&f->search, &m, &slice);
		if (answer == SEARCH_AGAIN)
			return false;
		f->next++;
		if (answer == SEARCH_NO)
			continue;
		f->hits[m.index / 64] |= (uint64_t)1 << (m.index % 64);
		f->last_modseq = m.slice->modseq[m.at];
		f->modseq = f->last_modseq > f->modseq ? f->last_modseq : f->modseq;
		if (f->count++ == 0) {
			f->first = m.index;
			f->first_modseq = f->last_modseq;
		}
		f->last = m.index;
	}
	return false;
}

/* ---- the answer ---- */

static uint32_t number_of(const struct command *cmd, uint32_t index)
{
	return cmd->request.uid ? uids_at(&cmd->view->uids, index) : index + 1;
}

static bool is_hit(const struct find *f, uint32_t index)
{
	return f->hits[index / 64] >> (index % 64) & 1;
}

/* RFC 4731 3.2: the highest of the messages that the answer names; 0 when none is to be told. */
static uint64_t answer_modseq(const struct find *f, const struct search_request *r)
{
	if (!r->has_modseq || f->count == 0)
		return 0;
	if (!r->has_return || (r->returns & (RETURN_ALL | RETURN_COUNT)))
		return f->modseq;
	uint64_t first = r->returns & RETURN_MIN ? f->first_modseq : 0, last = r->returns & RETURN_MAX ? f->last_modseq : 0;
	return first > last ? first : last;
}

/* The next run of hits, from f->at on, whose numbers follow one another: at most `limit` of them. */
static bool next_run(struct find *f, const struct command *cmd, uint32_t limit, uint32_t *lo, uint32_t *hi)
{
	const uint32_t n = cmd->view->uids.n;
	while (f->at < n && !is_hit(f, f->at))
		f->at += f->hits[f->at / 64] == 0 ? 64 - f->at % 64 : 1;
	if (f->at >= n)
		return false;
	*lo = *hi = number_of(cmd, f->at++);
	while (f->at < n && *hi - *lo < limit - 1 && is_hit(f, f->at) && number_of(cmd, f->at) == *hi + 1) {
		++*hi;
		f->at++;
	}
	return true;
}

static void begin_answer(struct find *f, struct command *cmd)
{
	const struct search_request *r = &cmd->request.search;
	f->writing = true;
	if (!r->has_return) {
		response_search_begin(&cmd->out);
		return;
	}
	struct response_esearch e = {.tag = cmd->request.tag, .uid = cmd->request.uid, .count = f->count,
				     .has_count = (r->returns & RETURN_COUNT) != 0};
	if (f->count && (r->returns & RETURN_MIN))
		e.min = number_of(cmd, f->first);
	if (f->count && (r->returns & RETURN_MAX))
		e.max = number_of(cmd, f->last);
	response_esearch_begin(&cmd->out, &e);
	if (!(r->returns & RETURN_ALL) || f->count == 0)
		f->at = cmd->view->uids.n;
	else
		response_esearch_all(&cmd->out);
}

/* False when the chunk is full. */
static bool write_answer(struct find *f, struct command *cmd)
{
	bool extended = cmd->request.search.has_return;
	uint32_t lo, hi;
	if (!f->writing)
		begin_answer(f, cmd);
	while (cmd->out.len < LIMIT_SLICE_BYTES) {
		if (!next_run(f, cmd, extended ? UINT32_MAX : NUMBERS_MAX, &lo, &hi)) {
			uint64_t modseq = answer_modseq(f, &cmd->request.search);
			if (extended)
				response_esearch_end(&cmd->out, modseq);
			else
				response_search_end(&cmd->out, modseq);
			return true;
		}
		if (extended)
			response_range(&cmd->out, !f->wrote_any, lo, hi);
		else
			response_search_range(&cmd->out, lo, hi);
		f->wrote_any = true;
	}
	return false;
}

static enum op_result search_run(struct command *cmd, struct account *a)
{
	struct find *f = cmd->state;
	struct roster *roster;
	if (!f->writing) {
		enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
		if (err) {
			command_store_error(cmd, err);
			return OP_DONE;
		}
		search_resume(&f->search, a, cmd->view, &cmd->arena);
		start_find(f, cmd->view);
		if (!ask(f, cmd->view, roster))
			return OP_AGAIN;
	}
	cmd->more = cmd->open = !write_answer(f, cmd);
	command_store_error(cmd, f->search.err);
	return OP_DONE;
}

enum step cmd_search(struct session *s, struct command *cmd)
{
	struct find *f = arena_alloc(&cmd->arena, sizeof(*f));
	cmd->state = f;
	cmd->finish = find_finish;
	switch (search_make(&f->search, &cmd->arena, &cmd->request, session_view(s))) {
	case SEARCH_BAD_CHARSET:
		command_no(cmd, "BADCHARSET (US-ASCII UTF-8)", "This charset is not known");
		return STEP_DONE;
	case SEARCH_BAD_TEXT:
		command_bad(cmd, "A string is not in its charset");
		return STEP_DONE;
	case SEARCH_MADE:
		break;
	}
	if (cmd->request.search.has_modseq)
		session_enable_condstore(s);
	return session_op(s, cmd, search_run);
}
