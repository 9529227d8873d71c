#include "protocol/mime/address.h"

#include "protocol/mime/header.h"

enum { WORDS_MAX = 4096 };

/* What take_words() notes of the text it collects, for addresses that stand without angle brackets. */
struct marks {
	bool has_at;
	size_t at;    /* of the last '@' outside quotes */
	size_t local; /* where the word before that '@' starts */
	size_t end;   /* where the text after it ends: the first word of it, or the text */
	size_t word;  /* where the present word starts */
};

void mime_address_init(struct mime_address_reader *r, struct span value)
{
	*r = (struct mime_address_reader){.rest = value};
	buf_init(&r->phrase, WORDS_MAX);
	buf_init(&r->comment, WORDS_MAX);
	buf_init(&r->spec, WORDS_MAX);
	buf_init(&r->route, WORDS_MAX);
	buf_init(&r->trailing, WORDS_MAX);
}

void mime_address_finish(struct mime_address_reader *r)
{
	buf_finish(&r->phrase);
	buf_finish(&r->comment);
	buf_finish(&r->spec);
	buf_finish(&r->route);
	buf_finish(&r->trailing);
}

void mime_address_reset(struct mime_address_reader *r, struct span value)
{
	r->rest = value;
	r->in_group = r->no_quote = r->no_comment = false;
}

/* The end of the quoted string or comment that `s` starts with, behind its closing character; 0: it has none. */
static size_t closing(struct span s)
{
	bool quoted = s.ptr[0] == '"';
	unsigned depth = 1;
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (!quoted && s.ptr[i] == '(')
			depth++;
		else if (s.ptr[i] == (quoted ? '"' : ')') && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* What stands between the delimiters: quoted pairs resolved, folds undone. */
static void add_inside(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		if (s.ptr[i] != '\r' && s.ptr[i] != '\n')
			buf_add_char(out, s.ptr[i]);
	}
}

/* A comment or a quoted string at the start of r->rest; false: what opens there is never closed. */
static bool take_enclosed(struct mime_address_reader *r, struct buf *out)
{
	bool quoted = r->rest.ptr[0] == '"';
	bool *hopeless = quoted ? &r->no_quote : &r->no_comment;
	size_t n = *hopeless ? 0 : closing(r->rest);
	if (n)
		add_inside(out, span_make(r->rest.ptr + 1, n - 2));
	else
		*hopeless = true;
	r->rest = span_after(r->rest, n ? n : 1);
	return n != 0;
}

/* White space before `c`: one space in a phrase, none around the dots and the '@' of an address, where RFC 5322 4.4
 * allows it; that one does not start a new word. */
static void add_gap(struct buf *out, char c, struct marks *m)
{
	char before = out->data[out->len - 1];
	bool inside = c == '.' || c == '@' || before == '.' || before == '@';
	if (!inside && m->has_at && m->end == SIZE_MAX)
		m->end = out->len;
	buf_add_char(out, ' ');
	if (!inside)
		m->word = out->len;
}

static void note_at(struct buf *out, struct marks *m)
{
	m->has_at = true;
	m->local = m->word;
	m->at = out->len;
	m->end = SIZE_MAX;
}

/* Words up to one of `stops`. */
static void take_words(struct mime_address_reader *r, const char *stops, struct buf *out, struct marks *m)
{
	bool gap = false;
	*m = (struct marks){.end = SIZE_MAX};
	buf_reset(out);
	while (r->rest.len && (r->rest.ptr[0] == '\0' || !strchr(stops, r->rest.ptr[0]))) {
		char c = r->rest.ptr[0];
		if (c == '(' && !r->no_comment) {
			buf_reset(&r->comment);
			take_enclosed(r, &r->comment);
			gap = true;
			continue;
		}
		if (mime_is_space(c)) {
			gap = true;
			r->rest = span_after(r->rest, 1);
			continue;
		}
		if (gap && out->len)
			add_gap(out, c, m);
		gap = false;
		if (c == '"') {
			take_enclosed(r, out);
			continue;
		}
		if (c == '@')
			note_at(out, m);
		buf_add_char(out, c);
		r->rest = span_after(r->rest, 1);
		const char *close = c == '@' && r->rest.len && r->rest.ptr[0] == '[' ?
					    memchr(r->rest.ptr, ']', r->rest.len) : NULL;
		if (close) {
			/* A domain literal may hold what stops elsewhere: [IPv6:2001:db8::1]. */
			size_t n = (size_t)(close - r->rest.ptr) + 1;
			buf_add(out, r->rest.ptr, n);
			r->rest = span_after(r->rest, n);
		}
	}
	if (m->end == SIZE_MAX || m->end > out->len)
		m->end = out->len;
}

static struct span optional(const struct buf *b)
{
	struct span s = mime_trim(buf_span(b));
	return s.len ? s : span_make(NULL, 0);
}

/* Drops the white space that RFC 5322 4.4 allows around dots, in place in the reader's own buffer. */
static struct span squeezed(char *text, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		bool dotted = n == 0 || i + 1 == len || text[n - 1] == '.' || text[i + 1] == '.' ||
			      text[n - 1] == '@' || text[i + 1] == '@';
		if (text[i] != ' ' || !dotted)
			text[n++] = text[i];
	}
	return span_make(text, n);
}

