#include "protocol/mime/words.h"

#include "protocol/mime/charset.h"
#include "protocol/mime/decode.h"
#include "protocol/mime/header.h"

struct word {
	struct span charset; /* without RFC 2231's language */
	struct span text;
	char encoding;
	size_t len;          /* of the whole word; 0: there is none */
};

/* Words of one charset that follow one another. */
struct run {
	struct span charset;
	struct span written; /* as they stand, for the case that they cannot be read */
	struct buf bytes;
};

/* =?charset?B|Q?text?= at the front of s. */
static struct word word_at(struct span s)
{
	struct word w = {0};
	if (s.len < 8 || s.ptr[0] != '=' || s.ptr[1] != '?')
		return w;
	const char *end = s.ptr + s.len, *charset = s.ptr + 2;
	const char *q = memchr(charset, '?', (size_t)(end - charset));
	if (!q || q == charset || end - q < 5 || q[2] != '?')
		return w;
	const char *text = q + 3, *close = memchr(text, '?', (size_t)(end - text));
	if (!close || close + 1 == end || close[1] != '=')
		return w;
	const char *star = memchr(charset, '*', (size_t)(q - charset));
	w.charset = span_make(charset, (size_t)((star ? star : q) - charset));
	w.text = span_make(text, (size_t)(close - text));
	w.encoding = (char)(q[1] & ~0x20);
	for (const char *c = charset; c < q; c++)
		if (mime_is_space(*c))
			return w;
	w.len = (size_t)(close + 2 - s.ptr);
	return w;
}

static bool decode(const struct word *w, struct buf *out)
{
	size_t before = out->len;
	bool ok = w->encoding == 'B' ? mime_decode_b(w->text, out) : (w->encoding == 'Q' && mime_decode_q(w->text, out));
	if (!ok)
		out->len = before;
	return ok;
}

/* Gives out what was joined. */
static void end_run(struct run *r, struct buf *out)
{
	struct mime_charset c;
	if (!r->written.len)
		return;
	if (mime_charset_open(&c, r->charset)) {
		mime_charset_feed(&c, buf_span(&r->bytes), out);
		mime_charset_end(&c, out);
	} else {
		buf_add_span(out, r->written);
	}
	mime_charset_close(&c);
	buf_reset(&r->bytes);
	r->written.len = 0;
}

void mime_words_decode(struct span s, struct buf *out)
{
	struct run r = {.written = {s.ptr, 0}};
	buf_init(&r.bytes, SIZE_MAX); /* less than the value has */
	while (s.len) {
		struct span at = s;
		while (r.written.len && at.len && mime_is_space(at.ptr[0]))
			at = span_after(at, 1);
		struct word w = word_at(at);
		bool joins = r.written.len && span_iequal(w.charset, r.charset);
		if (w.len && !joins)
			end_run(&r, out);
		if (w.len && decode(&w, &r.bytes)) {
			if (!joins)
				r.written = span_make(at.ptr, 0);
			r.charset = w.charset;
			s = span_after(at, w.len);
			r.written.len = (size_t)(s.ptr - r.written.ptr);
			continue;
		}
		end_run(&r, out);
		const char *next = s.len > 1 ? memchr(s.ptr + 1, '=', s.len - 1) : NULL;
		size_t n = next ? (size_t)(next - s.ptr) : s.len;
		buf_add(out, s.ptr, n);
		s = span_after(s, n);
	}
	end_run(&r, out);
	buf_finish(&r.bytes);
}
