/* The table of commands, and what stands before their arguments: tag, "UID", name. */
#include "protocol/imap/parse.h"

#include "protocol/imap/parse_family.h"

struct command_row {
	const char *name;
	enum command_kind kind;
	bool has_uid_form;
	void (*arguments)(struct lexer *, struct request *); /* NULL: none */
};

static const struct command_row commands[] = { /* sorted */
	{"APPEND", CMD_APPEND, false, parse_append_command},
	{"AUTHENTICATE", CMD_AUTHENTICATE, false, parse_authenticate},
	{"CAPABILITY", CMD_CAPABILITY, false, NULL},
	{"CHECK", CMD_CHECK, false, NULL},
	{"CLOSE", CMD_CLOSE, false, NULL},
	{"COMPRESS", CMD_COMPRESS, false, parse_compress},
	{"COPY", CMD_COPY, true, parse_copy},
	{"CREATE", CMD_CREATE, false, parse_create},
	{"DELETE", CMD_DELETE, false, parse_mailbox},
	{"ENABLE", CMD_ENABLE, false, parse_enable},
	{"EXAMINE", CMD_EXAMINE, false, parse_select},
	{"EXPUNGE", CMD_EXPUNGE, true, parse_expunge},
	{"FETCH", CMD_FETCH, true, parse_fetch},
	{"GETMETADATA", CMD_GETMETADATA, false, parse_getmetadata},
	{"GETQUOTA", CMD_GETQUOTA, false, parse_quota},
	{"GETQUOTAROOT", CMD_GETQUOTAROOT, false, parse_quota},
	{"ID", CMD_ID, false, parse_id},
	{"IDLE", CMD_IDLE, false, NULL},
	{"LIST", CMD_LIST, false, parse_list},
	{"LOGIN", CMD_LOGIN, false, parse_login},
	{"LOGOUT", CMD_LOGOUT, false, NULL},
	{"LSUB", CMD_LSUB, false, parse_list},
	{"MOVE", CMD_MOVE, true, parse_copy},
	{"NAMESPACE", CMD_NAMESPACE, false, NULL},
	{"NOOP", CMD_NOOP, false, NULL},
	{"NOTIFY", CMD_NOTIFY, false, parse_notify},
	{"RENAME", CMD_RENAME, false, parse_rename},
	{"REPLACE", CMD_REPLACE, true, parse_append_command},
	{"SEARCH", CMD_SEARCH, true, parse_search},
	{"SELECT", CMD_SELECT, false, parse_select},
	{"SETMETADATA", CMD_SETMETADATA, false, parse_setmetadata},
	{"SETQUOTA", CMD_SETQUOTA, false, parse_quota},
	{"SORT", CMD_SORT, true, parse_sort},
	{"STARTTLS", CMD_STARTTLS, false, NULL},
	{"STATUS", CMD_STATUS, false, parse_status_command},
	{"STORE", CMD_STORE, true, parse_store},
	{"SUBSCRIBE", CMD_SUBSCRIBE, false, parse_mailbox},
	{"THREAD", CMD_THREAD, true, parse_thread},
	{"UIDBATCHES", CMD_UIDBATCHES, false, parse_batches},
	{"UNAUTHENTICATE", CMD_UNAUTHENTICATE, false, NULL},
	{"UNSELECT", CMD_UNSELECT, false, NULL},
	{"UNSUBSCRIBE", CMD_UNSUBSCRIBE, false, parse_mailbox},
};

static int compare_name(const void *key, const void *element)
{
	const struct span *name = key;
	const struct command_row *row = element;
	size_t len = strlen(row->name);
	int order = strncasecmp(name->ptr, row->name, name->len < len ? name->len : len);
	return order ? order : (name->len < len ? -1 : name->len > len);
}

static const struct command_row *find_command(struct span name)
{
	return name.len ? bsearch(&name, commands, countof(commands), sizeof(*commands), compare_name) : NULL;
}

/* It takes sequence numbers or tells them, but in the UID form.  EXPUNGE alone has one and does neither. */
static bool goes_by_numbers(const struct command_row *row)
{
	return row->has_uid_form && row->kind != CMD_EXPUNGE;
}

uint32_t parse_words(struct lexer *lx, const char *const *names, size_t n, const char *message)
{
	uint32_t bits = 0;
	invariant(n <= 32);
	for (bool on = lexer_list(lx); on; on = lexer_list_more(lx)) {
		struct span word = lexer_atom(lx);
		size_t i = 0;
		while (i < n && !span_is(word, names[i]))
			i++;
		if (i == n)
			lexer_fail(lx, message);
		else
			bits |= 1u << i;
	}
	return bits;
}

struct span parse_tag(struct lexer *lx)
{
	struct span tag = lexer_tag(lx);
	bool ends = lx->at == lx->end || *lx->at == ' ';
	if (!lexer_within(lx, LIMIT_TAG_BYTES, tag.len) || !ends)
		tag.ptr = NULL;
	lexer_space(lx);
	return tag;
}

enum parse_status parse_status_of(const struct lexer *lx, struct parse_error *error)
{
	*error = lx->error;
	if (!lexer_failed(lx))
		return PARSE_OK;
	return lx->error.limit && lx->error.limit != LIMIT_TAG_BYTES ? PARSE_LIMIT : PARSE_BAD;
}

enum parse_status parse_request(struct arena *a, struct span text, unsigned dialect, struct request *out,
				struct parse_error *error)
{
	struct lexer lx;
	lexer_init(&lx, a, text, dialect);
	*out = (struct request){.tag = parse_tag(&lx)};
	struct span name = lexer_atom(&lx);
	if (span_is(name, "UID")) {
		out->uid = true;
		lexer_space(&lx);
		name = lexer_atom(&lx);
	}
	const struct command_row *row = find_command(name);
	if (!row) {
		lexer_fail(&lx, "This command is not known");
	} else if (out->uid && !row->has_uid_form) {
		lexer_fail(&lx, "This command has no UID form");
	} else {
		out->kind = row->kind;
		if (!out->uid && goes_by_numbers(row))
			lexer_takes_numbers(&lx);
		if (row->arguments)
			row->arguments(&lx, out);
		lexer_end(&lx);
	}
	return parse_status_of(&lx, error);
}

enum command_kind parse_peek(struct span text, struct span *tag)
{
	struct lexer lx;
	lexer_init(&lx, NULL, text, DIALECT_REV1);
	*tag = parse_tag(&lx);
	struct span name = lexer_atom(&lx);
	if (span_is(name, "UID")) {
		lexer_space(&lx);
		name = lexer_atom(&lx);
	}
	const struct command_row *row = lexer_failed(&lx) ? NULL : find_command(name);
	return row ? row->kind : CMD_UNKNOWN;
}
