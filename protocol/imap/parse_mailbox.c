/* Commands about mailboxes as a whole: SELECT, CREATE, DELETE, RENAME, SUBSCRIBE, LIST, STATUS. */
#include "protocol/imap/parse.h"
#include "protocol/imap/parse_family.h"

void parse_mailbox(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	r->mailbox.name = lexer_astring(lx);
}

static uint64_t numbers_in(const struct numset *set)
{
	uint64_t n = 0;
	for (size_t i = 0; i < set->n; i++)
		n += (uint64_t)set->v[i].hi - set->v[i].lo + 1;
	return n;
}

/* A set without "*", put in order (RFC 7162 7, known-uids).  `sorted`: the client must have done that. */
static void known_set(struct lexer *lx, bool sorted, struct numset *out)
{
	numset_parse(lx, out);
	for (size_t i = 0; i < out->n; i++) {
		struct numrange *range = &out->v[i];
		if (range->lo == NUMSET_STAR || range->hi == NUMSET_STAR)
			lexer_fail(lx, "* has no meaning here");
		if (sorted && (range->lo > range->hi || (i && out->v[i - 1].hi >= range->lo)))
			lexer_fail(lx, "The numbers do not ascend");
	}
	if (!sorted && !lexer_failed(lx))
		numset_normalise(out, 0);
}

/* "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP "(" seqs SP uids ")"] ")" */
static void qresync(struct lexer *lx, struct select_request *s)
{
	lexer_space(lx);
	lexer_expect(lx, '(', "A list is expected behind QRESYNC");
	s->qresync = true;
	s->uidvalidity = lexer_nz_number(lx);
	lexer_space(lx);
	s->modseq = lexer_number(lx, INT64_MAX);
	if (s->modseq == 0)
		lexer_fail(lx, "A modification sequence from 1 is expected"); /* RFC 7162 7: mod-sequence-value */
	if (lexer_accept(lx, ' ') && !lexer_peek(lx, '(')) {
		known_set(lx, false, &s->known);
		if (lexer_accept(lx, ' ') && !lexer_peek(lx, '('))
			lexer_fail(lx, "A list of numbers and UIDs is expected");
	}
	if (lexer_accept(lx, '(')) {
		lexer_takes_numbers(lx); /* RFC 9586 3.7 */
		known_set(lx, true, &s->match_seqs);
		lexer_space(lx);
		known_set(lx, true, &s->match_uids);
		if (numbers_in(&s->match_seqs) != numbers_in(&s->match_uids))
			lexer_fail(lx, "There are not as many numbers as UIDs");
		lexer_expect(lx, ')', "A closing parenthesis is expected");
	}
	lexer_expect(lx, ')', "A closing parenthesis is expected");
}

void parse_select(struct lexer *lx, struct request *r)
{
	struct select_request *s = &r->select;
	lexer_space(lx);
	s->name = lexer_astring(lx);
	if (!lexer_accept(lx, ' '))
		return;
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "A parameter is expected");
	for (; on; on = lexer_list_more(lx)) {
		if (!s->condstore && lexer_accept_word(lx, "CONDSTORE"))
			s->condstore = true;
		else if (!s->qresync && lexer_accept_word(lx, "QRESYNC"))
			qresync(lx, s);
		else
			lexer_fail(lx, "This parameter is not known, or there twice"); /* RFC 4466 2.1 */
	}
	if (s->qresync && !(lx->dialect & DIALECT_QRESYNC))
		lexer_fail(lx, "QRESYNC was not enabled"); /* RFC 7162 3.2.5 */
}

static void use_attribute(struct lexer *lx, struct create_request *c)
{
	static const char *const uses[] = {"All", "Archive", "Drafts", "Flagged", "Junk", "Sent", "Trash", "Important"};
	lexer_expect(lx, '\\', "A special use is expected");
	struct span name = lexer_atom(lx);
	size_t i = 0;
	while (i < countof(uses) && !span_is(name, uses[i]))
		i++;
	if (i == countof(uses))
		c->unknown_use = true; /* use-attr-ext is in the grammar (RFC 6154 6), so this is no BAD */
	else
		c->uses |= 1u << i;
}

bool parse_uses(struct span text, uint32_t *out)
{
	struct lexer lx;
	struct create_request c = {0};
	*out = 0;
	if (text.len == 0)
		return true;
	lexer_init(&lx, NULL, text, DIALECT_REV1);
	for (bool on = true; on; on = lexer_accept(&lx, ' '))
		use_attribute(&lx, &c);
	lexer_end(&lx);
	*out = c.uses;
	return !lexer_failed(&lx) && !c.unknown_use;
}

