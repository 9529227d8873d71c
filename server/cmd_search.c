/* SEARCH (RFC 3501 6.4.4), ESEARCH (4731), WITHIN (5032): each message against the program, cheap keys by the roster. */
#include "server/session.h"

#include "protocol/mime/mime.h"
#include "storage/content.h"

#include <time.h>

struct candidate {
	struct command *c;
	struct account *a;
	const struct roster_entry *e;
	uint32_t seq;
	const struct flagset *flags;
	int64_t now;
	bool has_content;
	int64_t sent;
	struct buf message, parts;
};

static bool in_set(const struct numset *set, uint32_t n, uint32_t star)
{
	for (size_t i = 0; i < set->n; i++) {
		uint32_t lo = set->v[i].lo ? set->v[i].lo : star, hi = set->v[i].hi ? set->v[i].hi : star;
		if ((lo <= n && n <= hi) || (hi <= n && n <= lo))
			return true;
	}
	return false;
}

static void load(struct candidate *m)
{
	struct content_row row;
	if (m->has_content || content_get(m->a, m->e->content, &row) != STORE_OK)
		return;
	m->has_content = true;
	m->sent = row.sent;
	buf_reset(&m->parts);
	buf_reset(&m->message);
	buf_add(&m->parts, row.parts.ptr, row.parts.len);
	char *to = buf_reserve(&m->message, row.size);
	if (to && content_read(m->a, m->e->content, 0, row.size, to) == STORE_OK)
		m->message.len = row.size;
}

static int64_t local_day(const struct roster_entry *e)
{
	int64_t local = e->internal_date + e->zone_min * 60;
	return local >= 0 ? local / 86400 : -((-local + 86399) / 86400);
}

static bool text_matches(struct candidate *m, const struct search_key *k)
{
	struct buf needle;
	load(m);
	struct span message = buf_span(&m->message), parts = buf_span(&m->parts);
	struct span header = span_make(message.ptr, mime_header_end(message));
	buf_init(&needle, 1 << 20);
	mime_fold(k->text, &needle);
	struct span folded = buf_span(&needle);
	bool hit = false;
	if (k->kind == SEARCH_HEADER || k->kind == SEARCH_FIELD) {
		bool any = k->text.len == 0 && k->kind == SEARCH_FIELD;
		hit = any || mime_header_contains(header, k->name, folded);
	} else {
		hit = k->text.len == 0 || (k->kind == SEARCH_TEXT && mime_header_contains(header, span_make("", 0), folded)) ||
		      mime_body_contains(message, parts, folded);
	}
	buf_finish(&needle);
	return hit;
}

static bool matches(struct candidate *m, const struct search_key *k)
{
	const struct view *v = m->c->view;
	int64_t day = k->number;
	switch (k->kind) {
	case SEARCH_ALL:
		return true;
	case SEARCH_FLAG:
		return (m->flags->system & k->bits) != 0;
	case SEARCH_KEYWORD:
		return flagset_has_keyword(m->flags, k->text.ptr, k->text.len);
	case SEARCH_RECENT:
		return uidset_has(&v->recent, m->e->uid);
	case SEARCH_SEQ:
		return in_set(&k->set, m->seq, v->n);
	case SEARCH_UID:
		return in_set(&k->set, m->e->uid, v->n ? v->uid[v->n - 1] : 0);
	case SEARCH_LARGER:
		return m->e->size > day;
	case SEARCH_SMALLER:
		return m->e->size < day;
	case SEARCH_BEFORE:
		return local_day(m->e) < day;
	case SEARCH_ON:
		return local_day(m->e) == day;
	case SEARCH_SINCE:
		return local_day(m->e) >= day;
	case SEARCH_OLDER:
		return m->e->internal_date <= m->now - day;
	case SEARCH_YOUNGER:
		return m->e->internal_date >= m->now - day;
	case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE:
		load(m);
		if (!m->has_content || m->sent == INT64_MIN)
			return false;
		return k->kind == SEARCH_SENTON ? m->sent == day : (k->kind == SEARCH_SENTBEFORE ? m->sent < day : m->sent >= day);
	case SEARCH_HEADER: case SEARCH_FIELD: case SEARCH_BODY: case SEARCH_TEXT:
		return text_matches(m, k);
	case SEARCH_AND:
		for (size_t i = 0; i < k->children_n; i++)
			if (!matches(m, k->children[i]))
				return false;
		return true;
	case SEARCH_OR:
		return matches(m, k->children[0]) || matches(m, k->children[1]);
	case SEARCH_NOT:
		return !matches(m, k->children[0]);
	}
	return false;
}

