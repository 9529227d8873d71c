#include "protocol/mime/nstring.h"

enum { TOKEN_MAX = 255 };

static struct span clipped(struct span s)
{
	if (s.len <= MIME_VALUE_MAX)
		return s;
	s.len = MIME_VALUE_MAX;
	while (s.len > MIME_VALUE_MAX - 4 && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

static void literal(struct buf *out, struct span s)
{
	buf_add_char(out, '{');
	buf_add_u64(out, s.len);
	buf_add_text(out, "}\r\n");
	char *to = s.len ? buf_reserve(out, s.len) : NULL;
	if (!to)
		return;
	for (size_t i = 0; i < s.len; i++)
		to[i] = s.ptr[i] ? s.ptr[i] : '?';
	out->len += s.len;
}

void mime_nstring(struct buf *out, struct span s)
{
	if (!s.ptr) {
		buf_add_text(out, "NIL");
		return;
	}
	s = clipped(s);
	size_t escapes = 0;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c >= 0x80 || c == '\r' || c == '\n' || c == '\0') {
			literal(out, s);
			return;
		}
		escapes += c == '"' || c == '\\';
	}
	char *to = buf_reserve(out, s.len + escapes + 2);
	if (!to)
		return;
	*to++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		if (escapes && (s.ptr[i] == '"' || s.ptr[i] == '\\'))
			*to++ = '\\';
		*to++ = s.ptr[i];
	}
	*to = '"';
	out->len += s.len + escapes + 2;
}

void mime_upper(struct buf *out, struct span token)
{
	size_t n = token.len < TOKEN_MAX ? token.len : TOKEN_MAX;
	char *to = buf_reserve(out, n + 2);
	if (!to)
		return;
	*to++ = '"';
	for (size_t i = 0; i < n; i++)
		*to++ = (char)(token.ptr[i] >= 'a' && token.ptr[i] <= 'z' ? token.ptr[i] - 32 : token.ptr[i]);
	*to = '"';
	out->len += n + 2;
}
