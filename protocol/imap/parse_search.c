/* UIDBATCHES (RFC 10022); SEARCH: its options and the search program (RFC 3501 6.4.4, 4731, 5032, 5182, 6203, 8474, 8514, 9394). */
#include "protocol/imap/parse_family.h"

#include "protocol/imap/date.h"

enum { OBJECTID_BYTES_MAX = 255 };

enum argument { ARG_NONE, ARG_STRING, ARG_KEYWORD, ARG_DATE, ARG_SIZE, ARG_SECONDS, ARG_HEADER, ARG_OBJECTID };

struct search_row {
	const char *name;
	enum search_kind kind;
	enum argument argument;
	bool negated;  /* the UN- keys and OLD */
	uint32_t bits; /* SEARCH_FLAG */
};

static const struct search_row rows[] = { /* sorted */
	{"ALL", SEARCH_ALL, ARG_NONE, false, 0},
	{"ANSWERED", SEARCH_FLAG, ARG_NONE, false, IMAP_ANSWERED},
	{"BCC", SEARCH_FIELD, ARG_STRING, false, 0},
	{"BEFORE", SEARCH_BEFORE, ARG_DATE, false, 0},
	{"BODY", SEARCH_BODY, ARG_STRING, false, 0},
	{"CC", SEARCH_FIELD, ARG_STRING, false, 0},
	{"DELETED", SEARCH_FLAG, ARG_NONE, false, IMAP_DELETED},
	{"DRAFT", SEARCH_FLAG, ARG_NONE, false, IMAP_DRAFT},
	{"EMAILID", SEARCH_EMAILID, ARG_OBJECTID, false, 0},
	{"FLAGGED", SEARCH_FLAG, ARG_NONE, false, IMAP_FLAGGED},
	{"FROM", SEARCH_FIELD, ARG_STRING, false, 0},
	{"HEADER", SEARCH_HEADER, ARG_HEADER, false, 0},
	{"KEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, false, 0},
	{"LARGER", SEARCH_LARGER, ARG_SIZE, false, 0},
	{"OLD", SEARCH_RECENT, ARG_NONE, true, 0},
	{"OLDER", SEARCH_OLDER, ARG_SECONDS, false, 0},
	{"ON", SEARCH_ON, ARG_DATE, false, 0},
	{"RECENT", SEARCH_RECENT, ARG_NONE, false, 0},
	{"SAVEDATESUPPORTED", SEARCH_ALL, ARG_NONE, false, 0}, /* every message has one (RFC 8514 4.3) */
	{"SAVEDBEFORE", SEARCH_SAVEDBEFORE, ARG_DATE, false, 0},
	{"SAVEDON", SEARCH_SAVEDON, ARG_DATE, false, 0},
	{"SAVEDSINCE", SEARCH_SAVEDSINCE, ARG_DATE, false, 0},
	{"SEEN", SEARCH_FLAG, ARG_NONE, false, IMAP_SEEN},
	{"SENTBEFORE", SEARCH_SENTBEFORE, ARG_DATE, false, 0},
	{"SENTON", SEARCH_SENTON, ARG_DATE, false, 0},
	{"SENTSINCE", SEARCH_SENTSINCE, ARG_DATE, false, 0},
	{"SINCE", SEARCH_SINCE, ARG_DATE, false, 0},
	{"SMALLER", SEARCH_SMALLER, ARG_SIZE, false, 0},
	{"SUBJECT", SEARCH_FIELD, ARG_STRING, false, 0},
	{"TEXT", SEARCH_TEXT, ARG_STRING, false, 0},
	{"THREADID", SEARCH_THREADID, ARG_OBJECTID, false, 0},
	{"TO", SEARCH_FIELD, ARG_STRING, false, 0},
	{"UNANSWERED", SEARCH_FLAG, ARG_NONE, true, IMAP_ANSWERED},
	{"UNDELETED", SEARCH_FLAG, ARG_NONE, true, IMAP_DELETED},
	{"UNDRAFT", SEARCH_FLAG, ARG_NONE, true, IMAP_DRAFT},
	{"UNFLAGGED", SEARCH_FLAG, ARG_NONE, true, IMAP_FLAGGED},
	{"UNKEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, true, 0},
	{"UNSEEN", SEARCH_FLAG, ARG_NONE, true, IMAP_SEEN},
	{"YOUNGER", SEARCH_YOUNGER, ARG_SECONDS, false, 0},
};

static struct search_key *make_key(struct lexer *lx, enum search_kind kind)
{
	struct search_key *key = arena_alloc(lx->arena, sizeof(*key));
	key->kind = kind;
	return key;
}

static void add_child(struct lexer *lx, struct search_key *to, struct search_key *child)
{
	to->children = arena_grow(lx->arena, to->children, to->children_n, sizeof(struct search_key *));
	to->children[to->children_n++] = child;
}

static struct search_key *key_of(struct lexer *lx, enum search_kind kind, struct search_key *child)
{
	struct search_key *key = make_key(lx, kind);
	add_child(lx, key, child);
	return key;
}

static struct search_key *negate(struct lexer *lx, struct search_key *key)
{
	return key_of(lx, SEARCH_NOT, key);
}

/* date = date-text / DQUOTE date-text DQUOTE */
static int64_t date(struct lexer *lx)
{
	int64_t days = 0;
	struct span text = lexer_peek(lx, '"') ? lexer_quoted(lx) : lexer_atom(lx);
	if (!date_parse(text, &days))
		lexer_fail(lx, "This is not a date");
	return days;
}

/* RFC 8474 7: 1 to 255 of these. */
static struct span objectid(struct lexer *lx)
{
	struct span id = lexer_atom(lx);
	bool ok = id.len <= OBJECTID_BYTES_MAX;
	for (size_t i = 0; i < id.len && ok; i++) {
		char c = id.ptr[i];
		ok = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
	}
	if (!ok)
		lexer_fail(lx, "This is not an object id");
	return id;
}

static void arguments(struct lexer *lx, enum argument argument, struct search_key *key)
{
	if (argument != ARG_NONE)
		lexer_space(lx);
	switch (argument) {
	case ARG_NONE:
		break;
	case ARG_STRING:
		key->text = lexer_astring(lx);
		break;
	case ARG_KEYWORD:
		key->text = lexer_atom(lx);
		break;
	case ARG_DATE:
		key->number = date(lx);
		break;
	case ARG_SIZE:
		/* number64 in rev2 (RFC 9051 9, search-key) */
		key->number = (int64_t)lexer_number(lx, lx->dialect & DIALECT_REV2 ? INT64_MAX : UINT32_MAX);
		break;
	case ARG_SECONDS: /* RFC 5032 4: nz-number */
		key->number = lexer_nz_number(lx);
		break;
	case ARG_HEADER:
		key->name = lexer_astring(lx);
		lexer_space(lx);
		key->text = lexer_astring(lx);
		break;
	case ARG_OBJECTID:
		key->text = objectid(lx);
		break;
	}
}

static int compare_name(const void *key, const void *element)
{
	const struct span *word = key;
	const struct search_row *row = element;
	size_t len = strlen(row->name);
	int order = strncasecmp(word->ptr, row->name, word->len < len ? word->len : len);
	return order ? order : (word->len < len ? -1 : word->len > len);
}

static struct search_key *named_key(struct lexer *lx)
{
	const char *at = lx->at;
	struct span word = lexer_atom(lx);
	const struct search_row *row =
		word.len ? bsearch(&word, rows, countof(rows), sizeof(*rows), compare_name) : NULL;
	if (!row) {
		lx->at = lexer_failed(lx) ? lx->at : at;
		lexer_fail(lx, "This search key is not known");
		return make_key(lx, SEARCH_ALL);
	}
	struct search_key *key = make_key(lx, row->kind);
	key->bits = row->bits;
	if (row->kind == SEARCH_FIELD)
		key->name = span_of(row->name);
	arguments(lx, row->argument, key);
	return row->negated ? negate(lx, key) : key;
}

static struct search_key *search_key(struct lexer *lx, unsigned depth);

/* search-key *(SP search-key): all of them. */
static struct search_key *all_keys(struct lexer *lx, unsigned depth)
{
	struct search_key *all = make_key(lx, SEARCH_AND);
	do
		add_child(lx, all, search_key(lx, depth));
	while (lexer_accept(lx, ' '));
	return all;
}

static struct search_key *or_key(struct lexer *lx, unsigned depth)
{
	struct search_key *key = make_key(lx, SEARCH_OR);
	for (unsigned i = 0; i < 2; i++) {
		lexer_space(lx);
		add_child(lx, key, search_key(lx, depth));
	}
	return key;
}

/* NEW is RECENT UNSEEN (RFC 3501 6.4.4). */
static struct search_key *new_key(struct lexer *lx)
{
	struct search_key *key = make_key(lx, SEARCH_AND), *seen = make_key(lx, SEARCH_FLAG);
	seen->bits = IMAP_SEEN;
	add_child(lx, key, make_key(lx, SEARCH_RECENT));
	add_child(lx, key, negate(lx, seen));
	return key;
}

/* RFC 7162 3.1.5: "MODSEQ" [entry-name entry-type] value.  There is one mod-sequence a message, whatever the entry. */
static struct search_key *modseq_key(struct lexer *lx)
{
	static const char *const types[] = {"priv", "shared", "all"};
	struct search_key *key = make_key(lx, SEARCH_MODSEQ);
	lexer_space(lx);
	if (lexer_peek(lx, '"')) {
		bool known = false;
		struct span entry = lexer_quoted(lx);
		if (entry.len < 8 || strncasecmp(entry.ptr, "/flags/", 7) != 0)
			lexer_fail(lx, "This is not the name of a flag's entry");
		lexer_space(lx);
		for (size_t i = 0; i < countof(types) && !known; i++)
			known = lexer_accept_word(lx, types[i]);
		if (!known)
			lexer_fail(lx, "priv, shared or all is expected");
		lexer_space(lx);
	}
	key->number = (int64_t)lexer_number(lx, INT64_MAX);
	lx->search_modseq = true;
	return key;
}

/* Always gives a key, so that trees are whole even after an error. */
static struct search_key *search_key(struct lexer *lx, unsigned depth)
{
	if (!lexer_within(lx, LIMIT_SEARCH_DEPTH, depth) || !lexer_within(lx, LIMIT_SEARCH_KEYS, ++lx->search_keys))
		return make_key(lx, SEARCH_ALL);
	if (lexer_accept(lx, '(')) {
		struct search_key *all = all_keys(lx, depth + 1);
		lexer_expect(lx, ')', "A closing parenthesis is expected");
		return all;
	}
	if (lexer_accept(lx, '$')) /* RFC 5182 3: whether sequence numbers or UIDs are meant makes no difference */
		return make_key(lx, SEARCH_SAVED);
	if (lexer_peek_digit(lx) || lexer_peek(lx, '*')) {
		struct search_key *key = make_key(lx, SEARCH_SEQ);
		lx->search_numbers = true;
		lexer_takes_numbers(lx); /* in UID SEARCH too (RFC 9586 3.5) */
		numset_parse(lx, &key->set);
		return key;
	}
	if (lexer_accept_word(lx, "UID")) {
		struct search_key *key = make_key(lx, SEARCH_UID);
		lexer_space(lx);
		numset_parse_messages(lx, &key->set);
		key->kind = key->set.saved ? SEARCH_SAVED : SEARCH_UID;
		return key;
	}
	if (lexer_accept_word(lx, "MODSEQ"))
		return modseq_key(lx);
	if (lexer_accept_word(lx, "NOT")) {
		lexer_space(lx);
		return negate(lx, search_key(lx, depth + 1));
	}
	if (lexer_accept_word(lx, "FUZZY")) { /* RFC 6203 7 */
		lx->search_fuzzy = true;
		lexer_space(lx);
		return key_of(lx, SEARCH_FUZZY, search_key(lx, depth + 1));
	}
	if (lexer_accept_word(lx, "OR"))
		return or_key(lx, depth + 1);
	return lexer_accept_word(lx, "NEW") ? new_key(lx) : named_key(lx);
}

static void return_option(struct lexer *lx, struct search_request *s)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} options[] = {{"MIN", RETURN_MIN}, {"MAX", RETURN_MAX}, {"ALL", RETURN_ALL}, {"COUNT", RETURN_COUNT},
		       {"SAVE", RETURN_SAVE}, {"PARTIAL", RETURN_PARTIAL},
		       {"RELEVANCY", RETURN_RELEVANCY}};
	struct span word = lexer_atom(lx);
	size_t i = 0;
	while (i < countof(options) && !span_is(word, options[i].name))
		i++;
	if (i == countof(options)) {
		lexer_fail(lx, "This RETURN option is not known");
		return;
	}
	/* RFC 9394 3.1: one PARTIAL, or one ALL, or neither. */
	if ((options[i].bit == RETURN_PARTIAL && (s->returns & (RETURN_PARTIAL | RETURN_ALL))) ||
	    (options[i].bit == RETURN_ALL && (s->returns & RETURN_PARTIAL)))
		lexer_fail(lx, "PARTIAL stands alone, without ALL");
	s->returns |= options[i].bit;
	if (options[i].bit != RETURN_PARTIAL)
		return;
	lexer_space(lx);
	partial_parse(lx, &s->partial);
}

