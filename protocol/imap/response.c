#include "protocol/imap/response.h"

#include "protocol/imap/lexer.h"
#include "protocol/utf8.h"

/* ---- strings ---- */

static bool can_be_quoted(struct span s, unsigned dialect)
{
	bool eight_bit = false;
	if (s.len > RESPONSE_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '\r' || c == '\n' || c == '\0')
			return false;
		eight_bit = eight_bit || c >= 0x80;
	}
	return !eight_bit || ((dialect & DIALECT_UTF8) && utf8_is_valid(s));
}

static void quoted(struct buf *out, struct span s)
{
	buf_add_char(out, '"');
	while (s.len) {
		size_t n = 0;
		while (n < s.len && s.ptr[n] != '"' && s.ptr[n] != '\\')
			n++;
		buf_add(out, s.ptr, n);
		if (n < s.len) {
			buf_add_char(out, '\\');
			buf_add_char(out, s.ptr[n++]);
		}
		s = span_after(s, n);
	}
	buf_add_char(out, '"');
}

void response_literal(struct buf *out, uint64_t size)
{
	buf_add_char(out, '{');
	buf_add_u64(out, size);
	buf_add_text(out, "}\r\n");
}

void response_string(struct buf *out, struct span s, unsigned dialect)
{
	if (can_be_quoted(s, dialect)) {
		quoted(out, s);
	} else {
		response_literal(out, s.len);
		buf_add_span(out, s);
	}
}

void response_nstring(struct buf *out, struct span s, unsigned dialect)
{
	if (s.ptr)
		response_string(out, s, dialect);
	else
		buf_add_text(out, "NIL");
}

void response_value(struct buf *out, struct span s, unsigned dialect)
{
	if (!s.ptr || !memchr(s.ptr, '\0', s.len)) {
		response_nstring(out, s, dialect);
		return;
	}
	buf_add_char(out, '~');
	response_literal(out, s.len);
	buf_add_span(out, s);
}

void response_astring(struct buf *out, struct span s, unsigned dialect)
{
	bool atom = s.len > 0 && s.len <= RESPONSE_QUOTED_MAX && !span_is(s, "NIL");
	for (size_t i = 0; i < s.len && atom; i++)
		atom = is_atom_char(s.ptr[i]);
	if (atom)
		buf_add_span(out, s);
	else
		response_string(out, s, dialect);
}

/* ---- lists and sets ---- */

void response_separate(struct buf *out)
{
	char last = out->len ? out->data[out->len - 1] : '(';
	if (last != '(')
		buf_add_char(out, ' ');
}

void response_range(struct buf *out, bool first, uint32_t lo, uint32_t hi)
{
	if (!first)
		buf_add_char(out, ',');
	buf_add_u64(out, lo);
	if (hi > lo) {
		buf_add_char(out, ':');
		buf_add_u64(out, hi);
	}
}

void response_set(struct buf *out, const uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t end = i;
		while (end + 1 < n && v[end + 1] == v[end] + 1)
			end++;
		response_range(out, i == 0, v[i], v[end]);
		i = end + 1;
	}
}

/* ---- status responses ---- */

void response_status(struct buf *out, struct span tag, enum response_word word, const char *code, const char *text)
{
	static const char *const words[] = {[RESPONSE_OK] = " OK ", [RESPONSE_NO] = " NO ", [RESPONSE_BAD] = " BAD ",
					    [RESPONSE_BYE] = " BYE ", [RESPONSE_PREAUTH] = " PREAUTH "};
	buf_add_span(out, tag.ptr ? tag : span_of("*"));
	buf_add_text(out, words[word]);
	if (code) {
		buf_add_char(out, '[');
		buf_add_text(out, code);
		buf_add_text(out, "] ");
	}
	buf_add_text(out, text);
	buf_add_text(out, "\r\n");
}

void response_ok_number(struct buf *out, const char *code, uint64_t number, const char *text)
{
	buf_add_text(out, "* OK [");
	buf_add_text(out, code);
	buf_add_char(out, ' ');
	buf_add_u64(out, number);
	buf_add_text(out, "] ");
	buf_add_text(out, text);
	buf_add_text(out, "\r\n");
}

void response_ok_mailboxid(struct buf *out, const char *id)
{
	buf_add_text(out, "* OK [MAILBOXID (");
	buf_add_text(out, id);
	buf_add_text(out, ")] It stays when the name changes\r\n");
}

void response_continue(struct buf *out, const char *text)
{
	response_challenge(out, span_of(text));
}

void response_challenge(struct buf *out, struct span base64)
{
	buf_add_text(out, "+ ");
	buf_add_span(out, base64);
	buf_add_text(out, "\r\n");
}

void response_code_appenduid(struct buf *out, uint32_t uidvalidity, uint32_t first, uint32_t last)
{
	buf_add_text(out, "APPENDUID ");
	buf_add_u64(out, uidvalidity);
	buf_add_char(out, ' ');
	response_range(out, true, first, last);
}

void response_code_badcharset(struct buf *out)
{
	buf_add_text(out, "BADCHARSET (US-ASCII UTF-8)");
}

