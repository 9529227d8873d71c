/* Recursive descent over one complete command.  Errors latch: the first one stays and every later step is a no-op. */
#include "protocol/imap/parse.h"

enum { SEARCH_DEPTH_MAX = 50, SEARCH_KEYS_MAX = 1000, SET_RANGES_MAX = 20000, PARTS_MAX = 100 };

struct parser {
	struct arena *arena;
	const char *begin, *at, *end;
	struct parse_error error;
	unsigned keys;
};

static void fail(struct parser *p, const char *message)
{
	if (!p->error.message)
		p->error = (struct parse_error){(size_t)(p->at - p->begin), message};
}

static bool failed(const struct parser *p)
{
	return p->error.message != NULL;
}

static bool peek(const struct parser *p, char c)
{
	return !p->error.message && p->at < p->end && *p->at == c;
}

static bool accept(struct parser *p, char c)
{
	if (!peek(p, c))
		return false;
	p->at++;
	return true;
}

static void expect(struct parser *p, char c, const char *message)
{
	if (!accept(p, c))
		fail(p, message);
}

static void space(struct parser *p)
{
	expect(p, ' ', "a space is expected");
}

static bool is_atom_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("(){%*\"\\]", c);
}

static struct span run(struct parser *p, const char *also, const char *but)
{
	const char *from = p->at;
	while (!failed(p) && p->at < p->end && *p->at &&
	       ((is_atom_char(*p->at) && !strchr(but, *p->at)) || strchr(also, *p->at)))
		p->at++;
	return span_make(from, (size_t)(p->at - from));
}

static struct span atom(struct parser *p)
{
	struct span s = run(p, "", "");
	if (s.len == 0)
		fail(p, "a word is expected");
	return s;
}

static struct span quoted(struct parser *p)
{
	expect(p, '"', "a quoted string is expected");
	char *to = arena_bytes(p->arena, (size_t)(p->end - p->at) + 1), *from = to;
	while (!failed(p)) {
		if (p->at >= p->end || *p->at == '\r' || *p->at == '\n' || *p->at == '\0') {
			fail(p, "unterminated quoted string");
		} else if (*p->at == '"') {
			p->at++;
			break;
		} else if (*p->at == '\\') {
			p->at++;
			if (p->at < p->end && (*p->at == '"' || *p->at == '\\'))
				*to++ = *p->at++;
			else
				fail(p, "only \\\" and \\\\ may be escaped");
		} else {
			*to++ = *p->at++;
		}
	}
	return span_make(from, (size_t)(to - from));
}

static struct span literal(struct parser *p)
{
	const char *line = memchr(p->at, '\n', (size_t)(p->end - p->at));
	uint64_t size;
	bool non_sync;
	size_t head = line ? (size_t)(line - p->at) : 0;
	if (head && p->at[head - 1] == '\r')
		head--;
	if (!line || !parse_literal_at_end(span_make(p->at, head), &size, &non_sync) ||
	    size > (uint64_t)(p->end - line - 1)) {
		fail(p, "bad literal");
		return span_make("", 0);
	}
	struct span s = span_make(line + 1, (size_t)size);
	if (memchr(s.ptr, 0, s.len))
		fail(p, "NUL in a literal");
	p->at = line + 1 + size;
	return s;
}

static struct span string(struct parser *p)
{
	return peek(p, '{') ? literal(p) : quoted(p);
}

static struct span astring(struct parser *p)
{
	if (peek(p, '"') || peek(p, '{'))
		return string(p);
	struct span s = run(p, "]", "");
	if (s.len == 0)
		fail(p, "a string is expected");
	return s;
}

static struct span list_pattern(struct parser *p)
{
	if (peek(p, '"') || peek(p, '{'))
		return string(p);
	struct span s = run(p, "]%*", "");
	if (s.len == 0)
		fail(p, "a mailbox pattern is expected");
	return s;
}

static uint64_t number(struct parser *p, uint64_t max)
{
	uint64_t n = 0;
	const char *from = p->at;
	while (!failed(p) && p->at < p->end && *p->at >= '0' && *p->at <= '9') {
		if (n > (max - (uint64_t)(*p->at - '0')) / 10)
			fail(p, "number too large");
		n = n * 10 + (uint64_t)(*p->at++ - '0');
	}
	if (p->at == from)
		fail(p, "a number is expected");
	return n;
}

