#include "tests/fuzz/request_print.h"

#include "protocol/imap/date.h"
#include "protocol/imap/response.h"
#include "protocol/imap/response_fetch.h"

static const char *const command_names[] = {
	[CMD_UNKNOWN] = "?", [CMD_APPEND] = "APPEND", [CMD_AUTHENTICATE] = "AUTHENTICATE",
	[CMD_CAPABILITY] = "CAPABILITY", [CMD_CHECK] = "CHECK", [CMD_CLOSE] = "CLOSE", [CMD_COMPRESS] = "COMPRESS", [CMD_COPY] = "COPY",
	[CMD_CREATE] = "CREATE", [CMD_DELETE] = "DELETE", [CMD_ENABLE] = "ENABLE", [CMD_EXAMINE] = "EXAMINE",
	[CMD_EXPUNGE] = "EXPUNGE", [CMD_FETCH] = "FETCH", [CMD_GETMETADATA] = "GETMETADATA", [CMD_GETQUOTA] = "GETQUOTA",
	[CMD_GETQUOTAROOT] = "GETQUOTAROOT", [CMD_ID] = "ID", [CMD_IDLE] = "IDLE", [CMD_LIST] = "LIST",
	[CMD_LOGIN] = "LOGIN", [CMD_LOGOUT] = "LOGOUT", [CMD_LSUB] = "LSUB", [CMD_MOVE] = "MOVE",
	[CMD_NAMESPACE] = "NAMESPACE", [CMD_NOOP] = "NOOP", [CMD_NOTIFY] = "NOTIFY", [CMD_RENAME] = "RENAME", [CMD_REPLACE] = "REPLACE", [CMD_SEARCH] = "SEARCH", [CMD_SORT] = "SORT", [CMD_THREAD] = "THREAD",
	[CMD_SELECT] = "SELECT", [CMD_SETMETADATA] = "SETMETADATA", [CMD_SETQUOTA] = "SETQUOTA", [CMD_STARTTLS] = "STARTTLS", [CMD_STATUS] = "STATUS", [CMD_STORE] = "STORE",
	[CMD_SUBSCRIBE] = "SUBSCRIBE", [CMD_UIDBATCHES] = "UIDBATCHES", [CMD_UNAUTHENTICATE] = "UNAUTHENTICATE",
	 [CMD_UNSELECT] = "UNSELECT", [CMD_UNSUBSCRIBE] = "UNSUBSCRIBE"};

/* Words are spaced by this alone, behind an opening parenthesis too: tidy() takes those spaces out again, since only the
 * whole text tells a parenthesis that opens a list from one that ends a literal. */
static void separate(struct buf *out)
{
	if (out->len)
		buf_add_char(out, ' ');
}

/* Where a quoted string or a literal that begins at `at` ends; `at` for anything else. */
static size_t string_end(const struct buf *out, size_t at)
{
	size_t end = at + 1, n = 0;
	if (out->data[at] == '{') {
		for (; end < out->len && out->data[end] >= '0' && out->data[end] <= '9'; end++)
			n = n * 10 + (size_t)(out->data[end] - '0');
		return end + 3 + n <= out->len ? end + 3 + n : out->len; /* "}CRLF" */
	}
	if (out->data[at] != '"')
		return at;
	while (end < out->len && out->data[end] != '"')
		end += out->data[end] == '\\' ? 2 : 1;
	return end < out->len ? end + 1 : out->len;
}

static void tidy(struct buf *out, size_t from)
{
	size_t to = from;
	for (size_t at = from; at < out->len;) {
		size_t end = string_end(out, at);
		if (end == at && out->data[at] == ' ' && to > from && out->data[to - 1] == '(') {
			at++;
			continue;
		}
		end = end > at ? end : at + 1;
		memmove(out->data + to, out->data + at, end - at);
		to += end - at;
		/* A literal's last octet does not open a list. */
		bool spaced = end - at > 1 && end < out->len && out->data[end] == ' ';
		if (spaced)
			out->data[to++] = ' ';
		at = end + spaced;
	}
	out->len = to;
}

