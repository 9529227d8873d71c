#include "protocol/mime/fuzzy.h"

#include "protocol/mime/text.h"

#include <utf8proc.h>

/* A window is looked through when it is this full; its end is kept, for words that go on in the next piece. */
enum { WINDOW = 16384, KEEP = 2 * MIME_FUZZY_WORD_BYTES };

/* A score is made of three: 1 to 40 for the place, up to 30 for closeness, up to 30 for how often (RFC 6203 4: the whole
 * range should be used).  A field says by itself where, and seldom says anything twice. */
enum { POINTS_CLOSE = 30, POINTS_EACH = 5, SEEN_MAX = 7, WORD_CHARS = 64 };

static const unsigned place_points[] = {[MIME_FUZZY_BODY] = 1, [MIME_FUZZY_HEADER] = 25, [MIME_FUZZY_SUBJECT] = 40,
					[MIME_FUZZY_FIELD] = 70};

/* ---- characters ---- */

/* The character at the front; 0 for what is none.  *len: its octets. */
static int32_t read_point(struct span s, size_t *len)
{
	utf8proc_int32_t c = (unsigned char)s.ptr[0];
	*len = 1;
	if (c < 0x80)
		return c;
	utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, &c);
	if (n <= 0)
		return 0;
	*len = (size_t)n;
	return c;
}

static bool is_word(int32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
	utf8proc_category_t category = utf8proc_category(c);
	return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO; /* letters, marks, numbers */
}

/* Thai and Lao, Myanmar, Khmer, kana and Han: no spaces between words. */
static bool is_unspaced(int32_t c)
{
	return (c >= 0x0e00 && c < 0x0f00) || (c >= 0x1000 && c < 0x10a0) || (c >= 0x1780 && c < 0x1800) ||
	       (c >= 0x3040 && c < 0x3130) || (c >= 0x31f0 && c < 0xa000) || (c >= 0xf900 && c < 0xfb00) ||
	       (c >= 0xff66 && c < 0xffa0) || (c >= 0x20000 && c < 0x40000);
}

static void add_plain(struct span folded, struct buf *out)
{
	size_t len;
	for (size_t at = 0; at < folded.len; at += len) {
		size_t ascii = at;
		while (ascii < folded.len && (unsigned char)folded.ptr[ascii] < 0x80)
			ascii++;
		buf_add(out, folded.ptr + at, ascii - at);
		at = ascii;
		if (at == folded.len)
			return;
		struct span rest = span_after(folded, at);
		if (!mime_is_accent(read_point(rest, &len)))
			buf_add(out, rest.ptr, len);
	}
}

/* ---- what is asked for ---- */

void mime_fuzzy_words(struct span folded, struct buf *out)
{
	struct buf plain;
	size_t len, words = 0, word = 0;
	buf_init(&plain, SIZE_MAX); /* as large as what is asked for */
	add_plain(folded, &plain);
	for (size_t at = 0; at < plain.len && words <= MIME_FUZZY_WORDS; at += len) {
		struct span rest = span_after(buf_span(&plain), at);
		if (!is_word(read_point(rest, &len))) {
			word = 0;
			continue;
		}
		words += word == 0;
		if (words > MIME_FUZZY_WORDS)
			break;
		if (word == 0 && out->len)
			buf_add_char(out, '\0');
		if (word + len <= MIME_FUZZY_WORD_BYTES)
			buf_add(out, rest.ptr, len);
		word += len;
	}
	buf_finish(&plain);
}

void mime_fuzzy_init(struct mime_fuzzy *f, struct span words, bool scored)
{
	*f = (struct mime_fuzzy){.scored = scored};
	for (struct span rest = words; rest.len && f->n < MIME_FUZZY_WORDS;) {
		const char *end = memchr(rest.ptr, '\0', rest.len);
		size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
		f->words[f->n++].word = span_make(rest.ptr, len);
		rest = span_after(rest, end ? len + 1 : len);
	}
	f->missing = f->n;
	for (size_t i = 0; i < MIME_STREAMS; i++)
		buf_init(&f->windows[i].text, SIZE_MAX); /* emptied at WINDOW */
}

void mime_fuzzy_finish(struct mime_fuzzy *f)
{
	for (size_t i = 0; i < MIME_STREAMS; i++)
		buf_finish(&f->windows[i].text);
}

