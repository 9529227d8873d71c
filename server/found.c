#include "server/found.h"

#include "server/progress.h"

enum { FIRST_CAP = 256 };

bool found_make(struct search *search, struct session *s, struct command *cmd)
{
	switch (search_make(search, &cmd->arena, &cmd->request, session_view(s))) {
	case SEARCH_BAD_CHARSET:
		command_no(cmd, "BADCHARSET (US-ASCII UTF-8)", "This charset is not known");
		return false;
	case SEARCH_BAD_TEXT:
		command_bad(cmd, "A string is not in its charset");
		return false;
	case SEARCH_MADE:
		break;
	}
	if (cmd->request.search.has_modseq)
		session_enable_condstore(s);
	return true;
}

bool found_init(struct found *f, struct session *s, struct command *cmd)
{
	return found_make(&f->search, s, cmd);
}

void found_finish(struct found *f)
{
	search_finish(&f->search);
	uidset_finish(&f->within);
	found_forget(f);
}

void found_forget(struct found *f)
{
	free(f->v);
	free(f->scores);
	f->v = NULL;
	f->scores = NULL;
	f->n = f->cap = 0;
}

static void add(struct found *f, const struct view_message *m)
{
	const struct roster_slice *r = m->slice;
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : FIRST_CAP;
		f->v = xrealloc(f->v, (size_t)f->cap * sizeof(*f->v));
		if (f->search.scored)
			f->scores = xrealloc(f->scores, f->cap);
	}
	if (f->scores)
		f->scores[f->n] = (uint8_t)f->search.score;
	f->v[f->n++] = (struct found_message){.content = r->content[m->at], .arrived_s = r->internal_date[m->at],
					      .index = m->index, .size = r->size[m->at]};
	if (r->modseq[m->at] > f->modseq)
		f->modseq = r->modseq[m->at];
}

static void begin(struct found *f, const struct view *v)
{
	f->begun = true;
	if (!search_bounds(&f->search, &f->within) && v->uids.n)
		uidset_append(&f->within, 1, UINT32_MAX);
	if (f->only) {
		struct uidset all = f->within;
		f->within = (struct uidset){0};
		uidset_intersect(&all, f->only, &f->within);
		uidset_finish(&all);
	}
}

/* True when every message was asked. */
static bool ask(struct found *f, const struct roster *roster, struct slice *slice)
{
	struct search_walk walk;
	struct view_message m;
	enum search_answer answer;
	search_walk_init(&walk, &f->search, roster, &f->within, f->next, f->search.view->uids.n);
	while ((answer = search_walk_next(&walk, slice, &m)) == SEARCH_YES)
		add(f, &m);
	f->next = walk.next;
	return answer == SEARCH_NO;
}

enum found_state found_run(struct found *f, struct command *cmd, struct account *a, struct slice *slice)
{
	struct roster *roster;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (err) {
		command_store_error(cmd, err);
		return FOUND_FAILED;
	}
	search_resume(&f->search, a, cmd->view, &cmd->arena);
	if (!f->begun)
		begin(f, cmd->view);
	return ask(f, roster, slice) ? FOUND_ALL : FOUND_AGAIN;
}

enum op_result found_pause(const struct found *f, struct command *cmd)
{
	cmd->more = progress_tell(cmd, f->next, cmd->view->uids.n);
	return cmd->more ? OP_DONE : OP_AGAIN;
}

uint32_t found_number(const struct command *cmd, uint32_t index)
{
	return cmd->request.uid ? uids_at(&cmd->view->uids, index) : index + 1;
}