static void print_astring(struct buf *out, struct span s)
{
	separate(out);
	response_astring(out, s, DIALECT_REV1);
}

static void print_atom(struct buf *out, struct span s)
{
	separate(out);
	buf_add_span(out, s);
}

static void print_string(struct buf *out, struct span s)
{
	separate(out);
	response_nstring(out, s, DIALECT_REV1);
}

static void print_word(struct buf *out, const char *word)
{
	separate(out);
	buf_add_text(out, word);
}

/* "(A B)" of the bits' names. */
static void print_words(struct buf *out, uint32_t bits, const char *const *names, size_t n)
{
	print_word(out, "(");
	for (size_t i = 0; i < n; i++)
		if (bits & 1u << i)
			print_word(out, names[i]);
	buf_add_char(out, ')');
}

static void print_number(struct buf *out, uint32_t n)
{
	if (n == NUMSET_STAR)
		buf_add_char(out, '*');
	else
		buf_add_u64(out, n);
}

static void print_set(struct buf *out, const struct numset *set)
{
	separate(out);
	if (set->saved)
		buf_add_char(out, '$');
	for (size_t i = 0; i < set->n; i++) {
		if (i)
			buf_add_char(out, ',');
		print_number(out, set->v[i].lo);
		if (set->v[i].hi == set->v[i].lo)
			continue;
		buf_add_char(out, ':');
		print_number(out, set->v[i].hi);
	}
}

static void print_partial(struct buf *out, const struct partial *p)
{
	const char *sign = p->backwards ? "-" : "";
	print_word(out, "PARTIAL ");
	buf_printf(out, "%s%u:%s%u", sign, p->from, sign, p->to);
}

static void print_flags(struct buf *out, const struct flag_list *flags)
{
	print_word(out, "(");
	flags_write(out, flags->bits);
	if (flags->keywords.len) {
		separate(out);
		buf_add_span(out, flags->keywords);
	}
	buf_add_char(out, ')');
}

static void print_status_items(struct buf *out, uint32_t items)
{
	static const char *const names[] = {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE",
					    "APPENDLIMIT", "MAILBOXID", "HIGHESTMODSEQ", "DELETED", "DELETED-STORAGE"};
	print_words(out, items, names, countof(names));
}

static void print_id(struct buf *out, const struct id_request *id)
{
	print_word(out, "(");
	for (size_t i = 0; i < id->pairs_n; i++) {
		print_string(out, id->pairs[i].key);
		print_string(out, id->pairs[i].value);
	}
	buf_add_char(out, ')');
}

static void print_create(struct buf *out, const struct create_request *c)
{
	static const char *const uses[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk",
					   "\\Sent", "\\Trash", "\\Important", "\\Unknown"};
	print_astring(out, c->name);
	if (!c->uses && !c->unknown_use)
		return;
	print_word(out, "(USE");
	print_words(out, c->uses | (c->unknown_use ? 256u : 0u), uses, countof(uses));
	buf_add_char(out, ')');
}

static void print_entries(struct buf *out, const struct metadata_names *names)
{
	print_word(out, "(");
	for (size_t i = 0; i < names->n; i++)
		print_astring(out, names->v[i]);
	buf_add_char(out, ')');
}

static void print_list(struct buf *out, const struct list_request *l)
{
	static const char *const selects[] = {"SUBSCRIBED", "RECURSIVEMATCH", "SPECIAL-USE", "REMOTE"};
	static const char *const returns[] = {"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"};
	if (l->options & LIST_EXTENDED)
		print_words(out, l->options & 15u, selects, countof(selects));
	print_astring(out, l->reference);
	if (l->options & LIST_EXTENDED)
		print_word(out, "(");
	for (size_t i = 0; i < l->patterns_n; i++)
		print_string(out, l->patterns[i]);
	if (!(l->options & LIST_EXTENDED))
		return;
	buf_add_text(out, ") RETURN");
	print_words(out, l->options >> 4 & 7u, returns, countof(returns));
	if (!(l->options & (LIST_RETURN_STATUS | LIST_RETURN_METADATA)))
		return;
	out->len--;
	if (l->options & LIST_RETURN_STATUS) {
		print_word(out, "STATUS");
		print_status_items(out, l->status);
	}
	if (l->options & LIST_RETURN_METADATA) {
		print_word(out, "METADATA");
		print_entries(out, &l->metadata);
	}
	buf_add_char(out, ')');
}

