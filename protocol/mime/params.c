#include "protocol/mime/params.h"

#include "protocol/mime/bodystructure.h"
#include "protocol/mime/charset.h"
#include "protocol/mime/header.h"
#include "protocol/mime/nstring.h"
#include "protocol/utf8.h"

enum { WRITTEN_MAX = 32768, SECTION_MAX = 999 };

void mime_params_init(struct mime_params *p)
{
	p->n = 0;
	buf_init(&p->text, SIZE_MAX); /* bounded by the header it comes from */
}

void mime_params_finish(struct mime_params *p)
{
	buf_finish(&p->text);
}

void mime_skip_gap(struct span *s, const char *separators)
{
	unsigned depth = 0;
	for (; s->len; *s = span_after(*s, 1)) {
		char c = s->ptr[0];
		if (c == '(')
			depth++;
		else if (depth && c == ')')
			depth--;
		else if (depth && c == '\\')
			*s = span_after(*s, 1);
		else if (!depth && !mime_is_space(c) && (c == '\0' || !strchr(separators, c)))
			return;
	}
}

void mime_skip_cfws(struct span *s)
{
	mime_skip_gap(s, "");
}

static bool is_token(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

struct span mime_token(struct span *s)
{
	mime_skip_cfws(s);
	size_t n = 0;
	while (n < s->len && is_token(s->ptr[n]))
		n++;
	struct span t = span_make(s->ptr, n);
	*s = span_after(*s, n);
	return t;
}

static void read_quoted(struct span *s, struct buf *out)
{
	for (*s = span_after(*s, 1); s->len && s->ptr[0] != '"'; *s = span_after(*s, 1)) {
		if (s->ptr[0] == '\\' && s->len > 1)
			*s = span_after(*s, 1);
		if (s->ptr[0] != '\r' && s->ptr[0] != '\n')
			buf_add_char(out, s->ptr[0]);
	}
	*s = span_after(*s, 1);
}

/* True when *s goes on with `token=`: a parameter whose semicolon was forgotten. */
static bool at_parameter(struct span s)
{
	struct span name = mime_token(&s);
	return name.len && s.len && s.ptr[0] == '=';
}

/* A value without quotes, whatever characters it holds.  It may have spaces when no one would take what follows for
 * anything else: `name=annual report.pdf`. */
static void read_bare(struct span *s, struct buf *out)
{
	for (;;) {
		size_t n = 0;
		while (n < s->len && s->ptr[n] != ';' && !mime_is_space(s->ptr[n]))
			n++;
		buf_add(out, s->ptr, n);
		*s = span_after(*s, n);
		mime_skip_cfws(s);
		if (!s->len || s->ptr[0] == ';' || s->ptr[0] == '"' || at_parameter(*s))
			return;
		buf_add_char(out, ' ');
	}
}

/* Splits `name*12*` as RFC 2231 3 and 4 have it. */
static void split_name(struct mime_param *p)
{
	struct span n = p->name;
	if (n.len && n.ptr[n.len - 1] == '*') {
		p->extended = true;
		n.len--;
	}
	size_t digits = 0;
	unsigned section = 0;
	while (digits < n.len && n.ptr[n.len - 1 - digits] >= '0' && n.ptr[n.len - 1 - digits] <= '9')
		digits++;
	if (digits && digits <= 3 && digits + 1 < n.len && n.ptr[n.len - 1 - digits] == '*') {
		for (size_t i = n.len - digits; i < n.len; i++)
			section = section * 10 + (unsigned)(n.ptr[i] - '0');
		p->continued = true;
		p->section = (uint16_t)section;
		n.len -= digits + 1;
	}
	if (n.len)
		p->name = n;
	else
		p->continued = p->extended = false;
}

/* A plain piece inside an extended value has to be encoded to mean itself (RFC 2231 4.1). */
static void add_encoded(struct buf *out, const char *from, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)from[i];
		if (c > 0x20 && c < 0x7f && !strchr("%'*\"\\", c)) {
			buf_add_char(out, (char)c);
		} else {
			buf_add_char(out, '%');
			buf_add_char(out, hex[c >> 4]);
			buf_add_char(out, hex[c & 15]);
		}
	}
}

/* Pieces may stand in any order. */
static struct mime_param *piece(struct mime_params *p, struct span name, unsigned section)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].continued && p->v[i].section == section && span_iequal(p->v[i].name, name))
			return &p->v[i];
	return NULL;
}

/* Puts the pieces of v[i], whose section is 0, behind one another at the end of the text. */
static void join(struct mime_params *p, size_t i)
{
	struct mime_param *first = &p->v[i], *next = first;
	size_t at = p->text.len;
	for (unsigned section = 0; next; next = piece(p, first->name, ++section)) {
		/* The text may move while it is copied within itself. */
		size_t len = next->len;
		char *to = buf_reserve(&p->text, len * 3 + 1);
		invariant(to);
		const char *from = p->text.data + next->at;
		if (first->extended && !next->extended) {
			add_encoded(&p->text, from, len);
		} else {
			memcpy(to, from, len);
			p->text.len += len;
		}
		if (section > 0)
			next->section = UINT16_MAX; /* used */
	}
	first->at = at;
	first->len = p->text.len - at;
	first->continued = false;
}

static void join_all(struct mime_params *p)
{
	size_t kept = 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].continued && p->v[i].section == 0)
			join(p, i);
	for (size_t i = 0; i < p->n; i++)
		if (!p->v[i].continued || p->v[i].section != UINT16_MAX)
			p->v[kept++] = p->v[i];
	p->n = kept;
}