/* An address from collected words: the text around the last '@'. */
static void split_spec(struct buf *words, const struct marks *m, struct mime_address *out)
{
	if (!m->has_at || m->at >= words->len) {
		out->mailbox = buf_span(words);
		out->host = span_of(MIME_MISSING_DOMAIN);
	} else {
		out->mailbox = squeezed(words->data + m->local, m->at - m->local);
		out->host = squeezed(words->data + m->at + 1, m->end - m->at - 1);
		if (!out->host.len)
			out->host = span_of(MIME_MISSING_DOMAIN);
	}
	if (!out->mailbox.len)
		out->mailbox = span_of(MIME_MISSING_MAILBOX);
}

/* Words without angle brackets; with several words, those before the address are a name: `Joe joe@example.org`. */
static void bare_address(struct mime_address_reader *r, const struct marks *m, struct mime_address *out)
{
	*out = (struct mime_address){.kind = ADDRESS_MAILBOX, .name = optional(&r->comment)};
	split_spec(&r->phrase, m, out);
	if (m->has_at && m->local > 0 && m->local <= r->phrase.len) {
		struct span name = mime_trim(span_make(r->phrase.data, m->local));
		if (name.len)
			out->name = name;
	}
}

static void angle_address(struct mime_address_reader *r, struct mime_address *out)
{
	struct marks m;
	*out = (struct mime_address){.kind = ADDRESS_MAILBOX};
	while (r->rest.len && (r->rest.ptr[0] == '<' || mime_is_space(r->rest.ptr[0])))
		r->rest = span_after(r->rest, 1);
	if (r->rest.len && r->rest.ptr[0] == '@') {
		take_words(r, ":>", &r->route, &m);
		out->route = optional(&r->route);
		if (r->rest.len && r->rest.ptr[0] == ':')
			r->rest = span_after(r->rest, 1);
	}
	take_words(r, "<>,;", &r->spec, &m);
	m.local = 0;
	m.end = r->spec.len;
	split_spec(&r->spec, &m, out);
	if (!r->rest.len || r->rest.ptr[0] != '>')
		return;
	r->rest = span_after(r->rest, 1);
	/* What follows is the next address if it has angle brackets of its own, and otherwise nothing. */
	struct span behind = r->rest;
	take_words(r, "<,;", &r->trailing, &m);
	if (r->rest.len && r->rest.ptr[0] == '<')
		r->rest = behind;
}

bool mime_address_next(struct mime_address_reader *r, struct mime_address *out)
{
	struct marks m;
	for (;;) {
		buf_reset(&r->comment);
		take_words(r, r->in_group ? "<,;" : "<,;:", &r->phrase, &m);
		char stop = r->rest.len ? r->rest.ptr[0] : '\0';
		if (stop == '<') {
			angle_address(r, out);
			out->name = r->phrase.len ? optional(&r->phrase) : optional(&r->comment);
			return true;
		}
		if (stop == ':') {
			r->rest = span_after(r->rest, 1);
			r->in_group = true;
			*out = (struct mime_address){.kind = ADDRESS_GROUP_START, .mailbox = buf_span(&r->phrase)};
			return true;
		}
		if (r->phrase.len) {
			/* The stop is left for the next call. */
			bare_address(r, &m, out);
			return true;
		}
		bool ends_group = r->in_group && stop != ',';
		if (ends_group) {
			r->in_group = false;
			*out = (struct mime_address){.kind = ADDRESS_GROUP_END};
		}
		if (!r->rest.len)
			return ends_group;
		r->rest = span_after(r->rest, 1);
		if (ends_group)
			return true;
	}
}