/* ---- looking ---- */

/* The character that ends before `at`. */
static int32_t point_before(const struct mime_fuzzy_window *w, size_t at)
{
	size_t begin = at, len;
	if (at == 0)
		return w->before;
	do
		begin--;
	while (begin > 0 && at - begin < 4 && ((unsigned char)w->text.data[begin] & 0xc0) == 0x80);
	int32_t c = read_point(span_make(w->text.data + begin, at - begin), &len);
	return begin + len == at ? c : 0;
}

static unsigned chars_of(struct span s)
{
	unsigned n = 0;
	for (size_t at = 0, len; at < s.len; at += len, n++)
		(void)read_point(span_after(s, at), &len);
	return n;
}

/* How close the word of the text that begins here is to the one looked for: all points when it is no longer. */
static unsigned closeness(struct span text, struct span word)
{
	unsigned chars = chars_of(word), more = 0;
	size_t len;
	for (size_t at = word.len; at < text.len && more < WORD_CHARS; at += len, more++) {
		int32_t c = read_point(span_after(text, at), &len);
		if (!is_word(c) || is_unspaced(c))
			break;
	}
	return POINTS_CLOSE * chars / (chars + more);
}

static void note(struct mime_fuzzy *f, struct mime_fuzzy_word *word, struct span text)
{
	f->missing -= word->seen == 0;
	word->seen++;
	if (!f->scored)
		return;
	unsigned close = closeness(text, word->word), place = place_points[f->place];
	word->closeness = close > word->closeness ? close : word->closeness;
	word->place = place > word->place ? place : word->place;
}

/* The word, where it begins before `below`. */
static void look_for(struct mime_fuzzy *f, const struct mime_fuzzy_window *w, struct mime_fuzzy_word *word, size_t below)
{
	struct span text = buf_span(&w->text);
	size_t len, enough = f->scored ? SEEN_MAX : 1;
	bool anywhere = is_unspaced(read_point(word->word, &len));
	for (size_t at = 0; at < below && word->seen < enough; at++) {
		const char *found = memmem(text.ptr + at, text.len - at, word->word.ptr, word->word.len);
		if (!found || (size_t)(found - text.ptr) >= below)
			return;
		at = (size_t)(found - text.ptr);
		if (anywhere || !is_word(point_before(w, at)))
			note(f, word, span_after(text, at));
	}
}

static void look(struct mime_fuzzy *f, struct mime_fuzzy_window *w, bool ends)
{
	size_t below = ends ? w->text.len : (w->text.len > KEEP ? w->text.len - KEEP : 0);
	/* Not within a character. */
	while (!ends && below > 0 && ((unsigned char)w->text.data[below] & 0xc0) == 0x80)
		below--;
	for (size_t i = 0; i < f->n && w->text.len; i++)
		look_for(f, w, &f->words[i], below);
	f->looked += below;
	w->before = ends ? 0 : point_before(w, below);
	buf_drop(&w->text, below);
}

static bool is_done(const struct mime_fuzzy *f)
{
	if (f->missing)
		return false;
	bool full = f->looked >= MIME_FUZZY_SCORED;
	for (size_t i = 0; f->scored && i < f->n && !full; i++)
		if (f->words[i].seen < SEEN_MAX)
			return false;
	return true;
}

bool mime_fuzzy_take(void *ctx, enum mime_stream stream, struct span folded, bool ends)
{
	struct mime_fuzzy *f = ctx;
	struct mime_fuzzy_window *w = &f->windows[stream];
	add_plain(folded, &w->text);
	if (ends || w->text.len >= WINDOW)
		look(f, w, ends);
	return !is_done(f);
}

unsigned mime_fuzzy_score(const struct mime_fuzzy *f)
{
	unsigned sum = 0;
	if (f->missing || f->n == 0)
		return 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct mime_fuzzy_word *w = &f->words[i];
		unsigned often = (w->seen - 1) * POINTS_EACH;
		sum += w->place + w->closeness + (w->place == place_points[MIME_FUZZY_FIELD] ? 0 : often);
	}
	unsigned score = f->scored ? sum / (unsigned)f->n : 100;
	return score > 100 ? 100 : (score ? score : 1);
}
