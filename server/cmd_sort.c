/*
 * SORT (RFC 5256), with the keys of RFC 5957, RELEVANCY (RFC 6203), ESORT (RFC 5267 3), SEARCHRES (RFC 5182), PARTIAL
 * (RFC 9394) and MODSEQ (RFC 7162 3.1.9, 3.1.10).  The messages are found as SEARCH finds them, put in order from keys in
 * memory, and told in that order, each in slices.  The order is kept for who asks next, and mended when the mailbox has
 * changed a little.  Where it cannot be kept, a client that wants one end of it has only that end sorted.
 */
#include "protocol/imap/response.h"
#include "server/uid_order.h"

/* What is told: places in the order, from 1; none when `last` is 0. */
struct told {
	uint64_t first, last;
};

struct sorting {
	struct found found;
	struct sorter sorter;
	struct keeping keeping;
	struct uid_order order;
	uint32_t returns; /* RETURN_* */
	bool extended;    /* the answer is ESEARCH */
	enum { SORTING_LOOKS, SORTING_FINDS, SORTING_ORDERS, SORTING_KEEPS, SORTING_TELLS } phase;
	struct told told;
	uint64_t modseq;  /* of the messages that the answer is about; 0: untold */
	uint64_t next;    /* the place to be told next */
	bool headed, scoring, wrote_any; /* scoring: the set is written, and its scores are next */
};

static void sorting_finish(struct command *cmd)
{
	struct sorting *s = cmd->state;
	uid_order_finish(&s->order);
	keeping_finish(&s->keeping);
	sorter_finish(&s->sorter);
	found_finish(&s->found);
}

/* Whether one end of the order is enough: which, and how much of it. */
static void choose_end(struct sorting *s, const struct partial *p)
{
	uint32_t ends = s->returns & (RETURN_MIN | RETURN_MAX);
	uint64_t far = p->from > p->to ? p->from : p->to;
	if ((s->returns & RETURN_ALL) || (s->returns & (RETURN_RELEVANCY | RETURN_PARTIAL)) == RETURN_RELEVANCY)
		return;
	if (ends == (RETURN_MIN | RETURN_MAX) || (p->from && ends == (p->backwards ? RETURN_MIN : RETURN_MAX)))
		return;
	if (!ends && !p->from)
		return;
	s->sorter.from_end = p->backwards || (ends & RETURN_MAX);
	s->sorter.want = far > 1 ? far : 1;
}

/* COUNT and SAVE without more need no order. */
static bool needs_order(const struct sorting *s)
{
	return (s->returns & (RETURN_ALL | RETURN_MIN | RETURN_MAX | RETURN_PARTIAL | RETURN_RELEVANCY)) != 0;
}

/* How many were found. */
static uint32_t count(const struct sorting *s)
{
	return s->keeping.now ? (uint32_t)(kept_data(s->keeping.now).len / sizeof(uint32_t)) : s->found.n;
}

/* Not of an order that is kept. */
static uint32_t index_at(const struct sorting *s, uint64_t place)
{
	return s->found.v[sorter_at(&s->sorter, place - 1)].index;
}

static uint32_t number_at(const struct sorting *s, const struct command *cmd, uint64_t place)
{
	if (!s->keeping.now)
		return found_number(cmd, index_at(s, place));
	uint32_t uid = ((const uint32_t *)kept_data(s->keeping.now).ptr)[place - 1];
	return cmd->request.uid ? uid : uids_lower(&cmd->view->uids, uid) + 1;
}

/* ---- what is meant: saved as "$", and of which MODSEQ is ---- */

/* All that were found count, not just those that are named (RFC 5182 2.4, RFC 9394 3.2, RFC 4731 3.2). */
static bool means_all(const struct sorting *s)
{
	return (s->returns & (RETURN_ALL | RETURN_COUNT)) || !(s->returns & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL));
}

static void mark(uint64_t *bits, uint32_t index)
{
	bits[index / 64] |= (uint64_t)1 << (index % 64);
}

/* A bit for each message of the view that the answer is about; the caller frees. */
static uint64_t *mark_meant(const struct sorting *s, uint32_t n)
{
	uint64_t *bits = xcalloc((size_t)n / 64 + 1, sizeof(*bits));
	if (means_all(s)) {
		for (uint32_t i = 0; i < s->found.n; i++)
			mark(bits, s->found.v[i].index);
		return bits;
	}
	for (uint64_t place = s->told.first; place <= s->told.last; place++)
		mark(bits, index_at(s, place));
	if (s->found.n && (s->returns & RETURN_MIN))
		mark(bits, index_at(s, 1));
	if (s->found.n && (s->returns & RETURN_MAX))
		mark(bits, index_at(s, s->found.n));
	return bits;
}

/* The UIDs that are meant, until there are more ranges than `ranges`.  A range goes over UIDs that the view does not have:
 * no message will have them. */
