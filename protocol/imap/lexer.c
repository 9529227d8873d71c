#include "protocol/imap/lexer.h"

#include <utf8proc.h>

enum { IN_ATOM = 1, IN_ASTRING = 2, IN_PATTERN = 4, IN_TAG = 8, IN_QUOTED = 16 };

/*
 * Printable US-ASCII but for the specials (RFC 3501 9):  ( ) { % * " \ ]  are no ATOM-CHARs;  ]  is a resp-special
 * and legal in astrings, tags and patterns;  % *  are list-wildcards;  +  is not for tags.  SP and the rest of
 * TEXT-CHAR are for quoted strings.
 */
static unsigned char_class(unsigned char c)
{
	if (c < 0x20 || c >= 0x7f)
		return c == '\0' || c == '\r' || c == '\n' || c >= 0x80 ? 0 : IN_QUOTED;
	switch (c) {
	case ' ': case '(': case ')': case '{':
		return IN_QUOTED;
	case '"': case '\\':
		return 0;
	case '%': case '*':
		return IN_QUOTED | IN_PATTERN;
	case ']':
		return IN_QUOTED | IN_PATTERN | IN_ASTRING | IN_TAG;
	case '+':
		return IN_QUOTED | IN_PATTERN | IN_ASTRING | IN_ATOM;
	default:
		return IN_QUOTED | IN_PATTERN | IN_ASTRING | IN_ATOM | IN_TAG;
	}
}

bool is_atom_char(char c)
{
	return (char_class((unsigned char)c) & IN_ATOM) != 0;
}

bool is_astring_char(char c)
{
	return (char_class((unsigned char)c) & IN_ASTRING) != 0;
}

void lexer_init(struct lexer *lx, struct arena *arena, struct span text, unsigned dialect)
{
	*lx = (struct lexer){.arena = arena, .begin = text.ptr, .at = text.ptr, .end = text.ptr + text.len,
			     .dialect = dialect};
}

void lexer_fail(struct lexer *lx, const char *message)
{
	if (!lexer_failed(lx))
		lx->error = (struct parse_error){.offset = (size_t)(lx->at - lx->begin), .message = message};
}

void lexer_takes_numbers(struct lexer *lx)
{
	if (!(lx->dialect & DIALECT_UIDONLY) || lexer_failed(lx))
		return;
	lexer_fail(lx, "Sequence numbers are not for a client that enabled UIDONLY");
	lx->error.code = "UIDREQUIRED";
}

bool lexer_within(struct lexer *lx, enum parse_limit limit, size_t n)
{
	if (!lexer_failed(lx) && n > parse_limits[limit].max) {
		lexer_fail(lx, parse_limits[limit].message);
		lx->error.limit = limit;
	}
	return !lexer_failed(lx);
}

bool lexer_peek_digit(const struct lexer *lx)
{
	return !lexer_failed(lx) && lx->at < lx->end && *lx->at >= '0' && *lx->at <= '9';
}

bool lexer_accept(struct lexer *lx, char c)
{
	if (!lexer_peek(lx, c))
		return false;
	lx->at++;
	return true;
}

bool lexer_accept_word(struct lexer *lx, const char *word)
{
	size_t len = strlen(word), left = (size_t)(lx->end - lx->at);
	if (lexer_failed(lx) || left < len || strncasecmp(lx->at, word, len) != 0 ||
	    (left > len && is_atom_char(lx->at[len])))
		return false;
	lx->at += len;
	return true;
}

void lexer_expect(struct lexer *lx, char c, const char *message)
{
	if (!lexer_accept(lx, c))
		lexer_fail(lx, message);
}

void lexer_space(struct lexer *lx)
{
	lexer_expect(lx, ' ', "A space is expected");
}

void lexer_end(struct lexer *lx)
{
	if (lx->at != lx->end)
		lexer_fail(lx, "Unexpected text at the end");
}

bool lexer_list(struct lexer *lx)
{
	lexer_expect(lx, '(', "A parenthesis is expected");
	return !lexer_accept(lx, ')') && !lexer_failed(lx);
}

bool lexer_list_more(struct lexer *lx)
{
	if (lexer_accept(lx, ')'))
		return false;
	lexer_expect(lx, ' ', "A space or a closing parenthesis is expected");
	return !lexer_failed(lx);
}

/* The longest run of octets of a class, but not beyond `stop`. */
static struct span run(struct lexer *lx, unsigned class, char stop, const char *message)
{
	const char *from = lx->at;
	if (lexer_failed(lx))
		return span_make("", 0);
	while (lx->at < lx->end && *lx->at != stop && (char_class((unsigned char)*lx->at) & class))
		lx->at++;
	if (lx->at == from)
		lexer_fail(lx, message);
	return span_make(from, (size_t)(lx->at - from));
}

struct span lexer_tag(struct lexer *lx)
{
	return run(lx, IN_TAG, '\0', "A tag is expected");
}