static uint32_t nz_number(struct parser *p)
{
	if (peek(p, '0'))
		fail(p, "a number from 1 is expected");
	return (uint32_t)number(p, UINT32_MAX);
}

static struct numset sequence_set(struct parser *p)
{
	struct numset set = {0};
	do {
		struct numrange r;
		r.lo = accept(p, '*') ? 0 : nz_number(p);
		r.hi = r.lo;
		if (accept(p, ':'))
			r.hi = accept(p, '*') ? 0 : nz_number(p);
		if (set.n >= SET_RANGES_MAX)
			fail(p, "too many ranges in a set");
		if (failed(p))
			break;
		set.v = arena_grow(p->arena, set.v, set.n, sizeof(*set.v));
		set.v[set.n++] = r;
	} while (accept(p, ','));
	return set;
}

static void flags_into(struct parser *p, uint32_t *flags, struct span *keywords, bool *any)
{
	static const char *const names[] = {"Answered", "Flagged", "Deleted", "Seen", "Draft"};
	char *words = arena_bytes(p->arena, (size_t)(p->end - p->at) + 2), *to = words;
	bool parens = accept(p, '(');
	*any = parens;
	while (!failed(p) && p->at < p->end && *p->at != ')') {
		if (accept(p, '\\')) {
			struct span name = atom(p);
			size_t i = 0;
			while (i < countof(names) && !span_is(name, names[i]))
				i++;
			if (i == countof(names))
				fail(p, "this flag cannot be set");
			else
				*flags |= 1u << i;
		} else {
			struct span name = atom(p);
			if (to != words)
				*to++ = ' ';
			memcpy(to, name.ptr, name.len);
			to += name.len;
		}
		*any = true;
		if (!accept(p, ' '))
			break;
	}
	if (parens)
		expect(p, ')', "a closing parenthesis is expected");
	*to = '\0';
	*keywords = span_make(words, (size_t)(to - words));
}

static void section(struct parser *p, struct section *s)
{
	while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
		uint32_t n = nz_number(p);
		if (s->path_n >= PARTS_MAX)
			fail(p, "too many part numbers");
		if (failed(p))
			return;
		s->path = arena_grow(p->arena, s->path, s->path_n, sizeof(*s->path));
		s->path[s->path_n++] = n;
		if (peek(p, ']'))
			return;
		expect(p, '.', "a dot is expected in the section");
	}
	if (peek(p, ']') && s->path_n == 0)
		return;
	struct span word = run(p, "", "");
	if (span_is(word, "HEADER")) {
		s->kind = SECTION_HEADER;
	} else if (span_is(word, "TEXT")) {
		s->kind = SECTION_TEXT;
	} else if (span_is(word, "MIME") && s->path_n) {
		s->kind = SECTION_MIME;
	} else if (span_is(word, "HEADER.FIELDS") || span_is(word, "HEADER.FIELDS.NOT")) {
		s->kind = word.len == 13 ? SECTION_FIELDS : SECTION_FIELDS_NOT;
		space(p);
		expect(p, '(', "a list of header fields is expected");
		do {
			struct span name = astring(p);
			if (failed(p))
				return;
			s->fields = arena_grow(p->arena, s->fields, s->fields_n, sizeof(*s->fields));
			s->fields[s->fields_n++] = name;
		} while (accept(p, ' '));
		expect(p, ')', "a closing parenthesis is expected");
	} else {
		fail(p, "unknown section");
	}
}

