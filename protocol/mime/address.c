/* RFC 5322 3.4 address lists, with whatever else arrives.  A host of NIL means group syntax, so what cannot be read
 * gets an empty string there, never NIL (RFC 3501 7.4.2). */
#include "protocol/mime/mime.h"

enum { ADDRESSES_MAX = 10000 };

struct words {
	struct buf phrase, comment;
};

static void skip_comment(struct span *s, struct buf *out)
{
	unsigned depth = 0;
	do {
		char c = s->ptr[0];
		*s = span_after(*s, 1);
		if (c == '(' && depth++ == 0)
			continue;
		if (c == ')' && --depth == 0)
			return;
		if (c == '\\' && s->len) {
			c = s->ptr[0];
			*s = span_after(*s, 1);
		}
		buf_add_char(out, c);
	} while (s->len);
}

/* Words up to one of `stops`; runs of white space become one space. */
static void take_words(struct span *s, const char *stops, struct buf *out, struct buf *comment)
{
	bool gap = false;
	while (s->len && (s->ptr[0] == '\0' || !strchr(stops, s->ptr[0]))) {
		char c = s->ptr[0];
		if (c == '(') {
			buf_reset(comment);
			skip_comment(s, comment);
			gap = true;
			continue;
		}
		*s = span_after(*s, 1);
		if (c == ' ' || c == '\t') {
			gap = true;
			continue;
		}
		if (gap && out->len)
			buf_add_char(out, ' ');
		gap = false;
		if (c != '"') {
			buf_add_char(out, c);
			continue;
		}
		while (s->len && s->ptr[0] != '"') {
			if (s->ptr[0] == '\\' && s->len > 1)
				*s = span_after(*s, 1);
			buf_add_char(out, s->ptr[0]);
			*s = span_after(*s, 1);
		}
		*s = span_after(*s, 1);
	}
}

static struct span optional(const struct buf *b)
{
	return b->len ? buf_span(b) : span_make(NULL, 0);
}

static void add_address(struct buf *out, struct span name, struct span route, struct span spec)
{
	size_t at = spec.len;
	while (at > 0 && spec.ptr[at - 1] != '@')
		at--;
	struct span local = at ? span_make(spec.ptr, at - 1) : spec, host = span_make("", 0);
	if (at)
		host = span_after(spec, at);
	buf_add_char(out, '(');
	mime_nstring(out, name);
	buf_add_char(out, ' ');
	mime_nstring(out, route);
	buf_add_char(out, ' ');
	mime_nstring(out, local);
	buf_add_char(out, ' ');
	mime_nstring(out, host);
	buf_add_char(out, ')');
}

/* One address, or a group's start or end, from *s; false at the end. */
static bool next_address(struct span *s, struct buf *out, struct words *w, bool *in_group)
{
	while (s->len && strchr(", \t", s->ptr[0]) && s->ptr[0])
		*s = span_after(*s, 1);
	if (!s->len)
		return false;
	buf_reset(&w->phrase);
	buf_reset(&w->comment);
	take_words(s, "<,:;", &w->phrase, &w->comment);
	char stop = s->len ? s->ptr[0] : ',';
	if (stop == ':') {
		*s = span_after(*s, 1);
		buf_add_text(out, "(NIL NIL ");
		mime_nstring(out, buf_span(&w->phrase));
		buf_add_text(out, " NIL)");
		*in_group = true;
		return true;
	}
	if (stop == '<') {
		struct buf spec, route;
		buf_init(&spec, 4096);
		buf_init(&route, 4096);
		*s = span_after(*s, 1);
		if (s->len && s->ptr[0] == '@') {
			take_words(s, ":>", &route, &w->comment);
			if (s->len && s->ptr[0] == ':')
				*s = span_after(*s, 1);
		}
		take_words(s, ">", &spec, &w->comment);
		*s = span_after(*s, 1);
		add_address(out, optional(&w->phrase), optional(&route), buf_span(&spec));
		buf_finish(&spec);
		buf_finish(&route);
		return true;
	}
	if (w->phrase.len)
		add_address(out, optional(&w->comment), span_make(NULL, 0), buf_span(&w->phrase));
	if (stop == ';') {
		*s = span_after(*s, 1);
		if (*in_group)
			buf_add_text(out, "(NIL NIL NIL NIL)");
		*in_group = false;
	} else if (s->len) {
		*s = span_after(*s, 1);
	}
	return true;
}

static void list_into(struct span header, const char *name, struct buf *out)
{
	struct span field, raw;
	struct words w;
	struct buf value;
	buf_init(&w.phrase, 4096);
	buf_init(&w.comment, 4096);
	buf_init(&value, 1 << 20);
	for (size_t at = 0; mime_field_next(header, &at, &field, &raw);) {
		if (!span_is(field, name))
			continue;
		buf_reset(&value);
		const char *colon = memchr(raw.ptr, ':', raw.len);
		mime_unfold(span_after(raw, (size_t)(colon - raw.ptr) + 1), &value);
		struct span s = buf_span(&value);
		bool in_group = false;
		for (unsigned n = 0; n < ADDRESSES_MAX && next_address(&s, out, &w, &in_group); n++)
			;
		if (in_group)
			buf_add_text(out, "(NIL NIL NIL NIL)");
	}
	buf_finish(&w.phrase);
	buf_finish(&w.comment);
	buf_finish(&value);
}

bool mime_address_empty(struct span header, const char *name)
{
	struct buf b;
	buf_init(&b, 1 << 24);
	list_into(header, name, &b);
	bool empty = b.len == 0;
	buf_finish(&b);
	return empty;
}

void mime_address_list(struct span header, const char *name, struct buf *out)
{
	size_t before = out->len;
	buf_add_char(out, '(');
	list_into(header, name, out);
	if (out->len == before + 1) {
		out->len = before;
		buf_add_text(out, "NIL");
	} else {
		buf_add_char(out, ')');
	}
}
