/*
 * SEARCH (RFC 3501 6.4.4), with ESEARCH (RFC 4731), WITHIN (RFC 5032), SEARCHRES (RFC 5182), FUZZY (RFC 6203) and PARTIAL (RFC 9394), by
 * the plan of search.h, in slices; between them other ops of the account have their turn, and a client that goes away
 * ends it.  Hits are one bit a message; they are written when all are known, in
 * chunks.  A client that wants some of the first or of the last hits only is not made to wait for the others: then
 * the mailbox is asked from that end, up to where they are known.
 *
 * Messages that were expunged and not told are no hits (RFC 2180 4.3).
 */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "server/progress.h"
#include "server/search.h"
#include "server/slice.h"

enum {
	NUMBERS_MAX = 1024, /* written between two looks at the chunk */
	BLOCK = 256         /* messages asked at once when the last ones come first */
};

struct find {
	struct search search;
	uint32_t returns;     /* RETURN_* */
	bool extended;        /* the answer is ESEARCH */
	struct uidset within; /* no others can match */
	uint64_t *hits;       /* a bit each message of the view */
	uint8_t *scores;      /* of each message of the view that is a hit, when they are wanted */
	uint64_t count;       /* of hits so far */
	uint64_t modseq;      /* the highest of them; once all are known, of those the answer is about, 0: untold */
	uint64_t enough;      /* more need not be known */
	bool backwards;       /* the last messages are asked first */
	uint32_t from, below; /* the block that is asked: indexes of the view */
	uint32_t next;        /* the next of it to ask */
	/* Once all are known: the hits to be told, as places among all of them, from 1; none when `last` is 0. */
	uint64_t first, last;
	bool answering, writing, wrote_any, scoring; /* scoring: the hits are written, and their scores are next */
	uint32_t at;          /* index: hits before it are done */
	uint64_t left;        /* hits still to write */
};

static void find_finish(struct command *cmd)
{
	struct find *f = cmd->state;
	search_finish(&f->search);
	uidset_finish(&f->within);
	free(f->hits);
	free(f->scores);
}

/* Whether a part of the hits is enough, and from which end. */
static void plan(struct find *f, const struct search_request *r)
{
	const struct partial *p = &r->partial;
	uint32_t returns = f->returns, ends = returns & (RETURN_MIN | RETURN_MAX);
	uint64_t far = p->from > p->to ? p->from : p->to;
	f->enough = UINT64_MAX;
	if ((returns & (RETURN_ALL | RETURN_COUNT)) || (returns & (RETURN_RELEVANCY | RETURN_PARTIAL)) == RETURN_RELEVANCY || !(returns & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL)))
		return;
	if (ends == (RETURN_MIN | RETURN_MAX) || (p->from && ends == (p->backwards ? RETURN_MIN : RETURN_MAX)))
		return;
	f->backwards = p->backwards || (ends & RETURN_MAX);
	f->enough = far > 1 ? far : 1;
}

static void start_find(struct find *f, const struct view *v)
{
	if (f->hits)
		return;
	f->hits = xcalloc((size_t)v->uids.n / 64 + 1, sizeof(*f->hits));
	f->scores = f->search.scored ? xcalloc((size_t)v->uids.n + 1, sizeof(*f->scores)) : NULL;
	f->below = v->uids.n;
	f->from = f->next = f->backwards && f->below > BLOCK ? f->below - BLOCK : 0;
	if (!search_bounds(&f->search, &f->within) && v->uids.n)
		uidset_append(&f->within, 1, UINT32_MAX);
}

/* True when every message of the block was asked, or enough is known. */
static bool ask_block(struct find *f, const struct roster *r, struct slice *slice)
{
	struct search_walk walk;
	struct view_message m;
	enum search_answer answer;
	search_walk_init(&walk, &f->search, r, &f->within, f->next, f->below);
	while ((answer = search_walk_next(&walk, slice, &m)) == SEARCH_YES) {
		f->hits[m.index / 64] |= (uint64_t)1 << (m.index % 64);
		if (f->scores)
			f->scores[m.index] = (uint8_t)f->search.score;
		if (m.slice->modseq[m.at] > f->modseq)
			f->modseq = m.slice->modseq[m.at];
		if (++f->count >= f->enough && !f->backwards)
			return true;
	}
	f->next = walk.next;
	return answer == SEARCH_NO;
}

/* True when every message was asked that need be. */
static bool ask(struct find *f, const struct roster *r)
{
	struct slice slice;
	slice_begin(&slice);
	while (ask_block(f, r, &slice)) {
		if (f->from == 0 || f->count >= f->enough)
			return true;
		f->below = f->from;
		f->from = f->next = f->below > BLOCK ? f->below - BLOCK : 0;
	}
	return false;
}

/* How many messages are done, asked or not in question. */
static uint32_t asked(const struct find *f, const struct view *v)
{
	return f->backwards ? v->uids.n - f->below + (f->next - f->from) : f->next;
}

