/* LIST and LSUB (RFC 3501 6.3.8, 6.3.9; RFC 5258, 5819, 6154). */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "protocol/imap/pattern.h"
#include "protocol/imap/response_list.h"

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
	const struct list_request *l = &c->request.list;
	struct list_line line = {.response = lsub ? "LSUB" : "LIST", .name = m->name, .subscribed_below = childinfo};
	if (m->noselect && !(lsub && m->subscribed))
		line.attributes |= m->id == 0 && !lsub ? ATTRIBUTE_NONEXISTENT : ATTRIBUTE_NOSELECT;
	if (!lsub) {
		line.attributes |= m->has_children ? ATTRIBUTE_HASCHILDREN : ATTRIBUTE_HASNOCHILDREN;
		line.uses = m->special;
	}
	if ((l->options & (LIST_SELECT_SUBSCRIBED | LIST_RETURN_SUBSCRIBED)) && m->subscribed)
		line.attributes |= ATTRIBUTE_SUBSCRIBED;
	response_list(&c->out, &line, DIALECT_REV1);
}

/* A level that `pattern`'s last % names, though only deeper names are subscribed (RFC 3501 6.3.9). */
static void lsub_levels(struct command *c, const struct mailbox_names *names, const struct pattern *pattern)
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
		struct list_line root = {.response = "LIST", .attributes = ATTRIBUTE_NOSELECT, .name = ""};
		response_list(&c->out, &root, DIALECT_REV1);
		command_ok(c, NULL, "Done");
		return OP_DONE;
	}
	struct pattern *patterns = arena_alloc(&c->arena, l->patterns_n * sizeof(*patterns));
	for (size_t i = 0; i < l->patterns_n; i++)
		pattern_init(&patterns[i], &c->arena, l->reference, l->patterns[i], DIALECT_REV1);
	struct mailbox_names names;
	enum store_err err = mailbox_list(a, &names);
	for (size_t i = 0; i < names.n && !err; i++) {
		struct mailbox_name *m = &names.v[i];
		bool matches = false;
		for (size_t k = 0; k < l->patterns_n && !matches; k++)
			matches = pattern_matches(&patterns[k], m->name);
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
		lsub_levels(c, &names, &patterns[0]);
	mailbox_names_finish(&names);
	command_store_error(c, err);
	return OP_DONE;
}

enum step cmd_list(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, list_run);
}

