/* CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS, SELECT, EXAMINE, CLOSE (RFC 3501 6.3, 6.4.2). */
#include "server/command.h"

#include "protocol/imap/names.h"

static const char *const special_names[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged",
					    "\\Junk", "\\Sent", "\\Trash", "\\Important"};

static void status_items(struct command_op *c, struct account *a, int64_t id, const char *name)
{
	struct mailbox_info info;
	struct roster *r;
	if (mailbox_info(a, id, &info) != STORE_OK)
		return;
	uint32_t recent = 0, want = c->request.status;
	if ((want & STATUS_RECENT) && roster_get(a, id, &r) == STORE_OK)
		recent = r->count - roster_lower(r, r->info.recent + 1);
	buf_add_text(&c->out, "* STATUS ");
	name_write(&c->out, name);
	const struct {
		const char *name;
		uint64_t value;
	} items[] = {{"MESSAGES", info.messages}, {"RECENT", recent}, {"UIDNEXT", info.uidnext},
		     {"UIDVALIDITY", info.uidvalidity}, {"UNSEEN", info.unseen}, {"SIZE", info.bytes},
		     {"APPENDLIMIT", (uint64_t)c->message_bytes_max}};
	char sep = '(';
	buf_add_char(&c->out, ' ');
	for (size_t i = 0; i < countof(items); i++) {
		if (!(want & 1u << i))
			continue;
		buf_printf(&c->out, "%c%s %llu", sep, items[i].name, (unsigned long long)items[i].value);
		sep = ' ';
	}
	buf_add_text(&c->out, ")\r\n");
}

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

static void list_line(struct command_op *c, const struct mailbox_name *m, bool lsub, bool childinfo)
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
	if ((r->list & (LIST_SELECT_SUBSCRIBED | LIST_RETURN_SUBSCRIBED)) && m->subscribed)
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
static void lsub_levels(struct command_op *c, const struct mailbox_names *names, struct span pattern)
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