void parse_create(struct lexer *lx, struct request *r)
{
	struct create_request *c = &r->create;
	lexer_space(lx);
	c->name = lexer_astring(lx);
	if (!lexer_accept(lx, ' '))
		return;
	bool has_use = false;
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "A parameter is expected");
	for (; on; on = lexer_list_more(lx)) {
		if (has_use || !lexer_accept_word(lx, "USE"))
			lexer_fail(lx, "This parameter is not known, or there twice");
		has_use = true;
		lexer_space(lx);
		for (bool use = lexer_list(lx); use; use = lexer_list_more(lx))
			use_attribute(lx, c);
	}
}

void parse_rename(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	r->rename.from = lexer_astring(lx);
	lexer_space(lx);
	r->rename.to = lexer_astring(lx);
}

static uint32_t status_items(struct lexer *lx)
{
	static const char *const names[] = {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE",
					    "APPENDLIMIT", "MAILBOXID", "HIGHESTMODSEQ", "DELETED", "DELETED-STORAGE"};
	uint32_t items = parse_words(lx, names, countof(names), "This STATUS item is not known");
	if (!items)
		lexer_fail(lx, "A STATUS item is expected");
	/* There is no \Recent in rev2 (RFC 9051 E 12): who still asks is told the rest. */
	return lx->dialect & DIALECT_REV2 ? items & ~(uint32_t)STATUS_RECENT : items;
}

void parse_status_command(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	r->status.name = lexer_astring(lx);
	lexer_space(lx);
	r->status.items = status_items(lx);
}

/* list-select-opts (RFC 5258 6): the bits of LIST_SELECT_*. */
static uint32_t select_options(struct lexer *lx)
{
	static const char *const names[] = {"SUBSCRIBED", "RECURSIVEMATCH", "SPECIAL-USE", "REMOTE"};
	uint32_t bits = parse_words(lx, names, countof(names), "This selection option is not known");
	/* RFC 5258 3, 6: with a base option, which SPECIAL-USE and REMOTE are not (RFC 6154 6). */
	if ((bits & LIST_SELECT_RECURSIVE) && !(bits & LIST_SELECT_SUBSCRIBED))
		lexer_fail(lx, "RECURSIVEMATCH needs another option");
	return bits;
}

static void return_option(struct lexer *lx, struct list_request *l)
{
	if (lexer_accept_word(lx, "SUBSCRIBED")) {
		l->options |= LIST_RETURN_SUBSCRIBED;
	} else if (lexer_accept_word(lx, "CHILDREN")) {
		l->options |= LIST_RETURN_CHILDREN;
	} else if (lexer_accept_word(lx, "SPECIAL-USE")) {
		l->options |= LIST_RETURN_SPECIAL;
	} else if (lexer_accept_word(lx, "STATUS")) { /* RFC 5819 2 */
		l->options |= LIST_RETURN_STATUS;
		lexer_space(lx);
		l->status |= status_items(lx);
	} else if (lexer_accept_word(lx, "METADATA")) { /* RFC 9590 3 */
		l->options |= LIST_RETURN_METADATA;
		lexer_space(lx);
		parse_metadata_names(lx, false, &l->metadata);
	} else {
		lexer_fail(lx, "This return option is not known");
	}
}

static void add_pattern(struct lexer *lx, struct list_request *l)
{
	struct span pattern = lexer_pattern(lx);
	if (!lexer_within(lx, LIMIT_LIST_PATTERNS, l->patterns_n + 1))
		return;
	l->patterns = arena_grow(lx->arena, l->patterns, l->patterns_n, sizeof(*l->patterns));
	l->patterns[l->patterns_n++] = pattern;
}

void parse_list(struct lexer *lx, struct request *r)
{
	struct list_request *l = &r->list;
	bool extended = r->kind == CMD_LIST;
	lexer_space(lx);
	if (extended && lexer_peek(lx, '(')) {
		l->options |= LIST_EXTENDED | select_options(lx);
		lexer_space(lx);
	}
	l->reference = lexer_astring(lx);
	lexer_space(lx);
	if (extended && lexer_peek(lx, '(')) {
		l->options |= LIST_EXTENDED;
		bool on = lexer_list(lx);
		if (!on)
			lexer_fail(lx, "A mailbox pattern is expected");
		for (; on; on = lexer_list_more(lx))
			add_pattern(lx, l);
	} else {
		add_pattern(lx, l);
	}
	if (!extended || !lexer_accept(lx, ' '))
		return;
	l->options |= LIST_EXTENDED;
	if (!lexer_accept_word(lx, "RETURN"))
		lexer_fail(lx, "RETURN is expected");
	lexer_space(lx);
	for (bool on = lexer_list(lx); on; on = lexer_list_more(lx))
		return_option(lx, l);
}
