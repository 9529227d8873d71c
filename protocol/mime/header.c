#include "protocol/mime/mime.h"

size_t mime_header_end(struct span t)
{
	for (size_t at = 0; at < t.len;) {
		const char *nl = memchr(t.ptr + at, '\n', t.len - at);
		size_t end = nl ? (size_t)(nl - t.ptr) + 1 : t.len;
		size_t len = end - at;
		if (nl && (len == 1 || (len == 2 && t.ptr[at] == '\r')))
			return end;
		at = end;
	}
	return t.len;
}

bool mime_field_next(struct span h, size_t *at, struct span *name, struct span *raw)
{
	size_t from = *at, end = from;
	if (from >= h.len || h.ptr[from] == '\n' || (h.ptr[from] == '\r' && from + 1 < h.len && h.ptr[from + 1] == '\n'))
		return false;
	do {
		const char *nl = memchr(h.ptr + end, '\n', h.len - end);
		end = nl ? (size_t)(nl - h.ptr) + 1 : h.len;
	} while (end < h.len && (h.ptr[end] == ' ' || h.ptr[end] == '\t'));
	*at = end;
	*raw = span_make(h.ptr + from, end - from);
	size_t n = 0;
	while (n < raw->len && raw->ptr[n] > 0x20 && raw->ptr[n] < 0x7f && raw->ptr[n] != ':')
		n++;
	size_t colon = n;
	while (colon < raw->len && (raw->ptr[colon] == ' ' || raw->ptr[colon] == '\t'))
		colon++;
	*name = span_make(raw->ptr, n && colon < raw->len && raw->ptr[colon] == ':' ? n : 0);
	return true;
}

static struct span value_of(struct span raw)
{
	const char *colon = memchr(raw.ptr, ':', raw.len);
	return colon ? span_after(raw, (size_t)(colon - raw.ptr) + 1) : raw;
}

/* Line ends go, the white space after them stays; the ends are trimmed. */
void mime_unfold(struct span v, struct buf *out)
{
	size_t start = out->len;
	while (v.len && strchr(" \t\r\n", v.ptr[0]) && v.ptr[0])
		v = span_after(v, 1);
	for (size_t i = 0; i < v.len; i++)
		if (v.ptr[i] != '\r' && v.ptr[i] != '\n')
			buf_add_char(out, v.ptr[i]);
	while (out->len > start && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == '\t'))
		out->len--;
}

struct span mime_value(struct span header, const char *name, struct buf *scratch)
{
	struct span field, raw;
	buf_reset(scratch);
	for (size_t at = 0; mime_field_next(header, &at, &field, &raw);) {
		if (span_is(field, name)) {
			mime_unfold(value_of(raw), scratch);
			return buf_span(scratch);
		}
	}
	return span_make(NULL, 0);
}

void mime_fields(struct span header, const struct span *names, size_t n, bool not, struct buf *out)
{
	struct span field, raw;
	size_t at = 0;
	while (mime_field_next(header, &at, &field, &raw)) {
		bool named = false;
		for (size_t i = 0; i < n && !named; i++)
			named = field.len && span_iequal(field, names[i]);
		if (named != not)
			buf_add_span(out, raw);
	}
	buf_add_text(out, "\r\n");
}

void mime_nstring(struct buf *out, struct span s)
{
	if (!s.ptr) {
		buf_add_text(out, "NIL");
		return;
	}
	bool plain = s.len <= 1000;
	for (size_t i = 0; i < s.len && plain; i++)
		plain = (unsigned char)s.ptr[i] < 0x80 && s.ptr[i] != '\r' && s.ptr[i] != '\n' && s.ptr[i];
	if (!plain) {
		buf_add_char(out, '{');
		buf_add_u64(out, s.len);
		buf_add_text(out, "}\r\n");
		buf_add_span(out, s);
		return;
	}
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, s.ptr[i]);
	}
	buf_add_char(out, '"');
}