/* ---- hits by their places ---- */

static bool is_hit(const struct find *f, uint32_t index)
{
	return f->hits[index / 64] >> (index % 64) & 1;
}

/* The first index from `at` on that is a hit; n for none. */
static uint32_t next_hit(const struct find *f, uint32_t at, uint32_t n)
{
	while (at < n && !is_hit(f, at))
		at += f->hits[at / 64] == 0 ? 64 - at % 64 : 1;
	return at < n ? at : n;
}

/* The index of the hit at a place, which is from 1 to f->count. */
static uint32_t hit_at(const struct find *f, uint64_t place)
{
	size_t word = 0;
	for (; place > (uint64_t)__builtin_popcountll(f->hits[word]); word++)
		place -= (uint64_t)__builtin_popcountll(f->hits[word]);
	uint64_t bits = f->hits[word];
	for (; place > 1; place--)
		bits &= bits - 1;
	return (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
}

/* ---- what is meant: saved as "$", and of which MODSEQ is ---- */

/* Adds the hits at these places, until there are more ranges than `ranges`.  A range goes over UIDs that the view does not
 * have: no message will have them. */
static void add_places(const struct find *f, const struct view *v, uint64_t first, uint64_t last, size_t ranges,
		       struct uidset *out)
{
	uint32_t at = hit_at(f, first), n = v->uids.n;
	for (uint64_t left = last - first + 1; left && out->n <= ranges;) {
		uint32_t begin = at;
		for (; left && at < n && is_hit(f, at); at++)
			left--;
		uidset_append(out, uids_at(&v->uids, begin), uids_at(&v->uids, at - 1));
		at = next_hit(f, at, n);
	}
}

/* All hits count, not just those that are named: with ALL or COUNT, and where none are named (RFC 5182 2.4, RFC 9394 3.2,
 * RFC 4731 3.2). */
static bool means_all(const struct find *f)
{
	return (f->returns & (RETURN_ALL | RETURN_COUNT)) || !(f->returns & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL));
}

/* The UIDs of the hits that the answer is about. */
static void add_meant(const struct find *f, const struct view *v, size_t ranges, struct uidset *out)
{
	bool all = means_all(f);
	uint64_t first = all ? 1 : f->first, last = all ? f->count : f->last;
	if (f->count == 0)
		return;
	if ((f->returns & RETURN_MIN) && (last == 0 || first > 1))
		add_places(f, v, 1, 1, ranges, out);
	if (last)
		add_places(f, v, first, last, ranges, out);
	if ((f->returns & RETURN_MAX) && last < f->count && (last || f->count > 1 || !(f->returns & RETURN_MIN)))
		add_places(f, v, f->count, f->count, ranges, out);
}

/* False: it is too much. */
static bool save(const struct find *f, struct view *v)
{
	struct uidset out = {0};
	add_meant(f, v, LIMIT_SAVED_RANGES, &out);
	uidset_finish(&v->saved);
	v->saved = out;
	return out.n <= LIMIT_SAVED_RANGES;
}

/* RFC 4731 3.2: the highest of the messages that the answer is about; 0 when it is not to be told. */
static uint64_t answer_modseq(const struct find *f, const struct command *cmd, const struct roster *r)
{
	struct uidset meant = {0};
	struct view_walk walk;
	struct view_message m;
	uint64_t highest = 0;
	if (!cmd->request.search.has_modseq || f->count == 0 || means_all(f))
		return cmd->request.search.has_modseq ? f->modseq : 0;
	add_meant(f, cmd->view, SIZE_MAX - 1, &meant);
	view_walk_init(&walk, cmd->view, r, &meant, 0);
	while (view_walk_next(&walk, &m))
		if (!m.gone && m.slice->modseq[m.at] > highest)
			highest = m.slice->modseq[m.at];
	uidset_finish(&meant);
	return highest;
}

/* ---- the answer ---- */

static uint32_t number_of(const struct command *cmd, uint32_t index)
{
	return cmd->request.uid ? uids_at(&cmd->view->uids, index) : index + 1;
}

/* The next run of hits, from f->at on, whose numbers follow one another: at most `limit` of them. */
static bool next_run(struct find *f, const struct command *cmd, uint64_t limit, uint32_t *lo, uint32_t *hi)
{
	const uint32_t n = cmd->view->uids.n;
	limit = limit < f->left ? limit : f->left;
	if (limit == 0)
		return false;
	f->at = next_hit(f, f->at, n);
	*lo = *hi = number_of(cmd, f->at++);
	while (f->at < n && *hi - *lo + 1 < limit && is_hit(f, f->at) && number_of(cmd, f->at) == *hi + 1) {
		++*hi;
		f->at++;
	}
	f->left -= *hi - *lo + 1;
	return true;
}