static void add_result(struct command *c, const struct uidset *hits, uint64_t count)
{
	struct request *r = &c->request;
	struct buf *out = &c->out;
	if (!r->search.has_return) {
		buf_add_text(out, "* SEARCH");
		for (size_t i = 0; i < hits->n; i++)
			for (uint32_t n = hits->v[i].lo; n <= hits->v[i].hi; n++) {
				buf_add_char(out, ' ');
				buf_add_u64(out, n);
			}
		buf_add_text(out, "\r\n");
		return;
	}
	buf_printf(out, "* ESEARCH (TAG \"%.*s\")%s", (int)r->tag.len, r->tag.ptr, r->uid ? " UID" : "");
	if ((r->search.returns & RETURN_MIN) && hits->n)
		buf_printf(out, " MIN %u", hits->v[0].lo);
	if ((r->search.returns & RETURN_MAX) && hits->n)
		buf_printf(out, " MAX %u", hits->v[hits->n - 1].hi);
	if (r->search.returns & RETURN_COUNT)
		buf_printf(out, " COUNT %llu", (unsigned long long)count);
	for (size_t i = 0; (r->search.returns & RETURN_ALL) && i < hits->n; i++) {
		buf_printf(out, i ? ",%u" : " ALL %u", hits->v[i].lo);
		if (hits->v[i].hi > hits->v[i].lo)
			buf_printf(out, ":%u", hits->v[i].hi);
	}
	buf_add_text(out, "\r\n");
}

static enum op_result search_run(struct command *c, struct account *a)
{
	struct request *r = &c->request;
	struct view *v = c->view;
	struct roster *roster;
	if (r->search.charset.ptr && !span_is(r->search.charset, "UTF-8") && !span_is(r->search.charset, "US-ASCII")) {
		command_no(c, "BADCHARSET (US-ASCII UTF-8)", "This charset is not known");
		return OP_DONE;
	}
	if (roster_get(a, v->mailbox, &roster) != STORE_OK) {
		command_no(c, "NONEXISTENT", "The mailbox is gone");
		return OP_DONE;
	}
	struct candidate m = {.c = c, .a = a, .now = time(NULL)};
	buf_init(&m.message, UINT32_MAX);
	buf_init(&m.parts, UINT32_MAX);
	struct uidset hits = {0};
	uint64_t count = 0;
	for (uint32_t i = 0, at = 0; i < v->n; i++) {
		while (at < roster->count && roster->uid[at] < v->uid[i])
			at++;
		if (at == roster->count || roster->uid[at] != v->uid[i])
			continue;
		struct roster_entry e;
		roster_read(roster, at, &e);
		m.e = &e;
		m.seq = i + 1;
		m.flags = flagset_get(a, e.flagset);
		m.has_content = false;
		if (!matches(&m, r->search.key))
			continue;
		uint32_t n = r->uid ? e.uid : m.seq;
		uidset_append(&hits, n, n);
		count++;
	}
	add_result(c, &hits, count);
	uidset_finish(&hits);
	buf_finish(&m.message);
	buf_finish(&m.parts);
	command_ok(c, NULL, "Done");
	return OP_DONE;
}

enum step cmd_search(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, search_run);
}
