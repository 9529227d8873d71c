/* roost search: a SEARCH program from the command line, and how it is answered. */
#include "server/admin_search.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/name.h"
#include "protocol/imap/parse.h"
#include "server/search_explain.h"
#include "storage/mailbox.h"

enum { SHOWN_MAX = 4096 /* bytes of UIDs in one row */ };

struct admin_search {
	struct search search;
	struct arena arena;
	struct view *view;
	struct uidset within, found;
	uint32_t next;
	uint64_t hits;
	uint64_t used_us;    /* on the lane */
};

void admin_search_finish(struct admin_search *s)
{
	if (!s)
		return;
	search_finish(&s->search);
	view_destroy(s->view);
	uidset_finish(&s->within);
	uidset_finish(&s->found);
	arena_finish(&s->arena);
	free(s);
}

/* False: that is said. */
static bool parse(struct admin_task *task, struct admin_search *s, struct request *out)
{
	struct parse_error error;
	struct buf text;
	buf_init(&text, LIMIT_IN_BYTES);
	buf_add_text(&text, "a UID SEARCH ");
	buf_add_text(&text, admin_value(task, "PROGRAM"));
	struct span command = arena_copy(&s->arena, buf_span(&text));
	bool ok = !text.failed && parse_request(&s->arena, command, DIALECT_UTF8, out, &error) == PARSE_OK &&
		  out->kind == CMD_SEARCH;
	if (!ok)
		admin_fail(task, "%s: not a SEARCH program (RFC 9051 6.4.4)", admin_value(task, "PROGRAM"));
	buf_finish(&text);
	return ok;
}

static bool begin(struct admin_task *task, struct account *account, struct admin_search *s, struct roster **roster)
{
	struct request request;
	struct span name;
	int64_t mailbox;
	const char *text = admin_value(task, "MAILBOX");
	enum store_err err = STORE_NOTFOUND;
	if (name_decode(&s->arena, span_of(text), DIALECT_UTF8, &name))
		err = mailbox_find(account, name.ptr, &mailbox);
	if (!err)
		err = roster_get(account, mailbox, roster);
	if (err) {
		admin_store_error(task, text, err);
		return false;
	}
	if (!parse(task, s, &request))
		return false;
	s->view = view_create(account, *roster, true);
	if (search_make(&s->search, &s->arena, &request, s->view) != SEARCH_MADE) {
		admin_fail(task, "%s: a charset or string is not valid", admin_value(task, "PROGRAM"));
		return false;
	}
	return true;
}

/* True when every message was asked. */
static bool walk(struct admin_search *s, struct account *account, const struct roster *roster)
{
	struct search_walk walk;
	struct view_message m;
	struct slice slice;
	enum search_answer answer;
	slice_begin(&slice);
	uint64_t begun_us = slice_now_us();
	search_resume(&s->search, account, s->view, &s->arena);
	if (!s->next && !s->within.n && !search_bounds(&s->search, &s->within))
		uidset_append(&s->within, 1, UINT32_MAX);
	search_walk_init(&walk, &s->search, roster, &s->within, s->next, s->view->uids.n);
	while ((answer = search_walk_next(&walk, &slice, &m)) == SEARCH_YES) {
		uidset_append(&s->found, m.uid, m.uid);
		s->hits++;
	}
	s->next = walk.next;
	s->used_us += slice_now_us() - begun_us;
	return answer == SEARCH_NO;
}

static void add_line(void *ctx, const struct search_line *line)
{
	struct admin_task *task = ctx;
	struct buf row, text;
	admin_row_begin(task, &row);
	buf_init(&text, 1 << 16);
	buf_add_span(&text, line->key);
	buf_add(&text, "", 1);
	admin_row_text(&row, "key", text.data);
	admin_row_text(&row, "by", line->by);
	if (line->named >= 0)
		admin_row_number(&row, "named", line->named);
	else
		admin_row_text(&row, "named", "");
	admin_row_number(&row, "looked", (int64_t)line->looked);
	admin_row_number(&row, "held", (int64_t)line->held);
	admin_row_end(task, &row);
	buf_finish(&text);
}

static void add_found(struct admin_task *task, const struct uidset *found)
{
	for (size_t i = 0; i < found->n;) {
		struct buf row, text;
		buf_init(&text, 1 << 16);
		for (; i < found->n && text.len < SHOWN_MAX; i++) {
			buf_printf(&text, "%s%lu", text.len ? "," : "", (unsigned long)found->v[i].lo);
			if (found->v[i].hi != found->v[i].lo)
				buf_printf(&text, ":%lu", (unsigned long)found->v[i].hi);
		}
		buf_add(&text, "", 1);
		admin_row_begin(task, &row);
		admin_row_text(&row, "uids", text.data);
		admin_row_end(task, &row);
		buf_finish(&text);
	}
}

static void tell(struct admin_task *task, const struct admin_search *s)
{
	if (!admin_value(task, "explain")) {
		add_found(task, &s->found);
		admin_say(task, "%s", "");
		return;
	}
	search_explain(&s->search, add_line, task);
	admin_say(task, "%llu of %u messages, in %llu us", (unsigned long long)s->hits, s->view->uids.n,
		  (unsigned long long)s->used_us);
}

enum op_result admin_search(struct admin_task *task, struct account *account)
{
	struct roster *roster;
	if (!task->search) {
		task->search = xcalloc(1, sizeof(*task->search));
		arena_init(&task->search->arena);
		if (!begin(task, account, task->search, &roster))
			return OP_DONE;
	} else {
		enum store_err err = roster_get(account, task->search->view->mailbox, &roster);
		if (err) {
			admin_store_error(task, admin_value(task, "MAILBOX"), err);
			return OP_DONE;
		}
	}
	if (!walk(task->search, account, roster))
		return OP_AGAIN;
	enum store_err err = task->search->search.err;
	if (err)
		admin_store_error(task, admin_value(task, "MAILBOX"), err);
	else
		tell(task, task->search);
	return OP_DONE;
}
