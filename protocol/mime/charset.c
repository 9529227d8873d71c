#include "protocol/mime/charset.h"

#include <errno.h>
#include <iconv.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 64, CHUNK = 4096 };

/* What mail calls a charset, where iconv has another name for it, or where mail means the larger set. */
static const struct {
	const char *name, *iconv;
} aliases[] = {
	{"utf8", NULL},
	{"utf-8", NULL},
	{"us-ascii", NULL},
	{"ascii", NULL},
	{"gb2312", "GB18030"},
	{"x-gbk", "GB18030"},
	{"gbk", "GB18030"},
	{"iso-8859-1", "WINDOWS-1252"},
	{"latin1", "WINDOWS-1252"},
	{"iso-8859-8-i", "ISO-8859-8"},
	{"ks_c_5601-1987", "CP949"},
	{"ks_c_5601", "CP949"},
	{"euc-kr", "CP949"},
	{"shift_jis", "CP932"},
	{"shift-jis", "CP932"},
	{"x-sjis", "CP932"},
	{"iso-2022-jp", "ISO-2022-JP-2"},
	{"unicode-1-1-utf-7", "UTF-7"},
	{"tis-620", "CP874"},
	{"x-mac-roman", "MACINTOSH"},
	{"x-unknown", NULL},
	{"unknown-8bit", NULL},
	{"default", NULL},
};

/* The name as iconv has it; NULL: no conversion.  Characters that no charset has in its name make it unknown: iconv
 * looks for tables by name. */
static const char *iconv_name(struct span name, char space[NAME_MAX_BYTES], bool *known)
{
	*known = true;
	if (name.len == 0)
		return NULL;
	for (size_t i = 0; i < countof(aliases); i++)
		if (span_is(name, aliases[i].name))
			return aliases[i].iconv;
	*known = name.len < NAME_MAX_BYTES;
	for (size_t i = 0; i < name.len && *known; i++) {
		char c = name.ptr[i];
		*known = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			 c == '-' || c == '_' || c == '.' || c == ':' || c == '+';
		space[i] = c;
	}
	if (!*known)
		return NULL;
	space[name.len] = '\0';
	return space;
}

bool mime_charset_open(struct mime_charset *c, struct span name)
{
	char space[NAME_MAX_BYTES];
	bool known;
	*c = (struct mime_charset){0};
	const char *from = iconv_name(name, space, &known);
	if (!from)
		return known;
	iconv_t cd = iconv_open("UTF-8", from);
	if (cd == (iconv_t)-1)
		return false;
	c->cd = cd;
	c->bytewise = strncasecmp(from, "UTF-7", strlen("UTF-7")) == 0 || strcasecmp(from, "UTF7") == 0;
	return true;
}

void mime_charset_close(struct mime_charset *c)
{
	if (c->cd)
		iconv_close(c->cd);
	*c = (struct mime_charset){0};
}

/* Converts what it can from the front of `in`; what stays is the beginning of a character. */
static struct span convert(struct mime_charset *c, struct span in, struct buf *out)
{
	char *from = (char *)(uintptr_t)in.ptr; /* iconv() does not write there */
	size_t left = in.len;
	while (left) {
		char chunk[CHUNK], *to = chunk;
		size_t room = sizeof(chunk);
		size_t rc = iconv(c->cd, &from, &left, &to, &room);
		int why = errno;
		buf_add(out, chunk, sizeof(chunk) - room);
		if (rc != (size_t)-1 || why == E2BIG)
			continue;
		if (why == EINVAL && left < MIME_CHARSET_HELD_MAX)
			break;
		buf_add_char(out, *from++);
		left--;
	}
	return span_make(from, left);
}

void mime_charset_feed(struct mime_charset *c, struct span in, struct buf *out)
{
	if (!c->cd) {
		buf_add_span(out, in);
		return;
	}
	/* Byte by byte until nothing is held: seldom more than one.  What iconv() makes of a damaged shifted sequence of UTF-7
	 * depends on where the text was cut: it is given all of it byte by byte. */
	while ((c->held_n || c->bytewise) && in.len) {
		c->held[c->held_n++] = in.ptr[0];
		in = span_after(in, 1);
		struct span rest = convert(c, span_make(c->held, c->held_n), out);
		memmove(c->held, rest.ptr, rest.len);
		c->held_n = rest.len;
	}
	if (!in.len)
		return;
	struct span rest = convert(c, in, out);
	memcpy(c->held, rest.ptr, rest.len);
	c->held_n = rest.len;
}

void mime_charset_end(struct mime_charset *c, struct buf *out)
{
	buf_add(out, c->held, c->held_n);
	c->held_n = 0;
	if (c->cd)
		iconv(c->cd, NULL, NULL, NULL, NULL);
}