static void print_getmetadata(struct buf *out, const struct getmetadata_request *g)
{
	static const char *const depths[] = {"0", "1", "infinity"};
	print_word(out, "(DEPTH");
	print_word(out, depths[g->depth]);
	if (g->has_max) {
		print_word(out, "MAXSIZE ");
		buf_add_u64(out, g->max_bytes);
	}
	buf_add_char(out, ')');
	print_astring(out, g->name);
	print_entries(out, &g->entries);
}

static void print_setmetadata(struct buf *out, const struct setmetadata_request *s)
{
	print_astring(out, s->name);
	print_word(out, "(");
	for (size_t i = 0; i < s->pairs_n; i++) {
		struct span value = s->pairs[i].value;
		print_astring(out, s->pairs[i].entry);
		separate(out);
		response_value(out, value, DIALECT_REV1);
	}
	buf_add_char(out, ')');
}

static void print_fetch_items(struct buf *out, const struct fetch_request *f)
{
	print_word(out, "(");
	for (size_t i = 0; i < f->items_n; i++) {
		const struct fetch_item *item = &f->items[i];
		separate(out);
		size_t at = out->len;
		response_fetch_label(out, item);
		if (item->peek && !out->failed) {
			size_t name = item->kind == FETCH_BINARY ? 6 : 4;
			invariant(memcmp(out->data + at, "BINARY", name) == 0 || memcmp(out->data + at, "BODY", name) == 0);
			struct buf tail;
			buf_init(&tail, 1 << 20);
			buf_add(&tail, out->data + at + name, out->len - at - name);
			out->len = at + name;
			buf_add_text(out, ".PEEK");
			buf_add_span(out, buf_span(&tail));
			buf_finish(&tail);
		}
		if (item->partial) {
			out->len--;
			buf_add_char(out, '.');
			buf_add_u64(out, item->length);
			buf_add_char(out, '>');
		}
	}
	buf_add_char(out, ')');
}

static void print_fetch(struct buf *out, const struct fetch_request *f)
{
	print_set(out, &f->set);
	print_fetch_items(out, f);
	if (!f->has_since && !f->partial.from)
		return;
	print_word(out, "(");
	if (f->has_since) {
		print_word(out, "CHANGEDSINCE ");
		buf_add_u64(out, f->since);
	}
	if (f->vanished)
		print_word(out, "VANISHED");
	if (f->partial.from)
		print_partial(out, &f->partial);
	buf_add_char(out, ')');
}

static void print_select(struct buf *out, const struct select_request *s)
{
	print_astring(out, s->name);
	if (!s->condstore && !s->qresync)
		return;
	buf_add_text(out, s->condstore ? " (CONDSTORE" : " (");
	if (s->qresync) {
		print_word(out, "QRESYNC (");
		buf_add_u64(out, s->uidvalidity);
		buf_add_char(out, ' ');
		buf_add_u64(out, s->modseq);
		if (s->known.n)
			print_set(out, &s->known);
		if (s->match_seqs.n) {
			print_word(out, "(");
			print_set(out, &s->match_seqs);
			print_set(out, &s->match_uids);
			buf_add_char(out, ')');
		}
		buf_add_char(out, ')');
	}
	buf_add_char(out, ')');
}

static void print_group(struct buf *out, const struct notify_request *n, const struct notify_group *g)
{
	static const char *const filters[] = {"SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED", "SUBTREE",
					      "MAILBOXES"};
	static const char *const events[] = {"MessageNew", "MessageExpunge", "FlagChange", "AnnotationChange", "MailboxName",
					     "SubscriptionChange", "MailboxMetadataChange", "ServerMetadataChange", "X"};
	print_word(out, "(");
	print_word(out, filters[g->filter]);
	if (g->names_n)
		print_word(out, "(");
	for (size_t i = 0; i < g->names_n; i++)
		print_astring(out, g->names[i]);
	if (g->names_n)
		buf_add_char(out, ')');
	print_word(out, g->events ? "(" : "NONE");
	for (size_t i = 0; i < countof(events); i++) {
		if (!(g->events & 1u << i))
			continue;
		print_word(out, events[i]);
		if (i == 0 && g->filter <= NOTIFY_SELECTED_DELAYED && n->attributes.items_n)
			print_fetch_items(out, &n->attributes);
	}
	buf_add_text(out, g->events ? "))" : ")");
}

