/*
 * GETMETADATA and SETMETADATA (RFC 5464), and the METADATA lines of LIST (RFC 9590).
 *
 * Some entries are not the client's to set, or are not stored as such: the server's shared ones say what the operator has
 * configured, and /private/specialuse is the mailbox's special uses (RFC 6154 4).
 */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "protocol/imap/response.h"
#include "protocol/imap/response_list.h"
#include "server/config.h"
#include "server/limits.h"
#include "storage/mailbox.h"
#include "storage/metadata.h"

static const char special_use[] = METADATA_SPECIAL_USE;

/* What the configuration says of the server as a whole. */
static const struct server_entry {
	const char *name;
	size_t option; /* into struct config: a text, "" for none */
} server_entries[] = {
	{"/shared/admin", offsetof(struct config, admin_contact)}, /* RFC 5464 6.2.2 */
	{"/shared/comment", offsetof(struct config, comment)},     /* RFC 5464 6.2.1 */
};

static bool is_shared(struct span entry)
{
	return entry.len >= 7 && strncasecmp(entry.ptr, "/shared", 7) == 0;
}

/* False: the status is set. */
static bool find_place(struct command *cmd, struct account *a, struct span wire, int64_t *mailbox, const char **path)
{
	struct span name;
	*mailbox = 0;
	*path = "";
	if (wire.len == 0)
		return true;
	enum store_err err = name_decode(&cmd->arena, wire, cmd->dialect, &name) ? mailbox_find_name(a, name.ptr, mailbox)
										 : STORE_NOTFOUND;
	command_store_error(cmd, err);
	*path = err ? "" : name.ptr;
	return !err;
}

/* ---- reading ---- */

static struct span server_value(const struct config *config, struct span entry)
{
	for (size_t i = 0; i < countof(server_entries); i++) {
		const char *text = *(const char *const *)(const void *)((const char *)config + server_entries[i].option);
		if (span_is(entry, server_entries[i].name) && *text)
			return span_of(text);
	}
	return span_make(NULL, 0);
}

static enum store_err special_value(struct command *cmd, struct account *a, int64_t mailbox, struct span *out)
{
	struct mailbox_info info;
	struct buf text;
	enum store_err err = mailbox_info(a, mailbox, &info);
	*out = span_make(NULL, 0);
	if (err)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	buf_init(&text, 1024);
	response_uses(&text, info.special);
	if (text.len)
		*out = arena_copy(&cmd->arena, buf_span(&text));
	buf_finish(&text);
	return STORE_OK;
}

/* ptr NULL where there is none.  Valid until the next use of the account.  `config` is for mailbox 0, else NULL. */
static enum store_err read_value(struct command *cmd, struct account *a, const struct config *config, int64_t mailbox,
				 struct span entry, struct span *out)
{
	struct bytes value;
	if (config && mailbox == 0 && is_shared(entry)) {
		*out = server_value(config, entry);
		return STORE_OK;
	}
	if (mailbox && span_is(entry, special_use))
		return special_value(cmd, a, mailbox, out);
	enum store_err err = metadata_get(a, mailbox, arena_copy(&cmd->arena, entry).ptr, &value);
	*out = err ? span_make(NULL, 0) : span_make(value.ptr, value.len);
	return err == STORE_NOTFOUND ? STORE_OK : err;
}

/* "* METADATA INBOX (/shared/comment x ...": begins the line when there is none. */
static void write_pair(struct command *cmd, const char *path, bool *begun, struct span entry, struct span value)
{
	if (!*begun) {
		buf_add_text(&cmd->out, "* METADATA ");
		name_write(&cmd->out, path, cmd->dialect);
		buf_add_text(&cmd->out, " (");
	} else {
		buf_add_char(&cmd->out, ' ');
	}
	*begun = true;
	response_astring(&cmd->out, entry, cmd->dialect);
	buf_add_char(&cmd->out, ' ');
	response_value(&cmd->out, value, cmd->dialect);
}

