/*
 * SORT (RFC 5256), with the keys of RFC 5957, RELEVANCY (RFC 6203), ESORT (RFC 5267 3), SEARCHRES (RFC 5182), PARTIAL
 * (RFC 9394) and MODSEQ (RFC 7162 3.1.9, 3.1.10).  The messages are found as SEARCH finds them, put in order from keys in
 * memory, and told in that order, each in slices.  The order is kept for who asks next, and mended when the mailbox has
 * changed a little.  Where it cannot be kept, a client that wants one end of it has only that end sorted.
 */
#include "server/answer.h"
#include "server/uid_order.h"

struct sorting {
	struct found found;
	struct sorter sorter;
	struct keeping keeping;
	struct uid_order order;
	struct answer answer;
	enum { SORTING_LOOKS, SORTING_FINDS, SORTING_ORDERS, SORTING_KEEPS, SORTING_TELLS } phase;
	uint64_t next; /* the place to be told next */
};

static void sorting_finish(struct command *cmd)
{
	struct sorting *s = cmd->state;
	uid_order_finish(&s->order);
	keeping_finish(&s->keeping);
	sorter_finish(&s->sorter);
	found_finish(&s->found);
}

/* COUNT and SAVE without more need no order. */
static bool needs_order(const struct sorting *s)
{
	return (s->answer.returns & (RETURN_ALL | RETURN_MIN | RETURN_MAX | RETURN_PARTIAL | RETURN_RELEVANCY)) != 0;
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

/* A bit for each message of the view that the answer is about; the caller frees. */
static uint64_t *mark_meant(const struct sorting *s, uint32_t n)
{
	const struct answer *a = &s->answer;
	uint64_t *bits = xcalloc((size_t)n / 64 + 1, sizeof(*bits));
	for (uint32_t i = 0; answer_means_all(a) && i < s->found.n; i++)
		answer_mark(bits, s->found.v[i].index);
	if (answer_means_all(a))
		return bits;
	for (uint64_t place = a->first; place <= a->last; place++)
		answer_mark(bits, index_at(s, place));
	if (a->count && (a->returns & RETURN_MIN))
		answer_mark(bits, index_at(s, 1));
	if (a->count && (a->returns & RETURN_MAX))
		answer_mark(bits, index_at(s, a->count));
	return bits;
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
	uint64_t *meant = answer_choose(&s->answer, cmd, count(s)) ? mark_meant(s, cmd->view->uids.n) : NULL;
	bool ok = answer_settle(&s->answer, cmd, roster, meant, s->found.modseq);
	free(meant);
	s->next = s->answer.first;
	return ok;
}

/* The next of them; in a set, with those that follow and whose numbers do: no range goes down (RFC 5267 3.2). */
static void write_next(struct sorting *s, struct command *cmd)
{
	uint32_t lo = number_at(s, cmd, s->next++), hi = lo;
	while (s->answer.extended && s->next <= s->answer.last && number_at(s, cmd, s->next) == hi + 1) {
		hi++;
		s->next++;
	}
	answer_add_range(&s->answer, cmd, lo, hi);
}

static void write_score(struct sorting *s, struct command *cmd)
{
	answer_add_score(&s->answer, cmd, s->found.scores[sorter_at(&s->sorter, s->next++ - 1)]);
}

/* False when the chunk is full. */
static bool write_answer(struct sorting *s, struct command *cmd)
{
	struct answer *a = &s->answer;
	if (a->returns == RETURN_SAVE) /* RFC 5182 2.1: nothing is told */
		return true;
	if (!a->begun) {
		uint32_t min = a->count && (a->returns & RETURN_MIN) ? number_at(s, cmd, 1) : 0;
		answer_begin(a, cmd, min, a->count && (a->returns & RETURN_MAX) ? number_at(s, cmd, a->count) : 0);
	}
	while (cmd->out.len < LIMIT_SLICE_BYTES) {
		if (s->next <= a->last && a->scoring) {
			write_score(s, cmd);
		} else if (s->next <= a->last) {
			write_next(s, cmd);
		} else if (!a->scoring && (a->returns & RETURN_RELEVANCY)) {
			answer_end_set(a, cmd);
			answer_begin_scores(a, cmd);
			s->next = a->first;
		} else {
			if (!a->scoring)
				answer_end_set(a, cmd);
			answer_end(a, cmd);
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
		s->sorter.want = answer_enough(&s->answer, &cmd->request.search.partial, &s->sorter.from_end);
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
	answer_init(&s->answer, r);
	sorter_init(&s->sorter, &s->found, r->sort, r->sort_n);
	if (!found_init(&s->found, session, cmd))
		return STEP_DONE;
	/* What else is told of the messages is known of those found alone. */
	if (needs_order(s) && !(s->answer.returns & (RETURN_SAVE | RETURN_RELEVANCY)) && !r->has_modseq)
		want_kept(s, r);
	return session_op(session, cmd, sort_run);
}