static void fetch_item(struct parser *p, struct request *r)
{
	static const struct {
		const char *name;
		enum fetch_kind kind;
	} items[] = {{"UID", FETCH_UID}, {"FLAGS", FETCH_FLAGS}, {"INTERNALDATE", FETCH_INTERNALDATE},
		     {"RFC822.SIZE", FETCH_SIZE}, {"ENVELOPE", FETCH_ENVELOPE}, {"BODY", FETCH_BODY},
		     {"BODYSTRUCTURE", FETCH_BODYSTRUCTURE}, {"RFC822", FETCH_RFC822},
		     {"RFC822.HEADER", FETCH_RFC822_HEADER}, {"RFC822.TEXT", FETCH_RFC822_TEXT},
		     {"BODY.PEEK", FETCH_SECTION}};
	struct fetch_item item = {0};
	struct span word = run(p, "", "[");
	size_t i = 0;
	while (i < countof(items) && !span_is(word, items[i].name))
		i++;
	if (i == countof(items)) {
		fail(p, "unknown FETCH item");
		return;
	}
	item.kind = items[i].kind;
	item.peek = item.kind == FETCH_SECTION;
	if ((item.kind == FETCH_BODY && peek(p, '[')) || item.kind == FETCH_SECTION) {
		item.kind = FETCH_SECTION;
		expect(p, '[', "a section is expected");
		section(p, &item.section);
		expect(p, ']', "a closing bracket is expected");
		if (accept(p, '<')) {
			item.partial = true;
			item.offset = number(p, INT64_MAX);
			expect(p, '.', "a dot is expected in the partial");
			item.length = nz_number(p);
			expect(p, '>', "> is expected");
		}
	}
	if (failed(p))
		return;
	r->items = arena_grow(p->arena, r->items, r->items_n, sizeof(*r->items));
	r->items[r->items_n++] = item;
}

static void fetch_macro(struct parser *p, struct request *r, size_t n)
{
	static const enum fetch_kind all[] = {FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY};
	for (size_t i = 0; i < n; i++) {
		r->items = arena_grow(p->arena, r->items, r->items_n, sizeof(*r->items));
		r->items[r->items_n++] = (struct fetch_item){.kind = all[i]};
	}
}

static void fetch_items(struct parser *p, struct request *r)
{
	struct span rest = span_make(p->at, (size_t)(p->end - p->at));
	size_t macro = span_is(rest, "FAST") ? 3 : (span_is(rest, "ALL") ? 4 : (span_is(rest, "FULL") ? 5 : 0));
	if (macro) {
		fetch_macro(p, r, macro);
		p->at = p->end;
	} else if (accept(p, '(')) {
		do
			fetch_item(p, r);
		while (accept(p, ' '));
		expect(p, ')', "a closing parenthesis is expected");
	} else {
		fetch_item(p, r);
	}
}

static struct search_key *search_key(struct parser *p, unsigned depth);

static void add_child(struct parser *p, struct search_key *to, struct search_key *child)
{
	if (!child)
		return;
	to->children = arena_grow(p->arena, to->children, to->children_n, sizeof(struct search_key *));
	to->children[to->children_n++] = child;
}

static struct search_key *search_keys(struct parser *p, unsigned depth)
{
	struct search_key *all = arena_alloc(p->arena, sizeof(*all));
	all->kind = SEARCH_AND;
	do
		add_child(p, all, search_key(p, depth));
	while (!failed(p) && accept(p, ' '));
	return all;
}

enum argument { ARG_NONE, ARG_UNSET, ARG_STRING, ARG_WORD, ARG_UNWORD, ARG_DATE, ARG_NUMBER, ARG_FIELD };

static const struct {
	const char *name;
	enum search_kind kind;
	enum argument argument;
	uint32_t bits;
} search_names[] = {
	{"ALL", SEARCH_ALL, ARG_NONE, 0}, {"ANSWERED", SEARCH_FLAG, ARG_NONE, IMAP_ANSWERED},
	{"BCC", SEARCH_HEADER, ARG_STRING, 0}, {"BEFORE", SEARCH_BEFORE, ARG_DATE, 0},
	{"BODY", SEARCH_BODY, ARG_STRING, 0}, {"CC", SEARCH_HEADER, ARG_STRING, 0},
	{"DELETED", SEARCH_FLAG, ARG_NONE, IMAP_DELETED}, {"DRAFT", SEARCH_FLAG, ARG_NONE, IMAP_DRAFT},
	{"FLAGGED", SEARCH_FLAG, ARG_NONE, IMAP_FLAGGED}, {"FROM", SEARCH_HEADER, ARG_STRING, 0},
	{"HEADER", SEARCH_HEADER, ARG_FIELD, 0}, {"KEYWORD", SEARCH_KEYWORD, ARG_WORD, 0},
	{"LARGER", SEARCH_LARGER, ARG_NUMBER, 0}, {"OLD", SEARCH_RECENT, ARG_UNSET, 0},
	{"OLDER", SEARCH_OLDER, ARG_NUMBER, 0}, {"ON", SEARCH_ON, ARG_DATE, 0},
	{"RECENT", SEARCH_RECENT, ARG_NONE, 0}, {"SEEN", SEARCH_FLAG, ARG_NONE, IMAP_SEEN},
	{"SENTBEFORE", SEARCH_SENTBEFORE, ARG_DATE, 0}, {"SENTON", SEARCH_SENTON, ARG_DATE, 0},
	{"SENTSINCE", SEARCH_SENTSINCE, ARG_DATE, 0}, {"SINCE", SEARCH_SINCE, ARG_DATE, 0},
	{"SMALLER", SEARCH_SMALLER, ARG_NUMBER, 0}, {"SUBJECT", SEARCH_HEADER, ARG_STRING, 0},
	{"TEXT", SEARCH_TEXT, ARG_STRING, 0}, {"TO", SEARCH_HEADER, ARG_STRING, 0},
	{"UNANSWERED", SEARCH_FLAG, ARG_UNSET, IMAP_ANSWERED}, {"UNDELETED", SEARCH_FLAG, ARG_UNSET, IMAP_DELETED},
	{"UNDRAFT", SEARCH_FLAG, ARG_UNSET, IMAP_DRAFT}, {"UNFLAGGED", SEARCH_FLAG, ARG_UNSET, IMAP_FLAGGED},
	{"UNKEYWORD", SEARCH_KEYWORD, ARG_UNWORD, 0}, {"UNSEEN", SEARCH_FLAG, ARG_UNSET, IMAP_SEEN},
	{"YOUNGER", SEARCH_YOUNGER, ARG_NUMBER, 0},
};