static void end_line(struct command *cmd, bool *begun)
{
	if (*begun)
		buf_add_text(&cmd->out, ")\r\n");
	*begun = false;
}

enum store_err metadata_write(struct command *cmd, struct account *a, int64_t mailbox, const char *name,
			      const struct metadata_names *entries)
{
	enum store_err err = STORE_OK;
	bool begun = false;
	for (size_t i = 0; i < entries->n && !err; i++) {
		struct span value;
		err = read_value(cmd, a, NULL, mailbox, entries->v[i], &value);
		if (!err)
			write_pair(cmd, name, &begun, entries->v[i], value);
	}
	end_line(cmd, &begun);
	return err;
}

/* ---- GETMETADATA ---- */

struct getmetadata {
	const struct config *config;
	bool begun; /* the entries are known */
	int64_t mailbox;
	const char *path;
	struct metadata_names wanted;
	size_t at;
	size_t longest; /* of the values that were too large for the client */
};

static void want(struct command *cmd, struct span entry)
{
	struct metadata_names *w = &((struct getmetadata *)cmd->state)->wanted;
	for (size_t i = 0; i < w->n; i++)
		if (span_iequal(w->v[i], entry))
			return;
	w->v = arena_grow(&cmd->arena, w->v, w->n, sizeof(*w->v));
	w->v[w->n++] = entry;
}

/* RFC 5464 4.2.2: the entry itself, its children, or all below it. */
static bool is_within(struct span name, struct span top, enum metadata_depth depth)
{
	if (name.len < top.len || strncasecmp(name.ptr, top.ptr, top.len) != 0)
		return false;
	if (name.len == top.len)
		return true;
	struct span rest = span_after(name, top.len + 1);
	return name.ptr[top.len] == '/' && (depth == METADATA_ALL || !memchr(rest.ptr, '/', rest.len));
}

static void want_if_within(struct command *cmd, const char *name)
{
	const struct getmetadata_request *r = &cmd->request.getmetadata;
	for (size_t i = 0; i < r->entries.n; i++) {
		if (!is_within(span_of(name), r->entries.v[i], r->depth))
			continue;
		want(cmd, arena_copy(&cmd->arena, span_of(name)));
		return;
	}
}

static enum store_err choose(struct command *cmd, struct account *a)
{
	const struct getmetadata_request *r = &cmd->request.getmetadata;
	const struct getmetadata *g = cmd->state;
	struct metadata_entries stored;
	if (r->depth == METADATA_ENTRY) {
		for (size_t i = 0; i < r->entries.n; i++)
			want(cmd, r->entries.v[i]);
		return STORE_OK;
	}
	for (size_t i = 0; i < countof(server_entries) && g->mailbox == 0; i++)
		want_if_within(cmd, server_entries[i].name);
	if (g->mailbox)
		want_if_within(cmd, special_use);
	enum store_err err = metadata_list(a, g->mailbox, &stored);
	for (size_t i = 0; i < stored.n && !err; i++)
		want_if_within(cmd, stored.v[i].name);
	metadata_entries_finish(&stored);
	return err;
}

/* One that was asked for by its name and is not there is NIL; one that is only below it must be there. */
static enum store_err tell_entry(struct command *cmd, struct account *a, struct span entry, bool *begun)
{
	const struct getmetadata_request *r = &cmd->request.getmetadata;
	struct getmetadata *g = cmd->state;
	struct span value;
	enum store_err err = read_value(cmd, a, g->config, g->mailbox, entry, &value);
	if (err)
		return err;
	if (r->has_max && value.len > r->max_bytes)
		g->longest = value.len > g->longest ? value.len : g->longest;
	else if (value.ptr || r->depth == METADATA_ENTRY)
		write_pair(cmd, g->path, begun, entry, value);
	return STORE_OK;
}