static void run_list(struct command_op *c, struct account *a)
{
	struct request *r = &c->request;
	bool lsub = r->kind == CMD_LSUB;
	if (!(r->list & LIST_EXTENDED) && r->patterns[0].len == 0 && !lsub) {
		buf_add_text(&c->out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		command_tagged(c, "OK Done");
		return;
	}
	struct mailbox_names names;
	enum store_err err = mailbox_list(a, &names);
	for (size_t i = 0; i < names.n && !err; i++) {
		struct mailbox_name *m = &names.v[i];
		bool matches = false;
		for (size_t k = 0; k < r->patterns_n && !matches; k++) {
			struct buf full;
			struct span utf8;
			buf_init(&full, 1 << 17);
			buf_add_span(&full, r->mailbox);
			buf_add_span(&full, r->patterns[k]);
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
		bool wanted = lsub || (r->list & LIST_SELECT_SUBSCRIBED) ? m->subscribed : m->id != 0;
		if (r->list & LIST_SELECT_SPECIAL)
			wanted = wanted && m->special;
		bool childinfo = matches && !wanted && (r->list & LIST_SELECT_RECURSIVE) &&
				 has_match(&names, m, false, r->list);
		if (!matches || (!wanted && !childinfo))
			continue;
		list_line(c, m, lsub, childinfo);
		if (r->status && !m->noselect)
			status_items(c, a, m->id, m->name);
	}
	if (lsub && !err && r->patterns[0].len && r->patterns[0].ptr[r->patterns[0].len - 1] == '%')
		lsub_levels(c, &names, r->patterns[0]);
	mailbox_names_finish(&names);
	command_store_error(c, err);
}

bool run_mailbox(struct command_op *c, struct account *a)
{
	struct request *r = &c->request;
	if (r->kind == CMD_LIST || r->kind == CMD_LSUB) {
		run_list(c, a);
		return true;
	}
	int64_t id;
	struct span name, target = {0};
	bool valid = name_decode(&c->arena, r->mailbox, &name) &&
		     (r->kind != CMD_RENAME || name_decode(&c->arena, r->target, &target));
	if (!valid) {
		bool makes = r->kind == CMD_CREATE || r->kind == CMD_RENAME;
		command_tagged(c, makes ? "NO [CANNOT] This name cannot be used" : "NO [NONEXISTENT] There is no such mailbox");
		return false;
	}
	if (r->kind == CMD_STATUS) {
		if (command_mailbox(c, a, r->mailbox, &id, "NO [NONEXISTENT] There is no such mailbox")) {
			status_items(c, a, id, name.ptr);
			command_tagged(c, "OK Done");
		}
		return true;
	}
	enum store_err err = STORE_OK;
	if (r->kind == CMD_CREATE)
		err = mailbox_create(a, name.ptr, r->special, &id);
	else if (r->kind == CMD_DELETE)
		err = mailbox_delete(a, name.ptr);
	else if (r->kind == CMD_RENAME)
		err = mailbox_rename(a, name.ptr, target.ptr);
	else if (r->kind == CMD_SUBSCRIBE)
		err = subscription_add(a, name.ptr);
	else
		err = subscription_remove(a, name.ptr);
	command_store_error(c, err);
	return err == STORE_OK;
}

static void run_close(struct command_op *c, struct account *a)
{
	struct uidset all = {0}, gone = {0};
	uidset_append(&all, 1, UINT32_MAX);
	enum store_err err = c->view->read_only ? STORE_OK : messages_expunge(a, c->view->mailbox, &all, &gone);
	uidset_finish(&all);
	uidset_finish(&gone);
	c->close_view = true;
	command_store_error(c, err == STORE_NOTFOUND ? STORE_OK : err);
}

static void keywords_of(struct account *a, const struct roster *r, struct buf *out)
{
	/* The keywords in use, once each. */
	bool *used = xcalloc(a->flagsets_n, sizeof(*used));
	struct buf all;
	buf_init(&all, 1 << 20);
	for (uint32_t i = 0; i < r->count; i++)
		used[r->flagset[i]] = true;
	for (size_t i = 0; i < a->flagsets_n; i++) {
		for (const char *at = used[i] ? a->flagsets[i].keywords : ""; *at == ' ';) {
			size_t n = strcspn(at + 1, " ") + 1;
			if (!all.len || !memmem(all.data, all.len, at, n))
				buf_add(&all, at, n);
			at += n;
		}
	}
	buf_add_span(out, buf_span(&all));
	buf_finish(&all);
	free(used);
}

bool run_select(struct command_op *c, struct account *a)
{
	if (c->request.kind == CMD_CLOSE) {
		run_close(c, a);
		return true;
	}
	int64_t id;
	bool was_selected = c->view != NULL;
	c->close_view = true;
	if (was_selected)
		buf_add_text(&c->out, "* OK [CLOSED] The mailbox before is closed\r\n");
	if (!command_mailbox(c, a, c->request.mailbox, &id, "NO [NONEXISTENT] There is no such mailbox"))
		return true;
	struct roster *r;
	enum store_err err = roster_get(a, id, &r);
	if (err) {
		command_store_error(c, err);
		return true;
	}
	struct view *v = xcalloc(1, sizeof(*v));
	v->mailbox = id;
	v->read_only = c->request.kind == CMD_EXAMINE;
	v->n = v->cap = r->count;
	v->uid = xmalloc((r->count + 1) * sizeof(*v->uid));
	if (r->count)
		memcpy(v->uid, r->uid, r->count * sizeof(*v->uid));
	v->uidnext = r->info.uidnext;
	v->flags_modseq = v->gone_modseq = r->info.modseq;
	uint32_t first_recent = roster_lower(r, r->info.recent + 1), unseen = 0;
	if (first_recent < r->count)
		uidset_append(&v->recent, r->uid[first_recent], r->uid[r->count - 1]);
	while (r->info.unseen && unseen < r->count && (flagset_get(a, r->flagset[unseen])->system & FLAG_SEEN))
		unseen++;
	static const char system[] = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";
	buf_printf(&c->out, "* FLAGS (%s", system);
	keywords_of(a, r, &c->out);
	buf_printf(&c->out, ")\r\n* %u EXISTS\r\n* %u RECENT\r\n", r->count, r->count - first_recent);
	if (r->info.unseen && unseen < r->count)
		buf_printf(&c->out, "* OK [UNSEEN %u] The first unseen message\r\n", unseen + 1);
	buf_printf(&c->out, "* OK [PERMANENTFLAGS (%s", v->read_only ? "" : system);
	if (!v->read_only)
		keywords_of(a, r, &c->out);
	buf_printf(&c->out, "%s)] Flags that are kept\r\n", v->read_only ? "" : " \\*");
	buf_printf(&c->out, "* OK [UIDNEXT %u] The next UID\r\n* OK [UIDVALIDITY %u] UIDs are valid\r\n", r->info.uidnext,
		   r->info.uidvalidity);
	uint32_t old;
	if (!v->read_only && mailbox_take_recent(a, id, &old) != STORE_OK)
		v->read_only = true;
	command_tagged(c, v->read_only ? "OK [READ-ONLY] Selected" : "OK [READ-WRITE] Selected");
	c->new_view = v;
	return true;
}
