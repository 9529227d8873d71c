#include "protocol/imap/names.h"

#include <utf8proc.h>

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool add_point(struct buf *out, uint32_t unit, uint32_t *high)
{
	uint32_t point = unit;
	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		point = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
		*high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	} else if ((unit >= 0xdc00 && unit <= 0xdfff) || (unit >= 0x20 && unit < 0x7f)) {
		return false;
	}
	utf8proc_uint8_t bytes[4];
	buf_add(out, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)point, bytes));
	return true;
}

/* One shifted run, from behind '&'; false when it is not as RFC 3501 5.1.3 wants it. */
static bool shifted(struct span s, size_t *at, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned n = 0, units = 0;
	for (; *at < s.len && s.ptr[*at] != '-'; ++*at) {
		const char *c = s.ptr[*at] ? strchr(base64, s.ptr[*at]) : NULL;
		if (!c)
			return false;
		bits = (bits << 6 | (uint32_t)(c - base64)) & 0xfffff;
		n += 6;
		if (n >= 16) {
			n -= 16;
			units++;
			if (!add_point(out, bits >> n & 0xffff, &high))
				return false;
		}
	}
	return *at < s.len && units && n < 6 && (bits & ((1u << n) - 1)) == 0 && !high;
}

static bool mutf7_decode(struct span s, struct buf *out)
{
	bool was_shift = false;
	for (size_t at = 0; at < s.len; at++) {
		unsigned char c = (unsigned char)s.ptr[at];
		if (c != '&') {
			was_shift = false;
			buf_add_char(out, (char)c);
		} else if (at + 1 < s.len && s.ptr[at + 1] == '-') {
			was_shift = false;
			buf_add_char(out, '&');
			at++;
		} else {
			at++;
			if (was_shift || !shifted(s, &at, out))
				return false;
			was_shift = true;
		}
	}
	return true;
}

static bool is_valid(struct span s)
{
	unsigned levels = 1;
	if (s.len == 0 || s.len > NAME_BYTES_MAX || s.ptr[0] == '/')
		return false;
	for (size_t at = 0; at < s.len;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + at,
						      (utf8proc_ssize_t)(s.len - at), &point);
		if (n <= 0 || point < 0x20 || (point >= 0x7f && point < 0xa0) || point == '%' || point == '*' ||
		    point == 0x2028 || point == 0x2029)
			return false;
		if (point == '/') {
			if (++levels > NAME_LEVELS_MAX || at + 1 == s.len || s.ptr[at + 1] == '/')
				return false;
		}
		at += (size_t)n;
	}
	return true;
}

bool name_decode(struct arena *a, struct span wire, struct span *out)
{
	struct buf b;
	buf_init(&b, NAME_BYTES_MAX * 4);
	bool ok = mutf7_decode(wire, &b) && !b.failed;
	if (ok && b.len > 1 && b.data[b.len - 1] == '/')
		b.len--;
	buf_add_char(&b, '\0');
	ok = ok && !b.failed && is_valid(span_make(b.data, b.len - 1));
	if (ok) {
		utf8proc_uint8_t *nfc = utf8proc_NFC((const utf8proc_uint8_t *)b.data);
		ok = nfc != NULL;
		if (ok) {
			*out = arena_copy(a, span_of((const char *)nfc));
			char *name = (char *)(uintptr_t)out->ptr;
			if (strncasecmp(name, "inbox", 5) == 0 && (name[5] == '\0' || name[5] == '/'))
				memcpy(name, "INBOX", 5);
		}
		free(nfc);
	}
	buf_finish(&b);
	return ok;
}

static void encode_run(struct buf *out, const uint16_t *units, size_t n)
{
	uint32_t bits = 0;
	unsigned have = 0;
	buf_add_char(out, '&');
	for (size_t i = 0; i < n; i++) {
		bits = bits << 16 | units[i];
		for (have += 16; have >= 6; have -= 6)
			buf_add_char(out, base64[bits >> (have - 6) & 63]);
		bits &= (1u << have) - 1;
	}
	if (have)
		buf_add_char(out, base64[bits << (6 - have) & 63]);
	buf_add_char(out, '-');
}

void name_write(struct buf *out, const char *name)
{
	struct buf b;
	uint16_t units[NAME_BYTES_MAX * 2];
	size_t n = 0;
	bool atom = name[0] != '\0' && strcasecmp(name, "NIL") != 0;
	buf_init(&b, NAME_BYTES_MAX * 8);
	for (const char *p = name; *p;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &point);
		invariant(len > 0);
		if (point >= 0x20 && point < 0x7f) {
			if (n)
				encode_run(&b, units, n);
			n = 0;
			if (strchr(" (){%*\"\\]", point))
				atom = false;
			buf_add_char(&b, (char)point);
			if (point == '&')
				buf_add_char(&b, '-');
		} else if (point > 0xffff) {
			units[n++] = (uint16_t)(0xd800 + ((point - 0x10000) >> 10));
			units[n++] = (uint16_t)(0xdc00 + ((point - 0x10000) & 0x3ff));
		} else {
			units[n++] = (uint16_t)point;
		}
		p += len;
	}
	if (n)
		encode_run(&b, units, n);
	if (atom) {
		buf_add_span(out, buf_span(&b));
	} else {
		buf_add_char(out, '"');
		for (size_t i = 0; i < b.len; i++) {
			if (b.data[i] == '"' || b.data[i] == '\\')
				buf_add_char(out, '\\');
			buf_add_char(out, b.data[i]);
		}
		buf_add_char(out, '"');
	}
	buf_finish(&b);
}

/* A set of pattern positions is advanced over the name: O(pattern x name). */
bool pattern_matches(struct span pattern, const char *name)
{
	if (pattern.len > NAME_BYTES_MAX)
		return false;
	bool at[NAME_BYTES_MAX + 2] = {true};
	size_t m = pattern.len;
	bool fold = strncmp(name, "INBOX", 5) == 0 && (name[5] == '\0' || name[5] == '/');
	for (size_t j = 0; j < m && (pattern.ptr[j] == '*' || pattern.ptr[j] == '%'); j++)
		at[j + 1] = true;
	for (size_t i = 0; name[i]; i++) {
		bool next[NAME_BYTES_MAX + 2] = {false};
		for (size_t j = 0; j < m; j++) {
			char p = pattern.ptr[j];
			if (!at[j])
				continue;
			bool same = p == name[i] || (fold && i < 5 && p >= 'a' && p <= 'z' && p - 32 == name[i]);
			if (p == '*' || (p == '%' && name[i] != '/'))
				next[j] = true;
			else if (p != '%' && same)
				next[j + 1] = true;
		}
		for (size_t j = 0; j < m; j++)
			if (next[j] && (pattern.ptr[j] == '*' || pattern.ptr[j] == '%'))
				next[j + 1] = true;
		memcpy(at, next, sizeof(at));
	}
	return at[m];
}