static struct search_key *negate(struct parser *p, struct search_key *key)
{
	struct search_key *not = arena_alloc(p->arena, sizeof(*not));
	not->kind = SEARCH_NOT;
	add_child(p, not, key);
	return not;
}

static struct search_key *simple_key(struct parser *p, struct span word)
{
	struct search_key *key = arena_alloc(p->arena, sizeof(*key));
	size_t i = 0;
	while (i < countof(search_names) && !span_is(word, search_names[i].name))
		i++;
	if (i == countof(search_names)) {
		fail(p, "unknown search key");
		return key;
	}
	key->kind = search_names[i].kind;
	key->bits = search_names[i].bits;
	key->name = span_of(search_names[i].name);
	int64_t days = 0;
	switch (search_names[i].argument) {
	case ARG_NONE:
		break;
	case ARG_UNSET:
		return negate(p, key);
	case ARG_FIELD:
		space(p);
		key->name = astring(p);
		space(p);
		key->text = astring(p);
		break;
	case ARG_STRING:
		space(p);
		key->text = astring(p);
		break;
	case ARG_WORD:
	case ARG_UNWORD:
		space(p);
		key->text = atom(p);
		return search_names[i].argument == ARG_UNWORD ? negate(p, key) : key;
	case ARG_DATE:
		space(p);
		if (!parse_date(peek(p, '"') ? quoted(p) : atom(p), &days))
			fail(p, "bad date");
		key->number = (uint64_t)days;
		break;
	case ARG_NUMBER:
		space(p);
		key->number = number(p, UINT32_MAX);
		break;
	}
	return key;
}

static struct search_key *search_key(struct parser *p, unsigned depth)
{
	if (depth > SEARCH_DEPTH_MAX || ++p->keys > SEARCH_KEYS_MAX) {
		fail(p, "the search is too complex");
		return NULL;
	}
	if (accept(p, '(')) {
		struct search_key *all = search_keys(p, depth + 1);
		expect(p, ')', "a closing parenthesis is expected");
		return all;
	}
	struct search_key *key = arena_alloc(p->arena, sizeof(*key));
	if (p->at < p->end && (*p->at == '*' || (*p->at >= '0' && *p->at <= '9'))) {
		key->kind = SEARCH_SEQ;
		key->set = sequence_set(p);
		return key;
	}
	struct span word = atom(p);
	if (span_is(word, "UID")) {
		space(p);
		key->kind = SEARCH_UID;
		key->set = sequence_set(p);
	} else if (span_is(word, "NOT")) {
		space(p);
		key = negate(p, search_key(p, depth + 1));
	} else if (span_is(word, "OR")) {
		key->kind = SEARCH_OR;
		space(p);
		add_child(p, key, search_key(p, depth + 1));
		space(p);
		add_child(p, key, search_key(p, depth + 1));
	} else if (span_is(word, "NEW")) {
		key->kind = SEARCH_AND;
		add_child(p, key, simple_key(p, span_of("RECENT")));
		add_child(p, key, simple_key(p, span_of("UNSEEN")));
	} else {
		key = simple_key(p, word);
	}
	return key;
}