static void add_meant(const struct sorting *s, const struct view *v, size_t ranges, struct uidset *out)
{
	uint64_t *bits = mark_meant(s, v->uids.n);
	for (uint32_t i = 0; i < v->uids.n && out->n <= ranges; i++) {
		if (!(bits[i / 64] >> (i % 64) & 1))
			continue;
		uint32_t first = i;
		while (i + 1 < v->uids.n && (bits[(i + 1) / 64] >> ((i + 1) % 64) & 1))
			i++;
		uidset_append(out, uids_at(&v->uids, first), uids_at(&v->uids, i));
	}
	free(bits);
}

/* False: it is too much. */
static bool save(const struct sorting *s, struct view *v)
{
	struct uidset out = {0};
	add_meant(s, v, LIMIT_SAVED_RANGES, &out);
	uidset_finish(&v->saved);
	v->saved = out;
	return out.n <= LIMIT_SAVED_RANGES;
}

/* The highest of the messages that the answer is about (RFC 4731 3.2); 0 when it is not to be told. */
static uint64_t answer_modseq(const struct sorting *s, const struct command *cmd, const struct roster *r)
{
	struct uidset meant = {0};
	struct view_walk walk;
	struct view_message m;
	uint64_t highest = 0;
	if (!cmd->request.search.has_modseq || s->found.n == 0 || means_all(s))
		return cmd->request.search.has_modseq ? s->found.modseq : 0;
	add_meant(s, cmd->view, SIZE_MAX - 1, &meant);
	view_walk_init(&walk, cmd->view, r, &meant, 0);
	while (view_walk_next(&walk, &m))
		if (!m.gone && m.slice->modseq[m.at] > highest)
			highest = m.slice->modseq[m.at];
	uidset_finish(&meant);
	return highest;
}

/* ---- the answer ---- */

/* Chooses what is told, and saves it if that is wanted; false: the status says why not. */
static bool begin_answer(struct sorting *s, struct command *cmd, struct account *a)
{
	struct roster *roster;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (err) {
		command_store_error(cmd, err);
		return false;
	}
	s->phase = SORTING_TELLS;
	s->told = (struct told){.first = 1, .last = s->returns & RETURN_ALL ? count(s) : 0};
	if ((s->returns & RETURN_PARTIAL) &&
	    !partial_places(&cmd->request.search.partial, count(s), &s->told.first, &s->told.last))
		s->told.last = 0;
	s->next = s->told.first;
	s->modseq = answer_modseq(s, cmd, roster);
	if ((s->returns & RETURN_SAVE) && !save(s, cmd->view)) {
		command_no(cmd, "NOTSAVED", "There is too much to be saved"); /* RFC 5182 2.5 */
		return false;
	}
	return true;
}

static void write_head(struct sorting *s, struct command *cmd)
{
	s->headed = true;
	if (!s->extended) {
		response_sort_begin(&cmd->out);
		return;
	}
	struct response_esearch e = {.tag = cmd->request.tag, .uid = cmd->request.uid, .count = count(s),
				     .has_count = (s->returns & RETURN_COUNT) != 0};
	if (count(s) && (s->returns & RETURN_MIN))
		e.min = number_at(s, cmd, 1);
	if (count(s) && (s->returns & RETURN_MAX))
		e.max = number_at(s, cmd, count(s));
	response_esearch_begin(&cmd->out, &e);
	if (s->returns & RETURN_PARTIAL)
		response_esearch_partial(&cmd->out, &cmd->request.search.partial);
	else if (s->told.last)
		response_esearch_all(&cmd->out);
}

static void end_set(const struct sorting *s, struct command *cmd)
{
	if (s->returns & RETURN_PARTIAL)
		response_esearch_partial_end(&cmd->out, s->wrote_any);
}

static void write_end(const struct sorting *s, struct command *cmd)
{
	if (!s->extended) {
		response_search_end(&cmd->out, s->modseq);
		return;
	}
	if (s->scoring)
		response_esearch_scores_end(&cmd->out);
	else
		end_set(s, cmd);
	response_esearch_end(&cmd->out, s->modseq);
}

/* The next of them; in a set, with those that follow and whose numbers do: no range goes down (RFC 5267 3.2). */
static void write_next(struct sorting *s, struct command *cmd)
{
	uint32_t lo = number_at(s, cmd, s->next++), hi = lo;
	if (!s->extended) {
		response_search_range(&cmd->out, lo, lo);
		return;
	}
	while (s->next <= s->told.last && number_at(s, cmd, s->next) == hi + 1) {
		hi++;
		s->next++;
	}
	response_range(&cmd->out, !s->wrote_any, lo, hi);
	s->wrote_any = true;
}

/* Of those that were told; of all, where none were (RFC 6203 4). */
static void begin_scores(struct sorting *s, struct command *cmd)
{
	s->scoring = true;
	s->wrote_any = false;
	if (!(s->returns & (RETURN_ALL | RETURN_PARTIAL)))
		s->told = (struct told){.first = 1, .last = count(s)};
	s->next = s->told.first;
	response_esearch_scores(&cmd->out);
}

