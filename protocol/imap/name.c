#include "protocol/imap/name.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/mutf7.h"
#include "protocol/imap/response.h"

#include <utf8proc.h>

static bool is_legal_point(utf8proc_int32_t point)
{
	bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
	bool wildcard = point == '%' || point == '*';
	bool separator = point == 0x2028 || point == 0x2029;
	return !control && !wildcard && !separator;
}

static bool is_legal_component(struct span s)
{
	return s.len > 0 && !span_equal(s, span_of(".")) && !span_equal(s, span_of(".."));
}

static bool is_legal(struct span s)
{
	unsigned levels = 1;
	size_t from = 0;
	if (s.len > NAME_BYTES_MAX)
		return false;
	for (size_t at = 0; at < s.len;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + at,
						      (utf8proc_ssize_t)(s.len - at), &point);
		if (n <= 0 || !is_legal_point(point))
			return false;
		if (point == '/') {
			if (!is_legal_component(span_make(s.ptr + from, at - from)) || ++levels > NAME_LEVELS_MAX)
				return false;
			from = at + 1;
		}
		at += (size_t)n;
	}
	return is_legal_component(span_after(s, from));
}

/* INBOX in any case is INBOX, also as the first of several components (RFC 9051 5.1). */
static void fold_inbox(char *name)
{
	if (strncasecmp(name, "inbox", 5) == 0 && (name[5] == '\0' || name[5] == '/'))
		memcpy(name, "INBOX", 5);
}

static bool compose(struct arena *a, const char *utf8, struct span *out)
{
	char *nfc = (char *)utf8proc_NFC((const utf8proc_uint8_t *)utf8);
	bool ok = nfc && strlen(nfc) <= NAME_BYTES_MAX;
	if (ok) {
		fold_inbox(nfc);
		*out = arena_copy(a, span_of(nfc));
	}
	free(nfc);
	return ok;
}

bool name_decode(struct arena *a, struct span wire, unsigned dialect, struct span *out)
{
	struct buf b;
	buf_init(&b, NAME_BYTES_MAX + 2); /* a separator to drop, and the NUL */
	bool ok = true;
	if (dialect & DIALECT_UTF8)
		buf_add_span(&b, wire);
	else
		ok = mutf7_decode(wire, &b);
	if (b.len > 1 && b.data[b.len - 1] == '/')
		b.len--;
	ok = ok && !b.failed && is_legal(buf_span(&b));
	buf_add_char(&b, '\0');
	ok = ok && !b.failed && compose(a, b.data, out);
	buf_finish(&b);
	return ok;
}

bool name_was_changed(struct span wire, struct span within)
{
	if (wire.len > 1 && wire.ptr[wire.len - 1] == '/')
		wire.len--;
	bool inbox = within.len >= 5 && memcmp(within.ptr, "INBOX", 5) == 0 && (within.len == 5 || within.ptr[5] == '/');
	size_t folded = inbox && wire.len >= 5 && strncasecmp(wire.ptr, "INBOX", 5) == 0 ? 5 : 0;
	return !span_equal(span_after(wire, folded), span_after(within, folded));
}

void name_write(struct buf *out, const char *name, unsigned dialect)
{
	struct buf b;
	if (dialect & DIALECT_UTF8) {
		response_astring(out, span_of(name), dialect);
		return;
	}
	buf_init(&b, NAME_BYTES_MAX * 4); /* three octets of UTF-8 become at most six, with the shift's own two */
	mutf7_encode(span_of(name), &b);
	response_astring(out, buf_span(&b), dialect);
	buf_finish(&b);
}
