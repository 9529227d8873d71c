/* Decoding for SEARCH: transfer encodings, charsets, encoded-words; compared by case-folded UTF-8. */
#include "protocol/mime/text.h"

#include "protocol/mime/header.h"

#include <iconv.h>
#include <utf8proc.h>

enum { DECODED_MAX = 64 << 20 };

void mime_fold(struct span s, struct buf *out)
{
	for (size_t at = 0; at < s.len;) {
		unsigned char c = (unsigned char)s.ptr[at];
		if (c < 0x80) {
			buf_add_char(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
			at++;
			continue;
		}
		utf8proc_int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + at,
						      (utf8proc_ssize_t)(s.len - at), &point);
		if (n <= 0) {
			buf_add_char(out, (char)c);
			at++;
			continue;
		}
		utf8proc_uint8_t folded[4];
		utf8proc_ssize_t m = utf8proc_encode_char(utf8proc_tolower(point), folded);
		buf_add(out, folded, (size_t)m);
		at += (size_t)n;
	}
}

void mime_to_utf8(struct span text, struct span charset, struct buf *out)
{
	char name[64];
	snprintf(name, sizeof(name), "%.*s", (int)(charset.len < 60 ? charset.len : 60), charset.ptr ? charset.ptr : "");
	iconv_t cd = (iconv_t)-1;
	if (charset.len && strcasecmp(name, "utf-8") != 0 && strcasecmp(name, "us-ascii") != 0)
		cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1) {
		buf_add_span(out, text);
		return;
	}
	char *in = (char *)(uintptr_t)text.ptr;
	size_t left = text.len;
	while (left) {
		char chunk[4096], *to = chunk;
		size_t room = sizeof(chunk);
		size_t rc = iconv(cd, &in, &left, &to, &room);
		buf_add(out, chunk, sizeof(chunk) - room);
		if (rc == (size_t)-1 && room == sizeof(chunk) && left) {
			buf_add_char(out, *in++);
			left--;
		}
	}
	iconv_close(cd);
}

static int base64_value(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c >= 'A' && c <= 'F' ? c - 55 : (c >= 'a' && c <= 'f' ? c - 87 : -1));
}

static void decode_base64(struct span s, struct buf *out)
{
	uint32_t bits = 0;
	unsigned n = 0;
	for (size_t i = 0; i < s.len && s.ptr[i] != '='; i++) {
		int v = base64_value(s.ptr[i]);
		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		n += 6;
		if (n >= 8) {
			n -= 8;
			buf_add_char(out, (char)(bits >> n & 0xff));
		}
	}
}

static void decode_qp(struct span s, bool word, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		int hi = c == '=' && i + 2 < s.len + 0 ? hex_value(s.ptr[i + 1]) : -1;
		int lo = hi >= 0 ? hex_value(s.ptr[i + 2]) : -1;
		if (lo >= 0) {
			buf_add_char(out, (char)(hi << 4 | lo));
			i += 2;
		} else if (c == '=' && !word && i + 1 < s.len && (s.ptr[i + 1] == '\r' || s.ptr[i + 1] == '\n')) {
			i += s.ptr[i + 1] == '\r' && i + 2 < s.len && s.ptr[i + 2] == '\n' ? 2 : 1;
		} else {
			buf_add_char(out, word && c == '_' ? ' ' : c);
		}
	}
}

void mime_decode_body(struct span body, enum mime_encoding encoding, struct buf *out)
{
	if (encoding == MIME_BASE64)
		decode_base64(body, out);
	else if (encoding == MIME_QP)
		decode_qp(body, false, out);
	else
		buf_add_span(out, body);
}

/* =?charset?B|Q?text?= at the start of s; its length, or 0 */
static size_t encoded_word(struct span s, struct buf *out)
{
	if (s.len < 8 || s.ptr[0] != '=' || s.ptr[1] != '?')
		return 0;
	const char *end = s.ptr + s.len, *charset = s.ptr + 2, *q = memchr(charset, '?', (size_t)(end - charset));
	if (!q || end - q < 4 || q[2] != '?')
		return 0;
	const char *text = q + 3, *close = memchr(text, '?', (size_t)(end - text));
	if (!close || close + 1 >= end || close[1] != '=')
		return 0;
	struct buf raw;
	buf_init(&raw, DECODED_MAX);
	struct span in = span_make(text, (size_t)(close - text));
	if (q[1] == 'B' || q[1] == 'b')
		decode_base64(in, &raw);
	else
		decode_qp(in, true, &raw);
	const char *star = memchr(charset, '*', (size_t)(q - charset));
	mime_to_utf8(buf_span(&raw), span_make(charset, (size_t)((star ? star : q) - charset)), out);
	buf_finish(&raw);
	return (size_t)(close + 2 - s.ptr);
}

void mime_decode_words(struct span s, struct buf *out)
{
	bool after_word = false;
	size_t gap = 0;
	for (size_t at = 0; at < s.len;) {
		size_t n = s.ptr[at] == '=' ? encoded_word(span_after(s, at), out) : 0;
		if (n) {
			at += n;
			after_word = true;
			/* White space between two encoded-words is not text (RFC 2047 6.2). */
			for (gap = at; gap < s.len && (s.ptr[gap] == ' ' || s.ptr[gap] == '\t'); gap++)
				;
			struct buf probe;
			buf_init(&probe, DECODED_MAX);
			if (after_word && gap > at && gap < s.len && encoded_word(span_after(s, gap), &probe))
				at = gap;
			buf_finish(&probe);
			continue;
		}
		buf_add_char(out, s.ptr[at++]);
	}
}

static bool contains(struct span hay, struct span needle)
{
	return needle.len == 0 || (hay.len >= needle.len && memmem(hay.ptr, hay.len, needle.ptr, needle.len));
}

bool mime_header_contains(struct span header, struct span name, struct span folded)
{
	struct mime_field f;
	struct buf value, decoded, text;
	buf_init(&value, DECODED_MAX);
	buf_init(&decoded, DECODED_MAX);
	buf_init(&text, DECODED_MAX);
	bool found = false;
	for (size_t at = 0; !found && mime_field_next(header, &at, &f);) {
		if (name.len && !span_iequal(f.name, name))
			continue;
		buf_reset(&decoded);
		buf_reset(&text);
		mime_decode_words(mime_unfold(name.len ? f.value : f.raw, &value), &decoded);
		mime_fold(buf_span(&decoded), &text);
		found = contains(buf_span(&text), folded);
	}
	buf_finish(&value);
	buf_finish(&decoded);
	buf_finish(&text);
	return found;
}

bool mime_body_contains(struct span message, struct span parts, struct span folded)
{
	struct buf raw, utf8, text;
	struct mime_part p;
	buf_init(&raw, DECODED_MAX);
	buf_init(&utf8, DECODED_MAX);
	buf_init(&text, DECODED_MAX);
	bool found = false;
	for (uint32_t i = 0; !found && mime_parts_get(parts, i, &p); i++) {
		if (p.kind != MIME_LEAF || !mime_is_text(p.media) || (uint64_t)p.body + p.body_len > message.len)
			continue;
		buf_reset(&raw);
		buf_reset(&utf8);
		buf_reset(&text);
		mime_decode_body(span_make(message.ptr + p.body, p.body_len), p.encoding, &raw);
		mime_to_utf8(buf_span(&raw), p.charset, &utf8);
		mime_fold(buf_span(&utf8), &text);
		found = contains(buf_span(&text), folded);
	}
	buf_finish(&raw);
	buf_finish(&utf8);
	buf_finish(&text);
	return found;
}