static void print_notify(struct buf *out, const struct notify_request *n)
{
	print_word(out, n->set ? "SET" : "NONE");
	if (n->status)
		print_word(out, "STATUS");
	for (size_t i = 0; i < n->groups_n; i++)
		print_group(out, n, &n->groups[i]);
}

static void print_store(struct buf *out, const struct store_request *s)
{
	static const char *const ops[] = {[STORE_REPLACE] = "FLAGS", [STORE_ADD] = "+FLAGS", [STORE_REMOVE] = "-FLAGS"};
	print_set(out, &s->set);
	if (s->has_unchanged) {
		print_word(out, "(UNCHANGEDSINCE ");
		buf_add_u64(out, s->unchanged_since);
		buf_add_char(out, ')');
	}
	print_word(out, ops[s->op]);
	if (s->silent)
		buf_add_text(out, ".SILENT");
	print_flags(out, &s->flags);
}

static void print_date(struct buf *out, int64_t days)
{
	struct buf b;
	buf_init(&b, 64);
	date_time_write(&b, days * 86400, 0);
	separate(out);
	size_t from = b.data[1] == ' ' ? 2 : 1;
	buf_add(out, b.data + from, 12 - from);
	buf_finish(&b);
}

static void print_key(struct buf *out, const struct search_key *k);

static void print_keys(struct buf *out, const struct search_key *k)
{
	for (size_t i = 0; i < k->children_n; i++)
		print_key(out, k->children[i]);
}

static void print_key(struct buf *out, const struct search_key *k)
{
	static const char *const words[] = {
		[SEARCH_ALL] = "ALL", [SEARCH_KEYWORD] = "KEYWORD", [SEARCH_RECENT] = "RECENT", [SEARCH_SAVED] = "$",
		[SEARCH_UID] = "UID", [SEARCH_LARGER] = "LARGER", [SEARCH_SMALLER] = "SMALLER",
		[SEARCH_BEFORE] = "BEFORE", [SEARCH_ON] = "ON", [SEARCH_SINCE] = "SINCE",
		[SEARCH_SENTBEFORE] = "SENTBEFORE", [SEARCH_SENTON] = "SENTON", [SEARCH_SENTSINCE] = "SENTSINCE",
		[SEARCH_OLDER] = "OLDER", [SEARCH_YOUNGER] = "YOUNGER",
		[SEARCH_SAVEDBEFORE] = "SAVEDBEFORE", [SEARCH_SAVEDON] = "SAVEDON", [SEARCH_SAVEDSINCE] = "SAVEDSINCE",
		[SEARCH_EMAILID] = "EMAILID", [SEARCH_THREADID] = "THREADID", [SEARCH_HEADER] = "HEADER",
		[SEARCH_BODY] = "BODY", [SEARCH_TEXT] = "TEXT", [SEARCH_MODSEQ] = "MODSEQ", [SEARCH_OR] = "OR", [SEARCH_NOT] = "NOT",
		[SEARCH_FUZZY] = "FUZZY"};
	if (k->kind < countof(words) && words[k->kind])
		print_word(out, words[k->kind]);
	switch (k->kind) {
	case SEARCH_ALL: case SEARCH_RECENT: case SEARCH_SAVED:
		break;
	case SEARCH_FLAG:
		separate(out);
		flags_write(out, k->bits);
		size_t at = out->len;
		while (at > 0 && out->data[at - 1] != '\\')
			at--;
		out->len--; /* the flag without its backslash is the key */
		if (at)
			memmove(out->data + at - 1, out->data + at, out->len + 1 - at);
		break;
	case SEARCH_SEQ: case SEARCH_UID:
		print_set(out, &k->set);
		break;
	case SEARCH_LARGER: case SEARCH_SMALLER: case SEARCH_OLDER: case SEARCH_YOUNGER: case SEARCH_MODSEQ:
		separate(out);
		buf_add_u64(out, (uint64_t)k->number);
		break;
	case SEARCH_BEFORE: case SEARCH_ON: case SEARCH_SINCE: case SEARCH_SENTBEFORE: case SEARCH_SENTON:
	case SEARCH_SENTSINCE: case SEARCH_SAVEDBEFORE: case SEARCH_SAVEDON: case SEARCH_SAVEDSINCE:
		print_date(out, k->number);
		break;
	case SEARCH_FIELD: case SEARCH_HEADER:
		print_astring(out, k->name);
		print_string(out, k->text);
		break;
	case SEARCH_KEYWORD: case SEARCH_EMAILID: case SEARCH_THREADID:
		print_atom(out, k->text);
		break;
	case SEARCH_BODY: case SEARCH_TEXT:
		print_string(out, k->text);
		break;
	case SEARCH_AND:
		print_word(out, "(");
		print_keys(out, k);
		buf_add_char(out, ')');
		break;
	case SEARCH_OR: case SEARCH_NOT: case SEARCH_FUZZY:
		print_keys(out, k);
		break;
	}
}

