#include "protocol/imap/flags.h"

static const char *const names[] = {"Answered", "Flagged", "Deleted", "Seen", "Draft"};

static void flag(struct lexer *lx, struct flag_list *out, struct buf *keywords)
{
	if (lexer_accept(lx, '\\')) {
		struct span name = lexer_atom(lx);
		size_t i = 0;
		while (i < countof(names) && !span_is(name, names[i]))
			i++;
		if (i == countof(names))
			lexer_fail(lx, "This flag cannot be set");
		else
			out->bits |= 1u << i;
		return;
	}
	struct span keyword = lexer_atom(lx);
	if (!lexer_within(lx, LIMIT_KEYWORD_BYTES, keyword.len) || !lexer_within(lx, LIMIT_KEYWORDS, ++out->keywords_n))
		return;
	if (keywords->len)
		buf_add_char(keywords, ' ');
	buf_add_span(keywords, keyword);
}

static void parse(struct lexer *lx, struct flag_list *out, bool list)
{
	struct buf keywords;
	*out = (struct flag_list){0};
	buf_init(&keywords, (size_t)parse_limits[LIMIT_KEYWORDS].max * (parse_limits[LIMIT_KEYWORD_BYTES].max + 1));
	if (list) {
		for (bool on = lexer_list(lx); on; on = lexer_list_more(lx))
			flag(lx, out, &keywords);
	} else {
		do
			flag(lx, out, &keywords);
		while (lexer_accept(lx, ' '));
	}
	out->keywords = arena_copy(lx->arena, buf_span(&keywords));
	buf_finish(&keywords);
}

void flags_parse_list(struct lexer *lx, struct flag_list *out)
{
	parse(lx, out, true);
}

void flags_parse_store(struct lexer *lx, struct flag_list *out)
{
	parse(lx, out, lexer_peek(lx, '('));
}

void flags_write(struct buf *out, uint32_t bits)
{
	bool first = true;
	for (size_t i = 0; i < countof(names); i++) {
		if (!(bits & 1u << i))
			continue;
		buf_add_text(out, first ? "\\" : " \\");
		buf_add_text(out, names[i]);
		first = false;
	}
}