struct span lexer_atom(struct lexer *lx)
{
	return run(lx, IN_ATOM, '\0', "A word is expected");
}

struct span lexer_atom_before(struct lexer *lx, char stop)
{
	return run(lx, IN_ATOM, stop, "A word is expected");
}

/* How many octets from `at` may stand in a quoted string as they are: 1 for US-ASCII, a whole UTF-8 sequence, which a
 * client may send before it enables anything (RFC 9755 3), 0 for none. */
static size_t quoted_step(const struct lexer *lx, const char *at)
{
	utf8proc_int32_t point;
	if ((unsigned char)*at < 0x80)
		return (char_class((unsigned char)*at) & IN_QUOTED) != 0;
	utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)at, lx->end - at, &point);
	return n > 0 ? (size_t)n : 0;
}

struct span lexer_quoted(struct lexer *lx)
{
	lexer_expect(lx, '"', "A string is expected");
	const char *from = lx->at;
	bool escaped = false;
	while (!lexer_failed(lx) && !lexer_peek(lx, '"')) {
		size_t n = lx->at < lx->end ? quoted_step(lx, lx->at) : 0;
		bool pair = n == 0 && lx->end - lx->at > 1 && *lx->at == '\\' && (lx->at[1] == '"' || lx->at[1] == '\\');
		if (lx->at == lx->end)
			lexer_fail(lx, "The quoted string does not end");
		else if (n == 0 && !pair)
			lexer_fail(lx, *lx->at == '\\' ? "Only \\\" and \\\\ may be escaped"
						       : "This character may not be in a quoted string");
		else
			lx->at += pair ? 2 : n;
		escaped = escaped || pair;
	}
	struct span raw = span_make(from, (size_t)(lx->at - from));
	if (!lexer_accept(lx, '"'))
		return span_make("", 0);
	if (!escaped)
		return raw;
	char *to = arena_bytes(lx->arena, raw.len), *begin = to;
	for (const char *p = raw.ptr; p < raw.ptr + raw.len; p++) {
		p += *p == '\\';
		*to++ = *p;
	}
	return span_make(begin, (size_t)(to - begin));
}

static struct span literal(struct lexer *lx, bool takes_nul)
{
	const char *begin = lx->at;
	lexer_expect(lx, '{', "A string is expected");
	uint64_t size = lexer_number(lx, INT64_MAX);
	lexer_accept(lx, '+');
	lexer_expect(lx, '}', "A closing brace is expected");
	lexer_accept(lx, '\r');
	lexer_expect(lx, '\n', "A line end is expected behind a literal's size");
	if (lexer_failed(lx))
		return span_make("", 0);
	if (size > (uint64_t)(lx->end - lx->at)) {
		lexer_fail(lx, "The literal is cut short");
		return span_make("", 0);
	}
	struct span s = span_make(lx->at, (size_t)size);
	if (!takes_nul && memchr(s.ptr, '\0', s.len)) { /* RFC 3501 9: CHAR8 is any octet but NUL */
		lx->at = begin;
		lexer_fail(lx, "A literal may not contain NUL");
		return span_make("", 0);
	}
	lx->at += size;
	return s;
}

struct span lexer_string(struct lexer *lx)
{
	return lexer_peek(lx, '{') ? literal(lx, false) : lexer_quoted(lx);
}

struct span lexer_nstring(struct lexer *lx)
{
	return lexer_accept_word(lx, "NIL") ? span_make(NULL, 0) : lexer_string(lx);
}

struct span lexer_value(struct lexer *lx)
{
	return lexer_accept(lx, '~') ? literal(lx, true) : lexer_nstring(lx);
}

struct span lexer_astring(struct lexer *lx)
{
	if (lexer_peek(lx, '"') || lexer_peek(lx, '{'))
		return lexer_string(lx);
	return run(lx, IN_ASTRING, '\0', "A string is expected");
}

struct span lexer_pattern(struct lexer *lx)
{
	if (lexer_peek(lx, '"') || lexer_peek(lx, '{'))
		return lexer_string(lx);
	return run(lx, IN_PATTERN, '\0', "A mailbox pattern is expected");
}

uint64_t lexer_number(struct lexer *lx, uint64_t max)
{
	uint64_t n = 0;
	if (!lexer_peek_digit(lx))
		lexer_fail(lx, "A number is expected");
	while (lexer_peek_digit(lx)) {
		uint64_t digit = (uint64_t)(*lx->at - '0');
		if (digit > max || n > (max - digit) / 10) {
			lexer_fail(lx, "The number is too large");
			return 0;
		}
		n = n * 10 + digit;
		lx->at++;
	}
	return n;
}

uint32_t lexer_nz_number(struct lexer *lx)
{
	if (lexer_peek(lx, '0'))
		lexer_fail(lx, "A number from 1 is expected, without leading zeros");
	return (uint32_t)lexer_number(lx, UINT32_MAX);
}
