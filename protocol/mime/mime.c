/* The part tree, by recursive descent over the boundaries of RFC 2046 5.1, and what FETCH says of it. */
#include "protocol/mime/mime.h"

struct walk {
	struct mime_summary *out;
	struct span message;
	uint32_t rows;
	struct buf scratch;
};

/* The boundaries of the enclosing multiparts, innermost first: any of them ends a part. */
struct bound {
	const struct bound *outer;
	struct span text;
};

struct type {
	struct buf raw;                   /* the unfolded value */
	struct span main, sub, params;    /* params: from the first ';' */
	bool given;
};

void mime_summary_init(struct mime_summary *s)
{
	*s = (struct mime_summary){0};
	buf_init(&s->envelope, 1 << 24);
	buf_init(&s->body, 1 << 25);
	buf_init(&s->bodystructure, 1 << 25);
	buf_init(&s->parts, (size_t)(MIME_PARTS_MAX + 1) * sizeof(struct mime_part));
}

void mime_summary_finish(struct mime_summary *s)
{
	buf_finish(&s->envelope);
	buf_finish(&s->body);
	buf_finish(&s->bodystructure);
	buf_finish(&s->parts);
}

static bool is_token(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct span token(struct span *s)
{
	while (s->len && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
		*s = span_after(*s, 1);
	size_t n = 0;
	while (n < s->len && is_token(s->ptr[n]))
		n++;
	struct span t = span_make(s->ptr, n);
	*s = span_after(*s, n);
	return t;
}

/* The next parameter (RFC 2045 5.1); the value without quotes goes to `value`. */
static bool param_next(struct span *s, struct span *name, struct buf *value)
{
	for (;;) {
		const char *semi = s->len ? memchr(s->ptr, ';', s->len) : NULL;
		if (!semi)
			return false;
		*s = span_after(*s, (size_t)(semi - s->ptr) + 1);
		*name = token(s);
		while (s->len && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
			*s = span_after(*s, 1);
		if (name->len && s->len && s->ptr[0] == '=')
			break;
	}
	*s = span_after(*s, 1);
	buf_reset(value);
	while (s->len && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
		*s = span_after(*s, 1);
	if (s->len && s->ptr[0] == '"') {
		*s = span_after(*s, 1);
		while (s->len && s->ptr[0] != '"') {
			if (s->ptr[0] == '\\' && s->len > 1)
				*s = span_after(*s, 1);
			buf_add_char(value, s->ptr[0]);
			*s = span_after(*s, 1);
		}
		*s = span_after(*s, 1);
	} else {
		while (s->len && s->ptr[0] != ';' && s->ptr[0] != ' ' && s->ptr[0] != '\t') {
			buf_add_char(value, s->ptr[0]);
			*s = span_after(*s, 1);
		}
	}
	return true;
}

static void add_upper(struct buf *out, struct span s)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.len; i++)
		buf_add_char(out, (char)(s.ptr[i] >= 'a' && s.ptr[i] <= 'z' ? s.ptr[i] - 32 : s.ptr[i]));
	buf_add_char(out, '"');
}

static void add_params(struct buf *out, struct span params)
{
	struct buf value;
	struct span name;
	size_t before = out->len;
	buf_init(&value, 1 << 16);
	while (param_next(&params, &name, &value)) {
		buf_add_char(out, out->len == before ? '(' : ' ');
		add_upper(out, name);
		buf_add_char(out, ' ');
		mime_nstring(out, buf_span(&value));
	}
	buf_add_text(out, out->len == before ? "NIL" : ")");
	buf_finish(&value);
}

static void read_type(struct span header, bool in_digest, struct type *t)
{
	buf_init(&t->raw, 1 << 16);
	struct span v = mime_value(header, "Content-Type", &t->raw);
	t->given = false;
	if (v.ptr) {
		t->main = token(&v);
		if (v.len && v.ptr[0] == '/') {
			v = span_after(v, 1);
			t->sub = token(&v);
			t->given = t->main.len && t->sub.len;
			t->params = v;
		}
	}
	if (!t->given) {
		t->main = span_of(in_digest ? "MESSAGE" : "TEXT");
		t->sub = span_of(in_digest ? "RFC822" : "PLAIN");
		t->params = span_make("", 0);
	}
}

static enum mime_encoding encoding_of(struct span v)
{
	return span_is(v, "base64") ? MIME_BASE64 : (span_is(v, "quoted-printable") ? MIME_QP : MIME_IDENTITY);
}

static uint32_t count_lines(struct span s)
{
	uint32_t n = 0;
	for (const char *p = s.ptr, *end = s.ptr + s.len; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n;
}

/* 0 no, 1 delimiter, 2 close delimiter */
static int is_delimiter(struct span line, struct span bound)
{
	if (line.len < bound.len + 2 || memcmp(line.ptr, "--", 2) != 0 ||
	    memcmp(line.ptr + 2, bound.ptr, bound.len) != 0)
		return 0;
	struct span rest = span_after(line, bound.len + 2);
	int kind = 1;
	if (rest.len >= 2 && memcmp(rest.ptr, "--", 2) == 0) {
		kind = 2;
		rest = span_after(rest, 2);
	}
	for (size_t i = 0; i < rest.len; i++)
		if (!strchr(" \t\r\n", rest.ptr[i]) || !rest.ptr[i])
			return 0;
	return kind;
}

static size_t line_end(struct span m, size_t at)
{
	const char *nl = memchr(m.ptr + at, '\n', m.len - at);
	return nl ? (size_t)(nl - m.ptr) + 1 : m.len;
}

/* From `at`, the next line that is a delimiter of `bounds` or (levels up) of an outer one: its start (or `end`). */
static size_t find_delimiter(struct span m, size_t at, size_t end, const struct bound *bounds, int *kind, bool *ours)
{
	while (at < end) {
		size_t next = line_end(m, at);
		if (next - at > 2 && m.ptr[at] == '-' && m.ptr[at + 1] == '-') {
			for (const struct bound *b = bounds; b; b = b->outer) {
				*kind = is_delimiter(span_make(m.ptr + at, next - at), b->text);
				if (*kind) {
					*ours = b == bounds;
					return at;
				}
			}
		}
		at = next;
	}
	*kind = 0;
	*ours = false;
	return end;
}

static void add_envelope(struct walk *w, struct span header, struct buf *out)
{
	buf_add_char(out, '(');
	mime_nstring(out, mime_value(header, "Date", &w->scratch));
	buf_add_char(out, ' ');
	mime_nstring(out, mime_value(header, "Subject", &w->scratch));
	static const char *const lists[] = {"From", "Sender", "Reply-To", "To", "Cc", "Bcc"};
	for (size_t i = 0; i < countof(lists); i++) {
		bool copy = (i == 1 || i == 2) && mime_address_empty(header, lists[i]);
		buf_add_char(out, ' ');
		mime_address_list(header, copy ? "From" : lists[i], out);
	}
	buf_add_char(out, ' ');
	mime_nstring(out, mime_value(header, "In-Reply-To", &w->scratch));
	buf_add_char(out, ' ');
	mime_nstring(out, mime_value(header, "Message-ID", &w->scratch));
	buf_add_char(out, ')');
}

static void add_disposition(struct walk *w, struct span header, struct buf *out)
{
	struct span v = mime_value(header, "Content-Disposition", &w->scratch);
	struct span kind = v.ptr ? token(&v) : v;
	if (!kind.ptr || !kind.len) {
		buf_add_text(out, "NIL");
		return;
	}
	buf_add_char(out, '(');
	add_upper(out, kind);
	buf_add_char(out, ' ');
	add_params(out, v);
	buf_add_char(out, ')');
}

/* disposition, language, location, after md5 or parameters */
static void add_extension(struct walk *w, struct span header, struct buf *out)
{
	buf_add_char(out, ' ');
	add_disposition(w, header, out);
	buf_add_char(out, ' ');
	mime_nstring(out, mime_value(header, "Content-Language", &w->scratch));
	buf_add_char(out, ' ');
	mime_nstring(out, mime_value(header, "Content-Location", &w->scratch));
}

static void add_both(struct walk *w, const char *text)
{
	buf_add_text(&w->out->body, text);
	buf_add_text(&w->out->bodystructure, text);
}

static void entity(struct walk *w, uint32_t parent, uint32_t number, size_t from, size_t to, bool in_digest,
		   const struct bound *bounds, unsigned depth);

static void multipart(struct walk *w, uint32_t index, struct span bound, bool digest, size_t from, size_t to,
		      const struct bound *outer, unsigned depth)
{
	struct bound bounds = {outer, bound};
	int kind;
	bool ours;
	uint32_t number = 0;
	size_t at = find_delimiter(w->message, from, to, &bounds, &kind, &ours);
	while (kind == 1 && ours && w->rows < MIME_PARTS_MAX) {
		size_t begin = line_end(w->message, at);
		at = find_delimiter(w->message, begin < to ? begin : to, to, &bounds, &kind, &ours);
		size_t end = at;
		/* The line end before a delimiter belongs to it. */
		if (kind && end > begin && w->message.ptr[end - 1] == '\n')
			end -= end > begin + 1 && w->message.ptr[end - 2] == '\r' ? 2 : 1;
		entity(w, index, ++number, begin, end, digest, &bounds, depth + 1);
	}
	if (number == 0)
		entity(w, index, 1, to, to, false, NULL, depth + 1);
}

static void leaf_fields(struct walk *w, struct span header, struct span body, const struct type *t)
{
	size_t start = w->out->body.len;
	struct buf *out = &w->out->body;
	add_upper(out, t->main);
	buf_add_char(out, ' ');
	add_upper(out, t->sub);
	buf_add_char(out, ' ');
	if (t->given)
		add_params(out, t->params);
	else
		buf_add_text(out, span_is(t->main, "TEXT") ? "(\"CHARSET\" \"US-ASCII\")" : "NIL");
	buf_add_char(out, ' ');
	mime_nstring(out, mime_value(header, "Content-ID", &w->scratch));
	buf_add_char(out, ' ');
	mime_nstring(out, mime_value(header, "Content-Description", &w->scratch));
	buf_add_char(out, ' ');
	struct span v = mime_value(header, "Content-Transfer-Encoding", &w->scratch);
	struct span encoding = v.ptr ? token(&v) : v;
	add_upper(out, encoding.ptr && encoding.len ? encoding : span_of("7BIT"));
	buf_printf(out, " %zu", body.len);
	buf_add(&w->out->bodystructure, out->data + start, out->len - start);
}

static void entity(struct walk *w, uint32_t parent, uint32_t number, size_t from, size_t to, bool in_digest,
		   const struct bound *bounds, unsigned depth)
{
	struct span text = span_make(w->message.ptr + from, to - from);
	size_t header_len = mime_header_end(text);
	struct span header = span_make(text.ptr, header_len), body = span_after(text, header_len);
	struct type t;
	read_type(header, in_digest, &t);
	struct buf boundary;
	buf_init(&boundary, 4096);
	struct span name, params = t.params, v = mime_value(header, "Content-Transfer-Encoding", &w->scratch);
	enum mime_encoding encoding = v.ptr ? encoding_of(token(&v)) : MIME_IDENTITY;
	bool is_multipart = false, room = depth < MIME_DEPTH_MAX && w->rows < MIME_PARTS_MAX;
	while (span_is(t.main, "multipart") && !is_multipart && room && param_next(&params, &name, &boundary))
		is_multipart = span_is(name, "boundary") && boundary.len > 0;
	bool is_message = span_is(t.main, "message") && span_is(t.sub, "rfc822") && room && encoding == MIME_IDENTITY;
	if (!is_multipart && span_is(t.main, "multipart")) {
		t.main = span_of("APPLICATION");
		t.sub = span_of("OCTET-STREAM");
	} else if (!is_message && span_is(t.main, "message") && span_is(t.sub, "rfc822")) {
		t.main = span_of("APPLICATION");
		t.sub = span_of("OCTET-STREAM");
	}
	uint32_t index = w->rows++;
	struct mime_part part = {.parent = parent, .number = number, .header = (uint32_t)from,
				 .header_len = (uint32_t)header_len, .body = (uint32_t)(from + header_len),
				 .body_len = (uint32_t)body.len, .encoding = (uint8_t)encoding,
				 .is_text = span_is(t.main, "text"),
				 .kind = is_multipart ? MIME_MULTIPART : (is_message ? MIME_MESSAGE : MIME_LEAF)};
	buf_add(&w->out->parts, &part, sizeof(part));
	add_both(w, "(");
	if (is_multipart) {
		multipart(w, index, buf_span(&boundary), span_is(t.sub, "digest"), from + header_len, to, bounds, depth);
		add_both(w, " ");
		add_upper(&w->out->body, t.sub);
		add_upper(&w->out->bodystructure, t.sub);
		buf_add_char(&w->out->bodystructure, ' ');
		add_params(&w->out->bodystructure, t.params);
	} else {
		leaf_fields(w, header, body, &t);
		if (is_message) {
			size_t inner = mime_header_end(body), start = w->out->body.len;
			buf_add_char(&w->out->body, ' ');
			add_envelope(w, span_make(body.ptr, inner), &w->out->body);
			buf_add_char(&w->out->body, ' ');
			buf_add(&w->out->bodystructure, w->out->body.data + start, w->out->body.len - start);
			entity(w, index, 0, from + header_len, to, false, bounds, depth + 1);
		}
		if (is_message || part.is_text) {
			buf_printf(&w->out->body, " %u", count_lines(body));
			buf_printf(&w->out->bodystructure, " %u", count_lines(body));
		}
		buf_add_char(&w->out->bodystructure, ' ');
		mime_nstring(&w->out->bodystructure, mime_value(header, "Content-MD5", &w->scratch));
	}
	add_extension(w, header, &w->out->bodystructure);
	add_both(w, ")");
	buf_finish(&boundary);
	buf_finish(&t.raw);
}

void mime_summarise(struct span message, struct mime_summary *out)
{
	invariant(message.len < UINT32_MAX);
	struct walk w = {.out = out, .message = message};
	buf_init(&w.scratch, 1 << 20);
	out->header_len = (uint32_t)mime_header_end(message);
	struct span header = span_make(message.ptr, out->header_len);
	add_envelope(&w, header, &out->envelope);
	entity(&w, 0, 0, 0, message.len, false, NULL, 0);
	struct span date = mime_value(header, "Date", &w.scratch);
	out->has_date = date.ptr && mime_sent_day(date, &out->sent_day);
	buf_finish(&w.scratch);
}

static bool child_of(struct span parts, uint32_t parent, uint32_t number, uint32_t *out)
{
	size_t n = parts.len / sizeof(struct mime_part);
	for (size_t i = parent + 1; i < n; i++) {
		struct mime_part p;
		memcpy(&p, parts.ptr + i * sizeof(p), sizeof(p));
		if (p.parent == parent && p.number == number) {
			*out = (uint32_t)i;
			return true;
		}
	}
	return false;
}

bool mime_find(struct span parts, const uint32_t *path, size_t path_n, enum mime_section kind, uint32_t *offset,
	       uint32_t *len)
{
	uint32_t at = 0;
	bool reached = false; /* `at` was named by a number, not only entered */
	struct mime_part p;
	if (parts.len < sizeof(p))
		return false;
	memcpy(&p, parts.ptr, sizeof(p));
	for (size_t i = 0; i < path_n; i++) {
		if (reached && p.kind == MIME_MESSAGE) {
			if (!child_of(parts, at, 0, &at))
				return false;
			memcpy(&p, parts.ptr + at * sizeof(p), sizeof(p));
			reached = false;
		}
		if (p.kind == MIME_MULTIPART) {
			if (path[i] == 0 || !child_of(parts, at, path[i], &at))
				return false;
			memcpy(&p, parts.ptr + at * sizeof(p), sizeof(p));
		} else if (reached || path[i] != 1) {
			return false;
		}
		reached = true;
	}
	if (path_n && (kind == MIME_SECTION_HEADER || kind == MIME_SECTION_TEXT)) {
		if (p.kind != MIME_MESSAGE || !child_of(parts, at, 0, &at))
			return false;
		memcpy(&p, parts.ptr + at * sizeof(p), sizeof(p));
	}
	bool header = kind == MIME_SECTION_HEADER || kind == MIME_SECTION_MIME;
	*offset = header || (kind == MIME_SECTION_ALL && !path_n) ? p.header : p.body;
	*len = header ? p.header_len : (kind == MIME_SECTION_ALL && !path_n ? p.header_len + p.body_len : p.body_len);
	return true;
}