/* To the first of the hits from place `first` to `last`. */
static void go_to(struct find *f, uint64_t first, uint64_t last)
{
	f->left = last ? last - first + 1 : 0;
	f->at = last ? hit_at(f, first) : 0;
}

/* Chooses what is told, and saves it if that is wanted; false: the status says why not. */
static bool begin_answer(struct find *f, struct command *cmd, const struct roster *roster)
{
	f->answering = true;
	f->first = 1;
	f->last = f->returns & RETURN_ALL ? f->count : 0;
	if ((f->returns & RETURN_PARTIAL) && !partial_places(&cmd->request.search.partial, f->count, &f->first, &f->last))
		f->last = 0;
	f->modseq = answer_modseq(f, cmd, roster);
	if ((f->returns & RETURN_SAVE) && !save(f, cmd->view)) {
		command_no(cmd, "NOTSAVED", "There is too much to be saved"); /* RFC 5182 2.5 */
		return false;
	}
	go_to(f, f->first, f->last);
	return true;
}

static void write_head(struct find *f, struct command *cmd)
{
	f->writing = true;
	if (!f->extended) {
		response_search_begin(&cmd->out);
		return;
	}
	struct response_esearch e = {.tag = cmd->request.tag, .uid = cmd->request.uid, .count = f->count,
				     .has_count = (f->returns & RETURN_COUNT) != 0};
	if (f->count && (f->returns & RETURN_MIN))
		e.min = number_of(cmd, hit_at(f, 1));
	if (f->count && (f->returns & RETURN_MAX))
		e.max = number_of(cmd, hit_at(f, f->count));
	response_esearch_begin(&cmd->out, &e);
	if (f->returns & RETURN_PARTIAL)
		response_esearch_partial(&cmd->out, &cmd->request.search.partial);
	else if (f->left)
		response_esearch_all(&cmd->out);
}

static void end_hits(const struct find *f, struct command *cmd)
{
	if (f->extended && (f->returns & RETURN_PARTIAL))
		response_esearch_partial_end(&cmd->out, f->wrote_any);
}

/* False: the chunk is full. */
static bool write_hits(struct find *f, struct command *cmd)
{
	uint32_t lo, hi;
	while (cmd->out.len < LIMIT_SLICE_BYTES) {
		if (!next_run(f, cmd, f->extended ? UINT64_MAX : NUMBERS_MAX, &lo, &hi)) {
			end_hits(f, cmd);
			return true;
		}
		if (f->extended)
			response_range(&cmd->out, !f->wrote_any, lo, hi);
		else
			response_search_range(&cmd->out, lo, hi);
		f->wrote_any = true;
	}
	return false;
}

/* Of the hits that were named; of all, where none were (RFC 6203 4). */
static bool write_scores(struct find *f, struct command *cmd)
{
	if (!f->scoring) {
		f->scoring = true;
		bool named = (f->returns & (RETURN_ALL | RETURN_PARTIAL)) != 0;
		go_to(f, named ? f->first : 1, named ? f->last : f->count);
		response_esearch_scores(&cmd->out);
		f->wrote_any = false;
	}
	for (; f->left && cmd->out.len < LIMIT_SLICE_BYTES; f->left--) {
		f->at = next_hit(f, f->at, cmd->view->uids.n);
		response_score(&cmd->out, !f->wrote_any, f->scores[f->at++]);
		f->wrote_any = true;
	}
	if (f->left)
		return false;
	response_esearch_scores_end(&cmd->out);
	return true;
}

static void write_end(const struct find *f, struct command *cmd)
{
	if (f->extended)
		response_esearch_end(&cmd->out, f->modseq);
	else
		response_search_end(&cmd->out, f->modseq);
}

/* False when the chunk is full. */
static bool write_answer(struct find *f, struct command *cmd)
{
	if (f->returns == RETURN_SAVE) /* RFC 5182 2.1: nothing is told */
		return true;
	if (!f->writing)
		write_head(f, cmd);
	if (!f->scoring && !write_hits(f, cmd))
		return false;
	if ((f->returns & RETURN_RELEVANCY) && !write_scores(f, cmd))
		return false;
	write_end(f, cmd);
	return true;
}

static enum op_result search_run(struct command *cmd, struct account *a)
{
	struct find *f = cmd->state;
	struct roster *roster;
	if (!f->answering) {
		enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
		if (err) {
			command_store_error(cmd, err);
			return OP_DONE;
		}
		search_resume(&f->search, a, cmd->view, &cmd->arena);
		start_find(f, cmd->view);
		if (!ask(f, roster)) {
			cmd->more = progress_tell(cmd, asked(f, cmd->view), cmd->view->uids.n);
			return cmd->more ? OP_DONE : OP_AGAIN;
		}
		if (!begin_answer(f, cmd, roster))
			return OP_DONE;
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
	const struct search_request *r = &cmd->request.search;
	f->extended = r->has_return;
	f->returns = r->has_return ? r->returns : RETURN_ALL;
	plan(f, r);
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