static void print_returns(struct buf *out, const struct search_request *s)
{
	static const char *const returns[] = {"MIN", "MAX", "ALL", "COUNT", "SAVE", "RELEVANCY"};
	if (s->has_return) {
		print_word(out, "RETURN");
		print_words(out, s->returns, returns, countof(returns));
		if (s->returns & RETURN_PARTIAL) {
			out->len--;
			print_partial(out, &s->partial);
			buf_add_char(out, ')');
		}
	}
}

static void print_search(struct buf *out, const struct search_request *s)
{
	print_returns(out, s);
	if (s->charset.ptr) {
		print_word(out, "CHARSET");
		print_astring(out, s->charset);
	}
	print_keys(out, s->key);
}

static void print_sort(struct buf *out, const struct search_request *s)
{
	static const char *const names[SORT_KINDS] = {"ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM",
						      "RELEVANCY", "SIZE", "SUBJECT", "TO"};
	print_returns(out, s);
	for (size_t i = 0; i < s->sort_n; i++) {
		buf_add_text(out, i ? " " : " (");
		buf_add_text(out, s->sort[i].reverse ? "REVERSE " : "");
		buf_add_text(out, names[s->sort[i].kind]);
	}
	buf_add_char(out, ')');
	print_astring(out, s->charset);
	print_keys(out, s->key);
}

static void print_thread(struct buf *out, const struct search_request *s)
{
	static const char *const names[] = {"ORDEREDSUBJECT", "REFERENCES", "REFS"};
	print_word(out, names[s->algorithm]);
	print_astring(out, s->charset);
	print_keys(out, s->key);
}