static enum op_result getmetadata_run(struct command *cmd, struct account *a)
{
	struct getmetadata *g = cmd->state;
	enum store_err err = STORE_OK;
	bool line = false;
	if (!g->begun) {
		if (!find_place(cmd, a, cmd->request.getmetadata.name, &g->mailbox, &g->path))
			return OP_DONE;
		err = choose(cmd, a);
		g->begun = true;
	}
	while (g->at < g->wanted.n && !err && !cmd->more) {
		err = tell_entry(cmd, a, g->wanted.v[g->at++], &line);
		cmd->more = g->at < g->wanted.n && cmd->out.len >= LIMIT_SLICE_BYTES;
	}
	end_line(cmd, &line);
	if (err)
		command_store_error(cmd, err);
	else
		command_ok(cmd, g->longest ? command_code(cmd, "METADATA LONGENTRIES %zu", g->longest) : NULL, "Done");
	return OP_DONE;
}

enum step cmd_getmetadata(struct session *s, struct command *cmd)
{
	struct getmetadata *g = arena_alloc(&cmd->arena, sizeof(*g));
	g->config = session_config(s);
	cmd->state = g;
	return session_op(s, cmd, getmetadata_run);
}

/* ---- SETMETADATA ---- */

void metadata_too_large(struct command *cmd)
{
	command_no(cmd, command_code(cmd, "METADATA MAXSIZE %u", (unsigned)METADATA_VALUE_BYTES_MAX), "The value is too large");
}

/* False: the status is set. */
static bool check_pair(struct command *cmd, int64_t mailbox, const struct metadata_pair *pair)
{
	if (pair->value.len > METADATA_VALUE_BYTES_MAX) {
		metadata_too_large(cmd);
		return false;
	}
	if (mailbox == 0 && is_shared(pair->entry)) {
		command_no(cmd, "NOPERM", "The server's shared entries are set by its administrator");
		return false;
	}
	return true;
}

/* RFC 6154 4: as CREATE takes them.  False: the status is set. */
static bool set_special(struct command *cmd, struct account *a, int64_t mailbox, struct span value)
{
	uint32_t uses;
	if (!parse_uses(value, &uses)) {
		command_no(cmd, "USEATTR", "This special use is not known");
		return false;
	}
	enum store_err err = metadata_set_special(a, mailbox, uses);
	if (err == STORE_NOTFOUND)
		command_no(cmd, "CANNOT", "Only a mailbox can have a special use");
	else if (err)
		command_store_error(cmd, err);
	return err == STORE_OK;
}

/* All of it or nothing: a failed op is undone. */
static enum op_result setmetadata_run(struct command *cmd, struct account *a)
{
	const struct setmetadata_request *r = &cmd->request.setmetadata;
	struct metadata_value *values = arena_alloc(&cmd->arena, r->pairs_n * sizeof(*values));
	int64_t mailbox;
	const char *path;
	size_t n = 0;
	if (!find_place(cmd, a, r->name, &mailbox, &path))
		return OP_DONE;
	for (size_t i = 0; i < r->pairs_n; i++) {
		const struct metadata_pair *pair = &r->pairs[i];
		if (!check_pair(cmd, mailbox, pair))
			return OP_FAILED;
		if (mailbox && span_is(pair->entry, special_use)) {
			if (!set_special(cmd, a, mailbox, pair->value))
				return OP_FAILED;
			continue;
		}
		values[n++] = (struct metadata_value){.name = arena_copy(&cmd->arena, pair->entry).ptr,
						      .value = {pair->value.ptr, pair->value.len}};
	}
	enum store_err err = metadata_set(a, mailbox, values, n);
	if (err == STORE_LIMIT)
		command_no(cmd, "METADATA TOOMANY", "There are too many entries");
	else
		command_store_error(cmd, err);
	return err ? OP_FAILED : OP_DONE;
}

enum step cmd_setmetadata(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, setmetadata_run);
}
