#include "server/answer.h"

#include "protocol/imap/response.h"
#include "server/limits.h"

void answer_init(struct answer *a, const struct search_request *r)
{
	*a = (struct answer){.extended = r->has_return, .returns = r->has_return ? r->returns : RETURN_ALL};
}

uint64_t answer_enough(const struct answer *a, const struct partial *p, bool *out_from_end)
{
	uint32_t ends = a->returns & (RETURN_MIN | RETURN_MAX);
	uint64_t far = p->from > p->to ? p->from : p->to;
	*out_from_end = false;
	if ((a->returns & RETURN_ALL) || (a->returns & (RETURN_RELEVANCY | RETURN_PARTIAL)) == RETURN_RELEVANCY)
		return UINT64_MAX;
	if (ends == (RETURN_MIN | RETURN_MAX) || (p->from && ends == (p->backwards ? RETURN_MIN : RETURN_MAX)))
		return UINT64_MAX;
	if (!ends && !p->from)
		return UINT64_MAX;
	*out_from_end = p->backwards || (ends & RETURN_MAX);
	return far > 1 ? far : 1;
}

bool answer_means_all(const struct answer *a)
{
	return (a->returns & (RETURN_ALL | RETURN_COUNT)) || !(a->returns & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL));
}

bool answer_choose(struct answer *a, const struct command *cmd, uint64_t count)
{
	a->count = count;
	a->first = 1;
	a->last = a->returns & RETURN_ALL ? count : 0;
	if ((a->returns & RETURN_PARTIAL) && !partial_places(&cmd->request.search.partial, count, &a->first, &a->last))
		a->last = 0;
	return (a->returns & RETURN_SAVE) || (cmd->request.search.has_modseq && count && !answer_means_all(a));
}

/* The UIDs of those that are marked, until there are more ranges than `ranges`.  A range goes over UIDs that the view does
 * not have: no message will have them. */
static void add_marked(const uint64_t *bits, const struct view *v, size_t ranges, struct uidset *out)
{
	for (uint32_t i = 0; i < v->uids.n && out->n <= ranges; i++) {
		if (!(bits[i / 64] >> (i % 64) & 1)) {
			i += bits[i / 64] ? 0 : 63 - i % 64;
			continue;
		}
		uint32_t first = i;
		while (i + 1 < v->uids.n && (bits[(i + 1) / 64] >> ((i + 1) % 64) & 1))
			i++;
		uidset_append(out, uids_at(&v->uids, first), uids_at(&v->uids, i));
	}
}

static uint64_t highest_of(const uint64_t *bits, const struct view *v, const struct roster *r)
{
	struct uidset meant = {0};
	struct view_walk walk;
	struct view_message m;
	uint64_t highest = 0;
	add_marked(bits, v, SIZE_MAX - 1, &meant);
	view_walk_init(&walk, v, r, &meant, 0);
	while (view_walk_next(&walk, &m))
		if (!m.gone && m.slice->modseq[m.at] > highest)
			highest = m.slice->modseq[m.at];
	uidset_finish(&meant);
	return highest;
}

bool answer_settle(struct answer *a, struct command *cmd, const struct roster *r, const uint64_t *meant, uint64_t highest)
{
	struct view *v = cmd->view;
	if (cmd->request.search.has_modseq) /* RFC 4731 3.2 */
		a->modseq = a->count == 0 || answer_means_all(a) ? highest : highest_of(meant, v, r);
	if (!(a->returns & RETURN_SAVE))
		return true;
	uidset_finish(&v->saved);
	add_marked(meant, v, LIMIT_SAVED_RANGES, &v->saved);
	if (v->saved.n <= LIMIT_SAVED_RANGES)
		return true;
	command_no(cmd, "NOTSAVED", "There is too much to be saved"); /* RFC 5182 2.5 */
	return false;
}

/* ---- writing ---- */

void answer_begin(struct answer *a, struct command *cmd, uint32_t min, uint32_t max)
{
	a->begun = true;
	if (!a->extended && cmd->request.kind == CMD_SORT)
		response_sort_begin(&cmd->out);
	else if (!a->extended)
		response_search_begin(&cmd->out);
	if (!a->extended)
		return;
	struct response_esearch e = {.tag = cmd->request.tag, .uid = cmd->request.uid, .count = a->count,
				     .has_count = (a->returns & RETURN_COUNT) != 0};
	if (a->returns & RETURN_MIN)
		e.min = min;
	if (a->returns & RETURN_MAX)
		e.max = max;
	response_esearch_begin(&cmd->out, &e);
	if (a->returns & RETURN_PARTIAL)
		response_esearch_partial(&cmd->out, &cmd->request.search.partial);
	else if (a->last)
		response_esearch_all(&cmd->out);
}

void answer_add_range(struct answer *a, struct command *cmd, uint32_t lo, uint32_t hi)
{
	if (a->extended)
		response_range(&cmd->out, !a->wrote_any, lo, hi);
	else
		response_search_range(&cmd->out, lo, hi);
	a->wrote_any = true;
}

void answer_end_set(struct answer *a, struct command *cmd)
{
	if (a->extended && (a->returns & RETURN_PARTIAL))
		response_esearch_partial_end(&cmd->out, a->wrote_any);
	a->wrote_any = false;
}

void answer_begin_scores(struct answer *a, struct command *cmd)
{
	a->scoring = true;
	if (!(a->returns & (RETURN_ALL | RETURN_PARTIAL))) {
		a->first = 1;
		a->last = a->count;
	}
	response_esearch_scores(&cmd->out);
}

void answer_add_score(struct answer *a, struct command *cmd, unsigned score)
{
	response_score(&cmd->out, !a->wrote_any, score);
	a->wrote_any = true;
}

void answer_end(const struct answer *a, struct command *cmd)
{
	if (a->scoring)
		response_esearch_scores_end(&cmd->out);
	if (a->extended)
		response_esearch_end(&cmd->out, a->modseq);
	else
		response_search_end(&cmd->out, a->modseq);
}