static void search(struct parser *p, struct request *r)
{
	static const char *const returns[] = {"MIN", "MAX", "ALL", "COUNT"};
	space(p);
	if (p->end - p->at > 8 && strncasecmp(p->at, "RETURN (", 8) == 0) {
		p->at += 8;
		r->has_return = true;
		while (!failed(p) && !accept(p, ')')) {
			struct span word = atom(p);
			size_t i = 0;
			while (i < countof(returns) && !span_is(word, returns[i]))
				i++;
			if (i == countof(returns))
				fail(p, "unknown RETURN option");
			r->returns |= 1u << i;
			if (!peek(p, ')'))
				space(p);
		}
		if (r->returns == 0)
			r->returns = RETURN_ALL;
		space(p);
	}
	if (p->end - p->at > 8 && strncasecmp(p->at, "CHARSET ", 8) == 0) {
		p->at += 8;
		r->charset = astring(p);
		space(p);
	}
	r->search = search_keys(p, 0);
}

static uint32_t words(struct parser *p, const char *const *names, size_t n, const char *message)
{
	uint32_t bits = 0;
	expect(p, '(', "a parenthesis is expected");
	while (!failed(p) && !accept(p, ')')) {
		accept(p, '\\');
		struct span word = atom(p);
		size_t i = 0;
		while (i < n && !span_is(word, names[i]))
			i++;
		if (i == n)
			fail(p, message);
		bits |= i < 32 ? 1u << i : 0;
		if (!peek(p, ')'))
			space(p);
	}
	return bits;
}

static void status_items(struct parser *p, struct request *r)
{
	static const char *const names[] = {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE",
					    "APPENDLIMIT"};
	r->status = words(p, names, countof(names), "unknown STATUS item");
	if (!r->status)
		fail(p, "a STATUS item is expected");
}

static void list_return(struct parser *p, struct request *r)
{
	expect(p, '(', "a parenthesis is expected");
	while (!failed(p) && !accept(p, ')')) {
		struct span word = atom(p);
		if (span_is(word, "SUBSCRIBED")) {
			r->list |= LIST_RETURN_SUBSCRIBED;
		} else if (span_is(word, "CHILDREN")) {
			r->list |= LIST_RETURN_CHILDREN;
		} else if (span_is(word, "SPECIAL-USE")) {
			r->list |= LIST_RETURN_SPECIAL;
		} else if (span_is(word, "STATUS")) {
			space(p);
			status_items(p, r);
		} else {
			fail(p, "unknown return option");
		}
		if (!peek(p, ')'))
			space(p);
	}
}

static void list(struct parser *p, struct request *r)
{
	static const char *const options[] = {"SUBSCRIBED", "RECURSIVEMATCH", "SPECIAL-USE", "REMOTE"};
	space(p);
	if (peek(p, '(') && r->kind == CMD_LIST) {
		r->list = LIST_EXTENDED | (words(p, options, countof(options), "unknown selection option") & 7);
		if ((r->list & 7) == LIST_SELECT_RECURSIVE)
			fail(p, "RECURSIVEMATCH needs another option");
		space(p);
	}
	r->mailbox = astring(p);
	space(p);
	bool many = r->kind == CMD_LIST && accept(p, '(');
	do {
		struct span pattern = list_pattern(p);
		if (failed(p))
			return;
		r->patterns = arena_grow(p->arena, r->patterns, r->patterns_n, sizeof(*r->patterns));
		r->patterns[r->patterns_n++] = pattern;
	} while (many && accept(p, ' '));
	if (many) {
		r->list |= LIST_EXTENDED;
		expect(p, ')', "a closing parenthesis is expected");
	}
	if (r->kind == CMD_LIST && accept(p, ' ')) {
		r->list |= LIST_EXTENDED;
		if (!span_is(atom(p), "RETURN"))
			fail(p, "RETURN is expected");
		space(p);
		list_return(p, r);
	}
}

