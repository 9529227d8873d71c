/* SORT and THREAD (RFC 5256, 5267 3, 5957): what stands before the search program. */
#include "protocol/imap/parse_family.h"

static const char *const sort_names[SORT_KINDS] = {
	[SORT_BY_ARRIVAL] = "ARRIVAL", [SORT_BY_CC] = "CC", [SORT_BY_DATE] = "DATE",
	[SORT_BY_DISPLAY_FROM] = "DISPLAYFROM", [SORT_BY_DISPLAY_TO] = "DISPLAYTO", [SORT_BY_FROM] = "FROM",
	[SORT_BY_RELEVANCY] = "RELEVANCY", [SORT_BY_SIZE] = "SIZE", [SORT_BY_SUBJECT] = "SUBJECT", [SORT_BY_TO] = "TO"};

static void add_key(struct search_request *s, enum sort_kind kind, bool reverse)
{
	for (size_t i = 0; i < s->sort_n; i++)
		if (s->sort[i].kind == kind)
			return;
	s->sort[s->sort_n++] = (struct sort_key){kind, reverse};
}

/* sort-criterion: REVERSE is for the key behind it alone. */
static void sort_criterion(struct lexer *lx, struct search_request *s)
{
	bool reverse = lexer_accept_word(lx, "REVERSE");
	if (reverse)
		lexer_space(lx);
	struct span word = lexer_atom(lx);
	for (unsigned kind = 0; kind < SORT_KINDS; kind++) {
		if (span_is(word, sort_names[kind])) {
			add_key(s, (enum sort_kind)kind, reverse);
			return;
		}
	}
	lexer_fail(lx, "This sort key is not known");
}

/* " charset program".  Once UTF8=ACCEPT is enabled UTF-8 is the only one (RFC 9755 3). */
static void search_criteria(struct lexer *lx, struct search_request *s)
{
	lexer_space(lx);
	s->charset = lexer_astring(lx);
	bool utf8_alone = (lx->dialect & (DIALECT_UTF8 | DIALECT_REV2)) == DIALECT_UTF8;
	if (utf8_alone && !span_is(s->charset, "UTF-8"))
		lexer_fail(lx, "UTF-8 is the only charset once UTF8=ACCEPT is enabled");
	lexer_space(lx);
	parse_search_program(lx, s);
}

void parse_sort(struct lexer *lx, struct request *r)
{
	struct search_request *s = &r->search;
	lexer_space(lx);
	if (lexer_accept_word(lx, "RETURN")) {
		lexer_space(lx);
		parse_search_returns(lx, s);
		lexer_space(lx);
	}
	for (bool on = lexer_list(lx); on; on = lexer_list_more(lx))
		sort_criterion(lx, s);
	if (!s->sort_n)
		lexer_fail(lx, "A sort key is expected");
	search_criteria(lx, s);
}

void parse_thread(struct lexer *lx, struct request *r)
{
	static const struct {
		const char *name;
		enum thread_algorithm algorithm;
	} algorithms[] = {{"ORDEREDSUBJECT", THREAD_ORDEREDSUBJECT}, {"REFERENCES", THREAD_REFERENCES},
			  {"REFS", THREAD_REFS}};
	lexer_space(lx);
	struct span word = lexer_atom(lx);
	size_t i = 0;
	while (i < countof(algorithms) && !span_is(word, algorithms[i].name))
		i++;
	if (i == countof(algorithms))
		lexer_fail(lx, "This threading algorithm is not known");
	else
		r->search.algorithm = algorithms[i].algorithm;
	search_criteria(lx, &r->search);
}
