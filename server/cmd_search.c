/*
 * SEARCH (RFC 3501 6.4.4), with ESEARCH (RFC 4731), WITHIN (RFC 5032), SEARCHRES (RFC 5182), FUZZY (RFC 6203) and PARTIAL
 * (RFC 9394), by the plan of search.h, in slices; between them other ops of the account have their turn, and a client that
 * goes away ends it.  Hits are one bit a message; they are written when all are known, in chunks.  A client that wants some
 * of the first or of the last hits only is not made to wait for the others: then the mailbox is asked from that end, up to
 * where they are known.
 *
 * Messages that were expunged and not told are no hits (RFC 2180 4.3).
 */
#include "server/answer.h"
#include "server/found.h"
#include "server/progress.h"

enum {
	NUMBERS_MAX = 1024, /* written between two looks at the chunk */
	BLOCK = 256         /* messages asked at once when the last ones come first */
};

struct find {
	struct search search;
	struct answer answer;
	struct uidset within; /* no others can match */
	uint64_t *hits;       /* a bit each message of the view */
	uint8_t *scores;      /* of each message of the view that is a hit, when they are wanted */
	uint64_t count;       /* of hits so far */
	uint64_t modseq;      /* the highest of them */
	uint64_t enough;      /* more need not be known */
	bool backwards;       /* the last messages are asked first */
	uint32_t from, below; /* the block that is asked: indexes of the view */
	uint32_t next;        /* the next of it to ask */
	bool answering;       /* all are known that need be */
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

static void note_hit(struct find *f, uint32_t index, uint64_t modseq)
{
	f->hits[index / 64] |= (uint64_t)1 << (index % 64);
	f->modseq = modseq > f->modseq ? modseq : f->modseq;
	f->count++;
}

/* What the walk knows without looking into messages. */
static void take_sure(struct find *f, struct search_walk *walk)
{
	uint64_t sure[SIEVE_WORDS];
	const struct view_stretch *st = &walk->stretch;
	search_walk_take(walk, sure);
	for (uint32_t word = 0; word < SIEVE_WORDS; word++) {
		for (uint64_t left = sure[word]; left; left &= left - 1) {
			uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(left);
			note_hit(f, st->index + at, st->slice->modseq[st->at + at]);
		}
	}
}

/* True when every message of the block was asked, or enough is known. */
static bool ask_block(struct find *f, const struct roster *r, struct slice *slice)
{
	struct search_walk walk;
	struct view_message m;
	enum search_answer answer;
	search_walk_init(&walk, &f->search, r, &f->within, f->next, f->below);
	while ((answer = search_walk_next(&walk, slice, &m)) == SEARCH_YES) {
		note_hit(f, m.index, m.slice->modseq[m.at]);
		if (f->scores)
			f->scores[m.index] = (uint8_t)f->search.score;
		else if (f->enough == UINT64_MAX)
			take_sure(f, &walk);
		if (f->count >= f->enough && !f->backwards)
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

/* A bit for each message of the view that the answer is about; the caller frees. */
static uint64_t *mark_meant(const struct find *f, uint32_t n)
{
	const struct answer *a = &f->answer;
	uint64_t *bits = xcalloc((size_t)n / 64 + 1, sizeof(*bits));
	if (answer_means_all(a)) {
		memcpy(bits, f->hits, ((size_t)n / 64 + 1) * sizeof(*bits));
		return bits;
	}
	uint32_t at = a->last ? hit_at(f, a->first) : n;
	for (uint64_t place = a->first; place <= a->last; place++, at++)
		answer_mark(bits, at = next_hit(f, at, n));
	if (a->count && (a->returns & RETURN_MIN))
		answer_mark(bits, hit_at(f, 1));
	if (a->count && (a->returns & RETURN_MAX))
		answer_mark(bits, hit_at(f, a->count));
	return bits;
}

/* ---- the answer ---- */

/* The next run of hits, from f->at on, whose numbers follow one another: at most `limit` of them. */
static bool next_run(struct find *f, const struct command *cmd, uint64_t limit, uint32_t *lo, uint32_t *hi)
{
	const uint32_t n = cmd->view->uids.n;
	limit = limit < f->left ? limit : f->left;
	if (limit == 0)
		return false;
	f->at = next_hit(f, f->at, n);
	*lo = *hi = found_number(cmd, f->at++);
	while (f->at < n && *hi - *lo + 1 < limit && is_hit(f, f->at) && found_number(cmd, f->at) == *hi + 1) {
		++*hi;
		f->at++;
	}
	f->left -= *hi - *lo + 1;
	return true;
}

/* To the first of the hits to be told. */
static void go_to_first(struct find *f)
{
	f->left = f->answer.last ? f->answer.last - f->answer.first + 1 : 0;
	f->at = f->answer.last ? hit_at(f, f->answer.first) : 0;
}

/* Chooses what is told, and saves it if that is wanted; false: the status says why not. */
static bool begin_answer(struct find *f, struct command *cmd, const struct roster *roster)
{
	f->answering = true;
	uint64_t *meant = answer_choose(&f->answer, cmd, f->count) ? mark_meant(f, cmd->view->uids.n) : NULL;
	bool ok = answer_settle(&f->answer, cmd, roster, meant, f->modseq);
	free(meant);
	go_to_first(f);
	return ok;
}

/* False: the chunk is full. */
static bool write_hits(struct find *f, struct command *cmd)
{
	uint32_t lo, hi;
	while (cmd->out.len < LIMIT_SLICE_BYTES) {
		if (!next_run(f, cmd, f->answer.extended ? UINT64_MAX : NUMBERS_MAX, &lo, &hi)) {
			answer_end_set(&f->answer, cmd);
			return true;
		}
		answer_add_range(&f->answer, cmd, lo, hi);
	}
	return false;
}

/* The same. */
static bool write_scores(struct find *f, struct command *cmd)
{
	if (!f->answer.scoring) {
		answer_begin_scores(&f->answer, cmd);
		go_to_first(f);
	}
	for (; f->left && cmd->out.len < LIMIT_SLICE_BYTES; f->left--) {
		f->at = next_hit(f, f->at, cmd->view->uids.n);
		answer_add_score(&f->answer, cmd, f->scores[f->at++]);
	}
	return f->left == 0;
}

/* The same. */
static bool write_answer(struct find *f, struct command *cmd)
{
	struct answer *a = &f->answer;
	if (a->returns == RETURN_SAVE) /* RFC 5182 2.1: nothing is told */
		return true;
	if (!a->begun)
		answer_begin(a, cmd, f->count ? found_number(cmd, hit_at(f, 1)) : 0,
			     f->count ? found_number(cmd, hit_at(f, f->count)) : 0);
	if (!a->scoring && !write_hits(f, cmd))
		return false;
	if ((a->returns & RETURN_RELEVANCY) && !write_scores(f, cmd))
		return false;
	answer_end(a, cmd);
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
	answer_init(&f->answer, r);
	f->enough = f->answer.returns & RETURN_COUNT ? UINT64_MAX : answer_enough(&f->answer, &r->partial, &f->backwards);
	if (!found_make(&f->search, s, cmd))
		return STEP_DONE;
	return session_op(s, cmd, search_run);
}