static void print_arguments(struct buf *out, const struct request *r)
{
	switch (r->kind) {
	case CMD_APPEND: case CMD_REPLACE: append_print(out, &r->append, false); break;
	case CMD_UNKNOWN: case CMD_CAPABILITY: case CMD_CHECK: case CMD_CLOSE: case CMD_IDLE:
	case CMD_LOGOUT: case CMD_NAMESPACE: case CMD_NOOP: case CMD_STARTTLS: case CMD_UNAUTHENTICATE: case CMD_UNSELECT:
		break;
	case CMD_AUTHENTICATE:
		print_atom(out, r->authenticate.mechanism);
		if (r->authenticate.initial.ptr)
			print_atom(out, r->authenticate.initial);
		break;
	case CMD_COMPRESS: print_atom(out, span_make("DEFLATE", 7)); break;
	case CMD_COPY: case CMD_MOVE:
		print_set(out, &r->copy.set);
		print_astring(out, r->copy.name);
		break;
	case CMD_CREATE: print_create(out, &r->create); break;
	case CMD_EXAMINE: case CMD_SELECT:
		print_select(out, &r->select);
		break;
	case CMD_DELETE: case CMD_SUBSCRIBE: case CMD_UNSUBSCRIBE:
		print_astring(out, r->mailbox.name);
		break;
	case CMD_ENABLE:
		for (size_t i = 0; i < r->enable.names_n; i++)
			print_atom(out, r->enable.names[i]);
		break;
	case CMD_EXPUNGE:
		if (r->uid)
			print_set(out, &r->expunge.set);
		break;
	case CMD_FETCH: print_fetch(out, &r->fetch); break;
	case CMD_NOTIFY: print_notify(out, &r->notify); break;
	case CMD_GETMETADATA: print_getmetadata(out, &r->getmetadata); break;
	case CMD_SETMETADATA: print_setmetadata(out, &r->setmetadata); break;
	case CMD_GETQUOTA: case CMD_GETQUOTAROOT:
		print_astring(out, r->quota.name);
		break;
	case CMD_SETQUOTA:
		print_astring(out, r->quota.name);
		buf_add_text(out, " (");
		for (size_t i = 0; i < r->quota.limits_n; i++)
			buf_printf(out, "%s%.*s %llu", i ? " " : "", (int)r->quota.limits[i].resource.len,
				   r->quota.limits[i].resource.ptr, (unsigned long long)r->quota.limits[i].value);
		buf_add_char(out, ')');
		break;
	case CMD_ID: print_id(out, &r->id); break;
	case CMD_LIST: case CMD_LSUB: print_list(out, &r->list); break;
	case CMD_LOGIN:
		print_astring(out, r->login.user);
		print_astring(out, r->login.password);
		break;
	case CMD_RENAME:
		print_astring(out, r->rename.from);
		print_astring(out, r->rename.to);
		break;
	case CMD_SEARCH: print_search(out, &r->search); break;
	case CMD_SORT: print_sort(out, &r->search); break;
	case CMD_THREAD: print_thread(out, &r->search); break;
	case CMD_UIDBATCHES:
		buf_printf(out, " %u", r->batches.size);
		if (r->batches.first)
			buf_printf(out, " %u:%u", r->batches.first, r->batches.last);
		break;
	case CMD_STATUS:
		print_astring(out, r->status.name);
		print_status_items(out, r->status.items);
		break;
	case CMD_STORE: print_store(out, &r->store); break;
	}
}

void request_print(struct buf *out, const struct request *r)
{
	buf_add_span(out, r->tag);
	if (r->uid)
		print_word(out, "UID");
	print_word(out, command_names[r->kind]);
	print_arguments(out, r);
	tidy(out, 0);
}

void append_print(struct buf *out, const struct append_request *r, bool in_list)
{
	size_t from = out->len;
	static const char *const ends[] = {[APPEND_STOPS] = "", [APPEND_LITERAL] = "", [APPEND_UTF8] = "UTF8 (~",
					   [APPEND_TEXT] = "TEXT ", [APPEND_KEEPS] = "URL "};
	if (r->set.n)
		print_set(out, &r->set);
	if (r->name.ptr)
		print_astring(out, r->name);
	for (size_t i = 0; i < r->steps_n; i++) {
		const struct append_step *s = &r->steps[i];
		if (s->kind == APPEND_ENDS) {
			buf_add_char(out, ')');
		} else if (s->kind == APPEND_URL) {
			separate(out);
			buf_add_text(out, "URL ");
			response_string(out, s->url, DIALECT_UTF8);
		} else {
			if (s->flags.keywords.ptr)
				print_flags(out, &s->flags);
			if (s->has_date) {
				buf_add_char(out, ' ');
				date_time_write(out, s->date_unix_s, s->zone_min);
			}
			if (i + 1 < r->steps_n || (r->stop != APPEND_LITERAL && r->stop != APPEND_UTF8))
				buf_add_text(out, " CATENATE (");
		}
	}
	if (r->stop != APPEND_STOPS)
		separate(out);
	if (in_list || r->name.ptr || r->steps_n || r->stop == APPEND_TEXT)
		buf_add_text(out, ends[r->stop]);
	tidy(out, from);
}