static void id(struct parser *p)
{
	space(p);
	if (!accept(p, '(')) {
		if (!span_is(atom(p), "NIL"))
			fail(p, "a list or NIL is expected");
		return;
	}
	unsigned n = 0;
	while (!failed(p) && !accept(p, ')')) {
		if (n++ && n <= 60)
			space(p);
		if (n > 60)
			fail(p, "too many ID fields");
		if (peek(p, '"') || peek(p, '{'))
			string(p);
		else if (!span_is(atom(p), "NIL"))
			fail(p, "a string is expected");
	}
}

static const struct {
	const char *name;
	enum command_kind kind;
} command_names[] = {
	{"APPEND", CMD_APPEND}, {"AUTHENTICATE", CMD_AUTHENTICATE}, {"CAPABILITY", CMD_CAPABILITY},
	{"CHECK", CMD_CHECK}, {"CLOSE", CMD_CLOSE}, {"COPY", CMD_COPY}, {"CREATE", CMD_CREATE},
	{"DELETE", CMD_DELETE}, {"ENABLE", CMD_ENABLE}, {"EXAMINE", CMD_EXAMINE}, {"EXPUNGE", CMD_EXPUNGE},
	{"FETCH", CMD_FETCH}, {"ID", CMD_ID}, {"IDLE", CMD_IDLE}, {"LIST", CMD_LIST}, {"LOGIN", CMD_LOGIN},
	{"LOGOUT", CMD_LOGOUT}, {"LSUB", CMD_LSUB}, {"MOVE", CMD_MOVE}, {"NAMESPACE", CMD_NAMESPACE},
	{"NOOP", CMD_NOOP}, {"RENAME", CMD_RENAME}, {"SEARCH", CMD_SEARCH}, {"SELECT", CMD_SELECT},
	{"STARTTLS", CMD_STARTTLS}, {"STATUS", CMD_STATUS}, {"STORE", CMD_STORE}, {"SUBSCRIBE", CMD_SUBSCRIBE},
	{"UNSELECT", CMD_UNSELECT}, {"UNSUBSCRIBE", CMD_UNSUBSCRIBE},
};

static enum command_kind command_kind(struct span word)
{
	for (size_t i = 0; i < countof(command_names); i++)
		if (span_is(word, command_names[i].name))
			return command_names[i].kind;
	return CMD_UNKNOWN;
}

static void arguments(struct parser *p, struct request *r)
{
	static const char *const uses[] = {"All", "Archive", "Drafts", "Flagged", "Junk", "Sent", "Trash", "Important"};
	bool any;
	switch (r->kind) {
	case CMD_UNKNOWN: fail(p, "unknown command"); break;
	case CMD_CAPABILITY: case CMD_CHECK: case CMD_CLOSE: case CMD_IDLE: case CMD_LOGOUT: case CMD_NAMESPACE:
	case CMD_NOOP: case CMD_STARTTLS: case CMD_UNSELECT:
		break;
	case CMD_APPEND:
		fail(p, "APPEND needs a literal");
		break;
	case CMD_AUTHENTICATE:
		space(p);
		r->user = atom(p);
		r->has_initial = accept(p, ' ');
		if (r->has_initial)
			r->pass = run(p, "=", "");
		break;
	case CMD_LOGIN:
		space(p);
		r->user = astring(p);
		space(p);
		r->pass = astring(p);
		break;
	case CMD_CREATE:
		space(p);
		r->mailbox = astring(p);
		if (accept(p, ' ')) {
			expect(p, '(', "a parenthesis is expected");
			if (!span_is(atom(p), "USE"))
				fail(p, "USE is expected");
			space(p);
			r->special = words(p, uses, countof(uses), "unknown special use");
			expect(p, ')', "a closing parenthesis is expected");
		}
		break;
	case CMD_DELETE: case CMD_EXAMINE: case CMD_SELECT: case CMD_SUBSCRIBE: case CMD_UNSUBSCRIBE:
		space(p);
		r->mailbox = astring(p);
		break;
	case CMD_RENAME:
		space(p);
		r->mailbox = astring(p);
		space(p);
		r->target = astring(p);
		break;
	case CMD_STATUS:
		space(p);
		r->mailbox = astring(p);
		space(p);
		status_items(p, r);
		break;
	case CMD_ENABLE:
		do {
			space(p);
			atom(p);
		} while (!failed(p) && peek(p, ' '));
		break;
	case CMD_ID: id(p); break;
	case CMD_LIST: case CMD_LSUB: list(p, r); break;
	case CMD_COPY: case CMD_MOVE:
		space(p);
		r->set = sequence_set(p);
		space(p);
		r->target = astring(p);
		break;
	case CMD_EXPUNGE:
		if (r->uid) {
			space(p);
			r->set = sequence_set(p);
			r->has_set = true;
		}
		break;
	case CMD_FETCH:
		space(p);
		r->set = sequence_set(p);
		space(p);
		fetch_items(p, r);
		break;
	case CMD_STORE:
		space(p);
		r->set = sequence_set(p);
		space(p);
		r->store_op = accept(p, '+') ? '+' : (accept(p, '-') ? '-' : ' ');
		struct span item = atom(p);
		r->silent = span_is(item, "FLAGS.SILENT");
		if (!r->silent && !span_is(item, "FLAGS"))
			fail(p, "FLAGS is expected");
		space(p);
		flags_into(p, &r->flags, &r->keywords, &any);
		if (!any)
			fail(p, "a flag is expected");
		break;
	case CMD_SEARCH: search(p, r); break;
	}
}

