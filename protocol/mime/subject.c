#include "protocol/mime/subject.h"

#include "protocol/mime/header.h"
#include "protocol/mime/words.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span skip_blanks(struct span s)
{
	while (s.len && is_blank(s.ptr[0]))
		s = span_after(s, 1);
	return s;
}

static bool starts_with(struct span s, const char *text)
{
	size_t n = strlen(text);
	return s.len >= n && strncasecmp(s.ptr, text, n) == 0;
}

/* Step 1, but for the encoded-words: tabs are spaces, and one space is enough. */
static void squeeze(struct span s, struct buf *out)
{
	bool gap = false;
	for (size_t i = 0; i < s.len; i++) {
		if (mime_is_space(s.ptr[i])) {
			gap = true;
			continue;
		}
		if (gap)
			buf_add_char(out, ' ');
		gap = false;
		buf_add_char(out, s.ptr[i]);
	}
}

/* Step 2: subj-trailer = "(fwd)" / WSP */
static bool strip_trailers(struct span *s)
{
	bool fwd = false;
	for (;;) {
		if (s->len && is_blank(s->ptr[s->len - 1])) {
			s->len--;
		} else if (s->len >= 5 && strncasecmp(s->ptr + s->len - 5, "(fwd)", 5) == 0) {
			s->len -= 5;
			fwd = true;
		} else {
			return fwd;
		}
	}
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP at the front; behind it, or `s` itself when there is none. */
static struct span behind_blob(struct span s)
{
	size_t n = 1;
	if (!s.len || s.ptr[0] != '[')
		return s;
	while (n < s.len && s.ptr[n] != '[' && s.ptr[n] != ']')
		n++;
	return n < s.len && s.ptr[n] == ']' ? skip_blanks(span_after(s, n + 1)) : s;
}

/* subj-leader = (*subj-blob subj-refwd) / WSP, where subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool strip_refwd(struct span *s)
{
	struct span at = *s;
	for (struct span next = behind_blob(at); next.ptr != at.ptr; next = behind_blob(at))
		at = next;
	if (starts_with(at, "fwd"))
		at = span_after(at, 3);
	else if (starts_with(at, "re") || starts_with(at, "fw"))
		at = span_after(at, 2);
	else
		return false;
	at = behind_blob(skip_blanks(at));
	if (!at.len || at.ptr[0] != ':')
		return false;
	*s = span_after(at, 1);
	return true;
}

/* Steps 3 to 5. */
static bool strip_leaders(struct span *s)
{
	bool reply = false;
	for (;;) {
		*s = skip_blanks(*s);
		if (strip_refwd(s)) {
			reply = true;
			continue;
		}
		struct span rest = behind_blob(*s);
		if (rest.ptr == s->ptr || !rest.len)
			return reply;
		*s = rest;
	}
}

bool mime_base_subject(struct span raw, struct buf *out)
{
	struct buf unfolded, decoded, line;
	bool reply = false;
	buf_init(&unfolded, SIZE_MAX); /* all bounded by the header */
	buf_init(&decoded, SIZE_MAX);
	buf_init(&line, SIZE_MAX);
	mime_words_decode(mime_unfold(raw, &unfolded), &decoded);
	squeeze(buf_span(&decoded), &line);
	struct span s = buf_span(&line);
	for (;;) {
		reply = strip_trailers(&s) || reply;
		reply = strip_leaders(&s) || reply;
		/* Step 6. */
		if (!starts_with(s, "[fwd:") || s.ptr[s.len - 1] != ']')
			break;
		s = span_make(s.ptr + 5, s.len - 6);
		reply = true;
	}
	buf_add_span(out, s);
	buf_finish(&unfolded);
	buf_finish(&decoded);
	buf_finish(&line);
	return reply;
}
