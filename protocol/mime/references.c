#include "protocol/mime/references.h"

#include "protocol/mime/header.h"

/* What stands between the brackets.  Folds are allowed by nobody, but are seen inside long IDs: they go. */
static bool normalise(struct span s, struct buf *out)
{
	bool quoted = false, at = false;
	buf_reset(out);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		if (c == '\\' && quoted && i + 1 < s.len)
			c = s.ptr[++i];
		if (c == '\r' || c == '\n') {
			while (i + 1 < s.len && mime_is_space(s.ptr[i + 1]))
				i++;
			continue;
		}
		if (c == ' ' || c == '\t' || c == '\0')
			return false;
		at = at || (c == '@' && !quoted && out->len > 0);
		buf_add_char(out, c);
	}
	return at && !quoted && out->len <= MIME_MESSAGE_ID_MAX && out->data[out->len - 1] != '@';
}

/* How far the ID at the front of `s` goes: to its '>', or to a '<' that begins another; s.len when neither comes. */
static size_t id_len(struct span s, bool quotes)
{
	bool quoted = false;
	size_t n = 0;
	for (; n < s.len && (quoted || (s.ptr[n] != '>' && s.ptr[n] != '<')); n++) {
		if (quotes && s.ptr[n] == '"')
			quoted = !quoted;
		else if (quoted && s.ptr[n] == '\\')
			n++;
	}
	/* A quote that is never closed is none.  Then no other quote follows, so that this happens once. */
	return n >= s.len && quoted ? id_len(s, false) : (n < s.len ? n : s.len);
}

bool mime_message_id_next(struct span *rest, struct buf *out)
{
	const char *open;
	while (rest->len && (open = memchr(rest->ptr, '<', rest->len))) {
		*rest = span_after(*rest, (size_t)(open - rest->ptr) + 1);
		size_t n = id_len(*rest, true);
		bool closed = n < rest->len && rest->ptr[n] == '>';
		struct span id = span_make(rest->ptr, n);
		*rest = span_after(*rest, closed ? n + 1 : n);
		if (closed && normalise(id, out))
			return true;
	}
	*rest = span_after(*rest, rest->len);
	return false;
}