static enum parse_status finish(struct parser *p, struct parse_error *error)
{
	if (!failed(p) && p->at != p->end)
		fail(p, "unexpected text at the end");
	*error = p->error;
	return failed(p) ? PARSE_BAD : PARSE_OK;
}

static void tag(struct parser *p, struct span *out)
{
	*out = run(p, "]", "+");
	if (out->len == 0 || !peek(p, ' ')) {
		out->ptr = NULL;
		fail(p, "a tag and a command are expected");
		return;
	}
	p->at++;
}

enum parse_status parse_request(struct arena *a, struct span text, struct request *r, struct parse_error *error)
{
	struct parser p = {a, text.ptr, text.ptr, text.ptr + text.len, {0}, 0};
	*r = (struct request){0};
	tag(&p, &r->tag);
	struct span name = atom(&p);
	if (span_is(name, "UID")) {
		r->uid = true;
		space(&p);
		name = atom(&p);
	}
	if (!failed(&p)) {
		r->kind = command_kind(name);
		bool has_uid_form = r->kind == CMD_FETCH || r->kind == CMD_STORE || r->kind == CMD_COPY ||
				    r->kind == CMD_MOVE || r->kind == CMD_SEARCH || r->kind == CMD_EXPUNGE;
		if (r->uid && !has_uid_form)
			fail(&p, "this command has no UID form");
		arguments(&p, r);
	}
	return finish(&p, error);
}

enum parse_status parse_append(struct arena *a, struct span text, bool first, struct append_head *out,
			       struct parse_error *error)
{
	struct parser p = {a, text.ptr, text.ptr, text.ptr + text.len, {0}, 0};
	struct span mailbox = out->mailbox;
	*out = (struct append_head){.mailbox = mailbox};
	bool any;
	if (first) {
		struct span ignored;
		tag(&p, &ignored);
		atom(&p);
		space(&p);
		out->mailbox = astring(&p);
	}
	space(&p);
	if (peek(&p, '(')) {
		flags_into(&p, &out->flags, &out->keywords, &any);
		space(&p);
	}
	if (peek(&p, '"')) {
		out->has_date = true;
		if (!parse_date_time(quoted(&p), &out->date, &out->zone_min))
			fail(&p, "bad date-time");
		space(&p);
	}
	uint64_t size;
	bool non_sync;
	if (!failed(&p) && (!peek(&p, '{') ||
			    !parse_literal_at_end(span_make(p.at, (size_t)(p.end - p.at)), &size, &non_sync)))
		fail(&p, "a literal is expected");
	p.at = p.end;
	return finish(&p, error);
}

bool parse_literal_at_end(struct span line, uint64_t *size, bool *non_sync)
{
	if (line.len < 3 || line.ptr[line.len - 1] != '}')
		return false;
	size_t at = line.len - 1;
	*non_sync = line.ptr[at - 1] == '+';
	at -= *non_sync;
	size_t digits_end = at;
	while (at > 0 && line.ptr[at - 1] >= '0' && line.ptr[at - 1] <= '9')
		at--;
	if (at == digits_end || at == 0 || line.ptr[at - 1] != '{' || digits_end - at > 15)
		return false;
	*size = 0;
	for (; at < digits_end; at++)
		*size = *size * 10 + (uint64_t)(line.ptr[at] - '0');
	return true;
}