static void write_score(struct sorting *s, struct command *cmd)
{
	response_score(&cmd->out, !s->wrote_any, s->found.scores[sorter_at(&s->sorter, s->next++ - 1)]);
	s->wrote_any = true;
}

/* False when the chunk is full. */
static bool write_answer(struct sorting *s, struct command *cmd)
{
	if (s->returns == RETURN_SAVE) /* RFC 5182 2.1: nothing is told */
		return true;
	if (!s->headed)
		write_head(s, cmd);
	while (cmd->out.len < LIMIT_SLICE_BYTES) {
		if (s->next <= s->told.last && s->scoring) {
			write_score(s, cmd);
		} else if (s->next <= s->told.last) {
			write_next(s, cmd);
		} else if (!s->scoring && (s->returns & RETURN_RELEVANCY)) {
			end_set(s, cmd);
			begin_scores(s, cmd);
		} else {
			write_end(s, cmd);
			return true;
		}
	}
	return false;
}

/* ---- the order ---- */

/* Is the order there from an earlier command, or one that can be mended? */
static bool look(struct sorting *s, struct command *cmd, struct account *a)
{
	struct roster *roster;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (err) {
		command_store_error(cmd, err);
		return false;
	}
	keeping_look(&s->keeping, a, cmd->view, roster);
	if (s->keeping.old)
		s->found.only = &s->keeping.changed;
	if (!s->keeping.wanted)
		choose_end(s, &cmd->request.search.partial);
	s->phase = SORTING_FINDS;
	return s->keeping.now == NULL || begin_answer(s, cmd, a);
}

static enum sorter_state order(struct sorting *s, const struct command *cmd, struct account *a, struct slice *slice,
			       enum store_err *err)
{
	enum sorter_state state = SORTER_DONE;
	if (s->phase == SORTING_ORDERS) {
		if (s->keeping.old)
			state = uid_order_mend(&s->order, &s->keeping, &s->sorter, cmd->view, a, slice, err);
		else if (needs_order(s))
			state = sorter_run(&s->sorter, a, slice, err);
		if (state != SORTER_DONE)
			return state;
		s->phase = SORTING_KEEPS;
	}
	if (!s->keeping.wanted)
		return SORTER_DONE;
	if (!s->keeping.old && !uid_order_make(&s->order, &s->sorter, cmd->view, slice))
		return SORTER_AGAIN;
	keeping_put(&s->keeping, a, uid_order_take(&s->order), s->found.search.err == STORE_OK);
	sorter_finish(&s->sorter);
	found_forget(&s->found);
	return SORTER_DONE;
}

static enum op_result sort_run(struct command *cmd, struct account *a)
{
	struct sorting *s = cmd->state;
	struct slice slice;
	slice_begin(&slice);
	cmd->more = false;
	if (s->phase == SORTING_LOOKS && !look(s, cmd, a))
		return OP_DONE;
	if (s->phase == SORTING_FINDS) {
		enum found_state state = found_run(&s->found, cmd, a, &slice);
		if (state != FOUND_ALL)
			return state == FOUND_AGAIN ? found_pause(&s->found, cmd) : OP_DONE;
		s->phase = SORTING_ORDERS;
	}
	if (s->phase != SORTING_TELLS) {
		enum store_err err = STORE_OK;
		enum sorter_state state = order(s, cmd, a, &slice, &err);
		if (state == SORTER_AGAIN)
			return OP_AGAIN;
		if (state == SORTER_FAILED)
			command_store_error(cmd, err);
		if (state == SORTER_FAILED || !begin_answer(s, cmd, a))
			return OP_DONE;
	}
	cmd->more = cmd->open = !write_answer(s, cmd);
	command_store_error(cmd, s->found.search.err);
	return OP_DONE;
}

static void want_kept(struct sorting *s, const struct search_request *r)
{
	unsigned char what[1 + 2 * SORT_KINDS] = {'S'};
	for (size_t i = 0; i < r->sort_n; i++) {
		what[1 + 2 * i] = (unsigned char)r->sort[i].kind;
		what[2 + 2 * i] = 1 + r->sort[i].reverse;
	}
	keeping_init(&s->keeping, &s->found.search, (struct bytes){what, sizeof(what)});
}

enum step cmd_sort(struct session *session, struct command *cmd)
{
	struct sorting *s = arena_alloc(&cmd->arena, sizeof(*s));
	const struct search_request *r = &cmd->request.search;
	cmd->state = s;
	cmd->finish = sorting_finish;
	s->extended = r->has_return;
	s->returns = r->has_return ? r->returns : RETURN_ALL;
	sorter_init(&s->sorter, &s->found, r->sort, r->sort_n);
	if (!found_init(&s->found, session, cmd))
		return STEP_DONE;
	/* What else is told of the messages is known of those found alone. */
	if (needs_order(s) && !(s->returns & (RETURN_SAVE | RETURN_RELEVANCY)) && !r->has_modseq)
		want_kept(s, r);
	return session_op(session, cmd, sort_run);
}
