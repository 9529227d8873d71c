#include "protocol/mime/html.h"

#include <string.h>
#include <strings.h>
#include <utf8proc.h>

/* From U+00A0 on. */
static const char *const latin[] = {
	"nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
	"reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm",
	"raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig",
	"Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve",
	"Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN",
	"szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc",
	"euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml",
	"divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml"};

static const struct {
	const char *name;
	int32_t point;
} others[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"ndash", 0x2013}, {"mdash", 0x2014},
	      {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"sbquo", 0x201a}, {"ldquo", 0x201c}, {"rdquo", 0x201d},
	      {"bdquo", 0x201e}, {"bull", 0x2022}, {"hellip", 0x2026}, {"euro", 0x20ac}, {"trade", 0x2122},
	      {"zwnj", 0x200c}, {"zwj", 0x200d}, {"ensp", ' '}, {"emsp", ' '}, {"thinsp", ' '}};

/* Elements that do not part words. */
static const char *const inlines[] = {"a", "abbr", "b", "big", "code", "del", "em", "font", "i", "ins", "mark", "o:p", "s",
				      "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "wbr"};

static const char *const no_text[] = {"script", "style", "title"};

static bool among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static bool is_letter(int32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(int32_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}

static void add_name(struct mime_html *h, int32_t c)
{
	if (h->name_n < MIME_HTML_NAME_MAX)
		h->name[h->name_n++] = (char)c;
	h->name[h->name_n] = '\0';
}

/* The character of &name; or 0. */
static int32_t entity(const char *name)
{
	if (name[0] == '#') {
		bool hex = name[1] == 'x' || name[1] == 'X';
		long v = strtol(name + (hex ? 2 : 1), NULL, hex ? 16 : 10);
		return v > 0 && v <= 0x10ffff && (v < 0xd800 || v > 0xdfff) ? (int32_t)v : 0;
	}
	for (size_t i = 0; i < countof(latin); i++)
		if (strcmp(name, latin[i]) == 0)
			return (int32_t)(0xa0 + i);
	for (size_t i = 0; i < countof(others); i++)
		if (strcmp(name, others[i].name) == 0)
			return others[i].point;
	return 0;
}

static size_t end_tag(struct mime_html *h, int32_t *out)
{
	h->state = HTML_TEXT;
	if (h->skipped[0]) {
		if (h->closing && strcmp(h->name, h->skipped) == 0)
			h->skipped[0] = '\0';
		return 0;
	}
	if (!h->closing && among(h->name, no_text, countof(no_text)))
		memcpy(h->skipped, h->name, sizeof(h->skipped));
	out[0] = ' ';
	return !among(h->name, inlines, countof(inlines));
}

static size_t in_text(struct mime_html *h, int32_t c, int32_t *out)
{
	h->name_n = 0;
	h->name[0] = '\0';
	h->closing = false;
	if (c == '<') {
		h->state = HTML_NAME;
	} else if (h->skipped[0]) {
		return 0;
	} else if (c == '&') {
		h->state = HTML_ENTITY;
	} else {
		out[0] = c;
		return 1;
	}
	return 0;
}

/* What is being collected is no entity: it stands for itself, and so does c, which may begin something. */
static size_t give_back(struct mime_html *h, int32_t c, int32_t *out)
{
	size_t n = 0;
	out[n++] = '&';
	for (size_t i = 0; i < h->name_n; i++)
		out[n++] = h->name[i];
	h->state = HTML_TEXT;
	return n + in_text(h, c, out + n);
}

static size_t in_entity(struct mime_html *h, int32_t c, int32_t *out)
{
	if ((is_alnum(c) || (c == '#' && h->name_n == 0)) && h->name_n < MIME_HTML_NAME_MAX) {
		add_name(h, c);
		return 0;
	}
	int32_t point = entity(h->name);
	if (!point)
		return give_back(h, c, out);
	h->state = HTML_TEXT;
	out[0] = point;
	return c == ';' ? 1 : 1 + in_text(h, c, out + 1);
}

static size_t in_name(struct mime_html *h, int32_t c, int32_t *out)
{
	if (c == '>')
		return end_tag(h, out);
	bool first = h->name_n == 0;
	bool begins = is_letter(c) || c == '!' || c == '?', goes_on = is_alnum(c) || c == ':' || c == '-';
	if (first ? begins : goes_on) {
		add_name(h, c >= 'A' && c <= 'Z' ? c + 32 : c);
		if (h->name_n == 3 && strcmp(h->name, "!--") == 0) {
			h->state = HTML_COMMENT;
			h->dashes = 0;
		}
	} else if (c == '/' && first && !h->closing) {
		h->closing = true;
	} else if (first && !h->closing) {
		/* "1 < 2" */
		h->state = HTML_TEXT;
		out[0] = '<';
		return h->skipped[0] ? 0 : 1 + in_text(h, c, out + 1);
	} else {
		h->state = HTML_TAG;
	}
	return 0;
}

static size_t in_tag(struct mime_html *h, int32_t c, int32_t *out)
{
	bool begins = h->state == HTML_VALUE;
	if (c == '>')
		return end_tag(h, out);
	if (begins && (c == '"' || c == '\'')) {
		h->state = HTML_QUOTED;
		h->quote = c;
	} else if (!begins || c != ' ') {
		/* Only a value has quotes: a stray apostrophe must not swallow the text. */
		h->state = c == '=' ? HTML_VALUE : HTML_TAG;
	}
	return 0;
}

size_t mime_html_next(struct mime_html *h, int32_t c, int32_t out[MIME_HTML_OUT])
{
	switch (h->state) {
	case HTML_TEXT:
		return in_text(h, c, out);
	case HTML_NAME:
		return in_name(h, c, out);
	case HTML_TAG:
	case HTML_VALUE:
		return in_tag(h, c, out);
	case HTML_ENTITY:
		return in_entity(h, c, out);
	case HTML_QUOTED:
		if (c == h->quote)
			h->state = HTML_TAG;
		return 0;
	case HTML_COMMENT:
		if (c == '>' && h->dashes >= 2)
			h->state = HTML_TEXT;
		h->dashes = c == '-' ? h->dashes + 1 : 0;
		return 0;
	}
	return 0;
}

/* --- as it reads --- */

static bool is_blank(int32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x3000;
}

/* Where a word may be broken, and what parts or joins letters unseen. */
static bool is_unseen(int32_t c)
{
	return c == 0xad || (c >= 0x200b && c <= 0x200d) || c == 0x2060 || c == 0xfeff;
}

static void read_char(struct mime_html_reader *r, int32_t c, struct buf *out)
{
	int32_t text[MIME_HTML_OUT];
	size_t n = mime_html_next(&r->html, c, text);
	for (size_t i = 0; i < n; i++) {
		utf8proc_uint8_t utf8[4];
		if (is_blank(text[i])) {
			r->gap = true;
		} else if (!is_unseen(text[i])) {
			if (r->gap)
				buf_add_char(out, ' ');
			r->gap = false;
			buf_add(out, utf8, (size_t)utf8proc_encode_char(text[i], utf8));
		}
	}
}

/* How many bytes are read from the front of `s`; 0: the rest may be the beginning of a character. */
static size_t read_front(struct mime_html_reader *r, struct span s, bool last, struct buf *out)
{
	utf8proc_int32_t c = (unsigned char)s.ptr[0];
	utf8proc_ssize_t n = c < 0x80 ? 1 : utf8proc_iterate((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, &c);
	if (n <= 0 && !last && s.len < sizeof(r->held))
		return 0;
	if (n > 0)
		read_char(r, c, out);
	return n > 0 ? (size_t)n : 1;
}

void mime_html_read(struct mime_html_reader *r, struct span utf8, bool last, struct buf *out)
{
	while (r->held_n && (utf8.len || last)) {
		if (utf8.len) {
			r->held[r->held_n++] = utf8.ptr[0];
			utf8 = span_after(utf8, 1);
		}
		size_t n = read_front(r, span_make(r->held, r->held_n), last && !utf8.len, out);
		r->held_n -= n;
		memmove(r->held, r->held + n, r->held_n);
	}
	while (utf8.len) {
		size_t n = read_front(r, utf8, last, out);
		if (!n) {
			memcpy(r->held, utf8.ptr, utf8.len);
			r->held_n = utf8.len;
			return;
		}
		utf8 = span_after(utf8, n);
	}
}
