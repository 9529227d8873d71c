/* LIST and LSUB (RFC 3501 6.3.8, 6.3.9; RFC 5258, 5819, 6154). */
#include "server/session.h"

#include "protocol/imap/names.h"

static const char *const special_names[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged",
					    "\\Junk", "\\Sent", "\\Trash", "\\Important"};
static bool has_match(const struct mailbox_names *names, const struct mailbox_name *m, bool lsub, uint32_t select)
{
	size_t len = strlen(m->name);
	for (size_t i = 0; i < names->n; i++) {
		const struct mailbox_name *o = &names->v[i];
		if (strncmp(o->name, m->name, len) == 0 && o->name[len] == '/' &&
		    ((lsub || (select & LIST_SELECT_SUBSCRIBED)) && o->subscribed))
			return true;
	}
	return false;
}

static void list_line(struct command *c, const struct mailbox_name *m, bool lsub, bool childinfo)
{
	struct request *r = &c->request;
	bool child_attributes = !lsub, special = m->special && !lsub;
	size_t start;
	buf_printf(&c->out, "* %s (", lsub ? "LSUB" : "LIST");
	start = c->out.len;
	if (m->noselect && !(lsub && m->subscribed))
		buf_add_text(&c->out, m->id == 0 && !lsub ? "\\NonExistent " : "\\Noselect ");
	if (child_attributes)
		buf_add_text(&c->out, m->has_children ? "\\HasChildren " : "\\HasNoChildren ");
	if ((r->list.options & (LIST_SELECT_SUBSCRIBED | LIST_RETURN_SUBSCRIBED)) && m->subscribed)
		buf_add_text(&c->out, "\\Subscribed ");
	for (size_t i = 0; special && i < countof(special_names); i++)
		if (m->special & 1u << i)
			buf_printf(&c->out, "%s ", special_names[i]);
	if (c->out.len > start)
		c->out.len--;
	buf_add_text(&c->out, ") \"/\" ");
	name_write(&c->out, m->name);
	if (childinfo)
		buf_add_text(&c->out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_add_text(&c->out, "\r\n");
}

/* A level that `pattern`'s last % names, though only deeper names are subscribed (RFC 3501 6.3.9). */
static void lsub_levels(struct command *c, const struct mailbox_names *names, struct span pattern)
{
	char last[NAME_BYTES_MAX + 1] = "";
	for (size_t i = 0; i < names->n; i++) {
		if (!names->v[i].subscribed)
			continue;
		for (const char *slash = names->v[i].name; (slash = strchr(slash + 1, '/'));) {
			struct mailbox_name level = {.noselect = true};
			char name[NAME_BYTES_MAX + 1];
			snprintf(name, sizeof(name), "%.*s", (int)(slash - names->v[i].name), names->v[i].name);
			level.name = name;
			bool subscribed = false;
			for (size_t k = 0; k < names->n; k++)
				subscribed = subscribed || (names->v[k].subscribed && strcmp(names->v[k].name, name) == 0);
			if (subscribed || strcmp(last, name) == 0 || !pattern_matches(pattern, name))
				continue;
			memcpy(last, name, sizeof(last));
			list_line(c, &level, true, false);
		}
	}
}

static enum op_result list_run(struct command *c, struct account *a)
{
	struct request *r = &c->request;
	const struct list_request *l = &r->list;
	bool lsub = r->kind == CMD_LSUB;
	if (!(l->options & LIST_EXTENDED) && l->patterns[0].len == 0 && !lsub) {
		buf_add_text(&c->out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		command_ok(c, NULL, "Done");
		return OP_DONE;
	}
	struct mailbox_names names;
	enum store_err err = mailbox_list(a, &names);
	for (size_t i = 0; i < names.n && !err; i++) {
		struct mailbox_name *m = &names.v[i];
		bool matches = false;
		for (size_t k = 0; k < l->patterns_n && !matches; k++) {
			struct buf full;
			struct span utf8;
			buf_init(&full, 1 << 17);
			buf_add_span(&full, l->reference);
			buf_add_span(&full, l->patterns[k]);
			/* Patterns are compared in the names' own form, so &...- is decoded where it can be. */
			struct buf wire;
			buf_init(&wire, NAME_BYTES_MAX * 8);
			name_write(&wire, m->name);
			bool ascii = strcmp(wire.data && wire.data[0] == '"' ? "" : (buf_add_char(&wire, 0), wire.data), "") != 0;
			(void)utf8;
			matches = pattern_matches(buf_span(&full), ascii ? wire.data : m->name);
			buf_finish(&wire);
			buf_finish(&full);
		}
		bool wanted = lsub || (l->options & LIST_SELECT_SUBSCRIBED) ? m->subscribed : m->id != 0;
		if (l->options & LIST_SELECT_SPECIAL)
			wanted = wanted && m->special;
		bool childinfo = matches && !wanted && (l->options & LIST_SELECT_RECURSIVE) &&
				 has_match(&names, m, false, l->options);
		if (!matches || (!wanted && !childinfo))
			continue;
		list_line(c, m, lsub, childinfo);
		if (l->status && !m->noselect)
			err = status_write(c, a, m->id, m->name);
	}
	if (lsub && !err && l->patterns[0].len && l->patterns[0].ptr[l->patterns[0].len - 1] == '%')
		lsub_levels(c, &names, l->patterns[0]);
	mailbox_names_finish(&names);
	command_store_error(c, err);
	return OP_DONE;
}

enum step cmd_list(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, list_run);
}

