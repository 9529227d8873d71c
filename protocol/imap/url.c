#include "protocol/imap/url.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/name.h"
#include "protocol/imap/parse_family.h"

/* bchar of RFC 5092 11, without "%". */
static bool is_bchar(char c)
{
	bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
	return alnum || (c && strchr("-._~!$'()*+,&=:@/", c));
}

/* Octets that a component stands for; false: it is not one, or holds a NUL. */
static bool decode(struct arena *a, struct span s, struct span *out)
{
	char *to = arena_bytes(a, s.len + 1), *begin = to;
	for (size_t i = 0; i < s.len; i++) {
		int hi = s.ptr[i] == '%' && i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
		int lo = hi >= 0 ? hex_value(s.ptr[i + 2]) : -1;
		if (lo >= 0 && hi + lo > 0) {
			*to++ = (char)(hi << 4 | lo);
			i += 2;
		} else if (is_bchar(s.ptr[i])) {
			*to++ = s.ptr[i];
		} else {
			return false;
		}
	}
	*out = span_make(begin, (size_t)(to - begin));
	return s.len > 0;
}

/* Passes `word`, in any case, if *rest begins with it. */
static bool take(struct span *rest, const char *word)
{
	size_t n = strlen(word);
	if (rest->len < n || strncasecmp(rest->ptr, word, n) != 0)
		return false;
	*rest = span_after(*rest, n);
	return true;
}

static bool take_number(struct span *rest, uint64_t max, uint64_t *out)
{
	size_t n = 0;
	*out = 0;
	for (; n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9'; n++) {
		uint64_t digit = (uint64_t)(rest->ptr[n] - '0');
		if (*out > (max - digit) / 10)
			return false;
		*out = *out * 10 + digit;
	}
	*rest = span_after(*rest, n);
	return n > 0;
}

static bool take_nz(struct span *rest, uint32_t *out)
{
	uint64_t n;
	bool ok = !(rest->len && rest->ptr[0] == '0') && take_number(rest, UINT32_MAX, &n);
	*out = ok ? (uint32_t)n : 0;
	return ok;
}

/* Up to the next ";", which ends it, or the "/" before that. */
static struct span take_component(struct span *rest)
{
	const char *end = rest->len ? memchr(rest->ptr, ';', rest->len) : NULL;
	size_t n = end ? (size_t)(end - rest->ptr) : rest->len;
	if (end && n && rest->ptr[n - 1] == '/')
		n--;
	struct span out = span_make(rest->ptr, n);
	*rest = span_after(*rest, n);
	return out;
}

static bool read_section(struct arena *a, struct span text, struct section *out)
{
	struct lexer lx;
	struct span spec;
	if (!decode(a, text, &spec))
		return false;
	/* As it would stand in BODY[...]. */
	struct buf b;
	buf_init(&b, URL_BYTES_MAX + 1);
	buf_add_span(&b, spec);
	buf_add_char(&b, ']');
	spec = arena_copy(a, buf_span(&b));
	buf_finish(&b);
	lexer_init(&lx, a, spec, DIALECT_REV1);
	parse_section(&lx, out);
	lexer_expect(&lx, ']', "The section ends here");
	lexer_end(&lx);
	return !lexer_failed(&lx);
}

static bool read_partial(struct span *rest, struct imap_url *out)
{
	uint32_t length;
	out->partial = true;
	out->length = UINT64_MAX;
	if (!take_number(rest, INT64_MAX, &out->offset))
		return false;
	if (!take(rest, "."))
		return true;
	bool ok = take_nz(rest, &length);
	out->length = length;
	return ok;
}

bool imap_url_parse(struct arena *a, struct span text, struct imap_url *out)
{
	struct span rest = text, name;
	*out = (struct imap_url){0};
	if (text.len > URL_BYTES_MAX || !take(&rest, "/"))
		return false;
	/* A second "/" begins a server's name. */
	struct span mailbox = take_component(&rest);
	if (!decode(a, mailbox, &name) || mailbox.ptr[0] == '/' || !name_decode(a, name, DIALECT_UTF8, &out->mailbox))
		return false;
	if (take(&rest, ";UIDVALIDITY=") && !take_nz(&rest, &out->uidvalidity))
		return false;
	if (!take(&rest, "/;UID=") || !take_nz(&rest, &out->uid))
		return false;
	if (take(&rest, "/;SECTION=") && !read_section(a, take_component(&rest), &out->section))
		return false;
	if (take(&rest, "/;PARTIAL=") && !read_partial(&rest, out))
		return false;
	return rest.len == 0;
}

void imap_url_write(struct buf *out, struct span text)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len && i < URL_BYTES_MAX; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c > 0x20 && c < 0x7f && c != ']' && c != '\\') {
			buf_add_char(out, (char)c);
		} else {
			buf_add_char(out, '%');
			buf_add_char(out, digits[c >> 4]);
			buf_add_char(out, digits[c & 15]);
		}
	}
}