/* ---- untagged data ---- */

void response_number(struct buf *out, uint32_t number, const char *word)
{
	buf_add_text(out, "* ");
	buf_add_u64(out, number);
	buf_add_char(out, ' ');
	buf_add_text(out, word);
	buf_add_text(out, "\r\n");
}

void response_flags(struct buf *out, struct span text)
{
	buf_add_text(out, "* FLAGS (");
	buf_add_span(out, text);
	buf_add_text(out, ")\r\n");
}

void response_permanent_flags(struct buf *out, struct span text, bool new_keywords)
{
	buf_add_text(out, "* OK [PERMANENTFLAGS (");
	buf_add_span(out, text);
	if (new_keywords) {
		response_separate(out);
		buf_add_text(out, "\\*");
	}
	buf_add_text(out, ")] Flags that are kept\r\n");
}

void response_enabled(struct buf *out, const char *const *names, size_t n)
{
	buf_add_text(out, "* ENABLED");
	for (size_t i = 0; i < n; i++) {
		buf_add_char(out, ' ');
		buf_add_text(out, names[i]);
	}
	buf_add_text(out, "\r\n");
}

void response_id(struct buf *out, const struct response_id_field *fields, size_t n)
{
	buf_add_text(out, n ? "* ID (" : "* ID NIL");
	for (size_t i = 0; i < n; i++) {
		response_separate(out);
		response_string(out, span_of(fields[i].key), DIALECT_REV1);
		response_separate(out);
		response_nstring(out, fields[i].value ? span_of(fields[i].value) : span_make(NULL, 0), DIALECT_REV1);
	}
	buf_add_text(out, n ? ")\r\n" : "\r\n");
}

void response_search_begin(struct buf *out)
{
	buf_add_text(out, "* SEARCH");
}

void response_sort_begin(struct buf *out)
{
	buf_add_text(out, "* SORT");
}

void response_thread_begin(struct buf *out)
{
	buf_add_text(out, "* THREAD");
}

void response_search_range(struct buf *out, uint32_t lo, uint32_t hi)
{
	for (uint64_t n = lo; n <= hi && !out->failed; n++) {
		buf_add_char(out, ' ');
		buf_add_u64(out, n);
	}
}

void response_search_end(struct buf *out, uint64_t modseq)
{
	if (modseq) {
		buf_add_text(out, " (MODSEQ ");
		buf_add_u64(out, modseq);
		buf_add_char(out, ')');
	}
	buf_add_text(out, "\r\n");
}

void response_esearch_begin(struct buf *out, const struct response_esearch *e)
{
	buf_add_text(out, "* ESEARCH (TAG ");
	response_string(out, e->tag, DIALECT_REV1); /* a tag cannot hold what a quoted string cannot */
	buf_add_text(out, e->uid ? ") UID" : ")");
	if (e->min) {
		buf_add_text(out, " MIN ");
		buf_add_u64(out, e->min);
	}
	if (e->max) {
		buf_add_text(out, " MAX ");
		buf_add_u64(out, e->max);
	}
	if (e->has_count) {
		buf_add_text(out, " COUNT ");
		buf_add_u64(out, e->count);
	}
}

void response_esearch_all(struct buf *out)
{
	buf_add_text(out, " ALL ");
}

void response_inprogress(struct buf *out, struct span tag, uint64_t done, uint64_t total)
{
	buf_add_text(out, "* OK [INPROGRESS (");
	if (memchr(tag.ptr, ']', tag.len)) /* it would end the code for a client that looks for its end */
		buf_add_text(out, "NIL");
	else
		response_string(out, tag, DIALECT_REV1);
	buf_printf(out, " %llu %llu)] %llu %% of the messages are done\r\n", (unsigned long long)done,
		   (unsigned long long)total, (unsigned long long)(done * 100 / total));
}

void response_batches_begin(struct buf *out, struct span tag)
{
	buf_add_text(out, "* UIDBATCHES (TAG ");
	response_string(out, tag, DIALECT_REV1);
	buf_add_char(out, ')');
}

void response_esearch_partial(struct buf *out, const struct partial *p)
{
	const char *sign = p->backwards ? "-" : "";
	buf_printf(out, " PARTIAL (%s%u:%s%u ", sign, p->from, sign, p->to);
}

void response_esearch_partial_end(struct buf *out, bool any)
{
	buf_add_text(out, any ? ")" : "NIL)");
}

void response_esearch_scores(struct buf *out)
{
	buf_add_text(out, " RELEVANCY (");
}

void response_score(struct buf *out, bool first, unsigned score)
{
	if (!first)
		buf_add_char(out, ' ');
	buf_add_u64(out, score);
}

void response_esearch_scores_end(struct buf *out)
{
	buf_add_char(out, ')');
}

void response_esearch_end(struct buf *out, uint64_t modseq)
{
	if (modseq) {
		buf_add_text(out, " MODSEQ ");
		buf_add_u64(out, modseq);
	}
	buf_add_text(out, "\r\n");
}