void parse_search_returns(struct lexer *lx, struct search_request *s)
{
	s->has_return = true;
	for (bool on = lexer_list(lx); on; on = lexer_list_more(lx))
		return_option(lx, s);
	if (!s->returns)
		s->returns = RETURN_ALL; /* RFC 4731 3.1 */
}

void parse_search_program(struct lexer *lx, struct search_request *s)
{
	s->key = all_keys(lx, 0);
	s->has_modseq = lx->search_modseq;
	s->by_numbers = lx->search_numbers;
	s->has_relevancy = (s->returns & RETURN_RELEVANCY) != 0;
	for (size_t i = 0; i < s->sort_n; i++)
		s->has_relevancy = s->has_relevancy || s->sort[i].kind == SORT_BY_RELEVANCY;
	if (s->has_relevancy && !lx->search_fuzzy)
		lexer_fail(lx, "RELEVANCY is of FUZZY searches"); /* RFC 6203 4, 6 */
}

void parse_search(struct lexer *lx, struct request *r)
{
	struct search_request *s = &r->search;
	lexer_space(lx);
	if (lexer_accept_word(lx, "RETURN")) {
		lexer_space(lx);
		parse_search_returns(lx, s);
		lexer_space(lx);
	}
	if (lexer_accept_word(lx, "CHARSET")) {
		lexer_space(lx);
		s->charset = lexer_astring(lx);
		lexer_space(lx);
		if ((lx->dialect & (DIALECT_UTF8 | DIALECT_REV2)) == DIALECT_UTF8)
			lexer_fail(lx, "No charset may be named once UTF8=ACCEPT is enabled"); /* RFC 9755 3 */
	}
	parse_search_program(lx, s);
	if (!s->has_return && (lx->dialect & DIALECT_REV2)) { /* RFC 9051 6.4.4 */
		s->has_return = true;
		s->returns = RETURN_ALL;
	}
}

/* message-batches (RFC 10022 4) */
void parse_batches(struct lexer *lx, struct request *r)
{
	struct batches_request *b = &r->batches;
	lexer_space(lx);
	b->size = lexer_nz_number(lx);
	if (!lexer_accept(lx, ' '))
		return;
	b->first = lexer_nz_number(lx);
	lexer_expect(lx, ':', "A range is expected");
	b->last = lexer_nz_number(lx);
	if (b->first <= b->last || lexer_failed(lx))
		return;
	lexer_fail(lx, "The range of batches does not ascend");
	lx->error.code = "CLIENTBUG"; /* RFC 10022 3.1.5 */
}