void mime_params_read(struct mime_params *p, struct span s)
{
	bool pieces = false;
	p->n = 0;
	buf_reset(&p->text);
	while (s.len && p->n < MIME_PARAMS_MAX) {
		mime_skip_cfws(&s);
		struct mime_param next = {.name = mime_token(&s), .at = p->text.len};
		if (next.name.len)
			mime_skip_cfws(&s);
		if (!next.name.len || !s.len || s.ptr[0] != '=') {
			/* No parameter: on behind the next separator, which may be where we are. */
			if (!next.name.len && s.len && s.ptr[0] == '"')
				read_quoted(&s, &p->text);
			else if (!next.name.len)
				s = span_after(s, 1);
			p->text.len = next.at;
			continue;
		}
		s = span_after(s, 1);
		mime_skip_cfws(&s);
		if (s.len && s.ptr[0] == '"')
			read_quoted(&s, &p->text);
		else
			read_bare(&s, &p->text);
		next.len = p->text.len - next.at;
		split_name(&next);
		pieces = pieces || next.continued;
		p->v[p->n++] = next;
	}
	if (pieces)
		join_all(p);
}

struct span mime_param_value(const struct mime_params *p, size_t i)
{
	invariant(i < p->n);
	size_t len = p->v[i].len < MIME_VALUE_MAX ? p->v[i].len : MIME_VALUE_MAX;
	return span_make((p->text.data ? p->text.data : "") + p->v[i].at, len);
}

/* The first whole one of that name, p->n if there is none. */
static size_t find(const struct mime_params *p, const char *name, bool extended)
{
	size_t i = 0;
	while (i < p->n && (p->v[i].continued || p->v[i].extended != extended || !span_is(p->v[i].name, name)))
		i++;
	return i;
}

static void undo_percents(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int high = s.ptr[i] == '%' && i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
		int low = high >= 0 ? hex_value(s.ptr[i + 2]) : -1;
		char c = (char)(low >= 0 ? high << 4 | low : s.ptr[i]);
		buf_add_char(out, c);
		i += low >= 0 ? 2 : 0;
	}
}

/* What stands behind charset'language' (RFC 2231 4); ptr NULL: there is no such thing. */
static struct span encoded_part(struct span value, struct span *charset)
{
	const char *first = value.len ? memchr(value.ptr, '\'', value.len) : NULL;
	struct span rest = first ? span_after(value, (size_t)(first + 1 - value.ptr)) : span_make("", 0);
	const char *second = rest.len ? memchr(rest.ptr, '\'', rest.len) : NULL;
	if (!second)
		return span_make(NULL, 0);
	*charset = span_make(value.ptr, (size_t)(first - value.ptr));
	return span_after(rest, (size_t)(second + 1 - rest.ptr));
}

struct span mime_params_get(struct mime_params *p, const char *name)
{
	size_t i = find(p, name, false), at = p->text.len;
	if (i < p->n)
		return mime_param_value(p, i);
	i = find(p, name, true);
	if (i == p->n)
		return span_make(NULL, 0);
	struct span charset, value = mime_param_value(p, i), part = encoded_part(value, &charset);
	part = part.ptr ? part : value;
	if (!part.len)
		return span_make("", 0);
	/* The text may move, but not while the octets, which are never more than they were, are added. */
	size_t offset = (size_t)(part.ptr - p->text.data);
	(void)buf_reserve(&p->text, part.len); /* has no limit */
	undo_percents(span_make(p->text.data + offset, part.len), &p->text);
	return span_make(p->text.data + at, p->text.len - at);
}

/* charset'language'encoded (RFC 2231 4) in UTF-8; false: it is not of that form, or not in that charset. */
static bool decode_extended(struct span value, struct buf *out)
{
	struct mime_charset charset = {0};
	struct buf octets;
	struct span name, part = encoded_part(value, &name);
	if (!part.ptr)
		return false;
	buf_init(&octets, SIZE_MAX);
	undo_percents(part, &octets);
	bool ok = mime_charset_open(&charset, name);
	if (ok) {
		mime_charset_feed(&charset, buf_span(&octets), out);
		mime_charset_end(&charset, out);
	}
	mime_charset_close(&charset);
	buf_finish(&octets);
	return ok && utf8_is_valid(buf_span(out));
}

/* RFC 9051 7.5.2 has it decoded, in UTF-8; IMAP4rev1 as it was sent (RFC 2231 7 joins the pieces only). */
static void write_extended(struct span value, struct buf *out)
{
	struct buf decoded;
	buf_init(&decoded, SIZE_MAX); /* bounded by the value */
	if (decode_extended(value, &decoded)) {
		buf_add(out, MIME_ALTERNATIVE_REV1, 2);
		mime_nstring(out, value);
		buf_add(out, MIME_ALTERNATIVE_REV2, 2);
		mime_nstring(out, span_make(decoded.data ? decoded.data : "", decoded.len));
		buf_add(out, MIME_ALTERNATIVE_END, 2);
	} else {
		mime_nstring(out, value);
	}
	buf_finish(&decoded);
}

void mime_params_write(const struct mime_params *p, struct buf *out)
{
	size_t start = out->len;
	for (size_t i = 0; i < p->n && out->len - start < WRITTEN_MAX; i++) {
		const struct mime_param *v = &p->v[i];
		buf_add_char(out, i ? ' ' : '(');
		mime_upper(out, v->name);
		if (v->continued || v->extended) {
			/* Inside the closing quote. */
			out->len -= out->len > start;
			if (v->continued)
				buf_printf(out, "*%u", v->section);
			buf_add_text(out, v->extended ? "*\"" : "\"");
		}
		buf_add_char(out, ' ');
		if (v->extended && !v->continued)
			write_extended(mime_param_value(p, i), out);
		else
			mime_nstring(out, mime_param_value(p, i));
	}
	buf_add_text(out, out->len == start ? "NIL" : ")");
}
