#include "protocol/mime/text.h"

#include <utf8proc.h>

enum { WINDOW_MIN = 65536, DECOMPOSED_MAX = 32 };

static void fold_point(utf8proc_int32_t point, struct buf *out)
{
	utf8proc_int32_t to[DECOMPOSED_MAX];
	utf8proc_uint8_t utf8[4];
	int boundary = 0;
	utf8proc_ssize_t n = utf8proc_decompose_char(utf8proc_totitle(point), to, DECOMPOSED_MAX,
						     UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
	for (utf8proc_ssize_t i = 0; i < n && i < DECOMPOSED_MAX; i++)
		buf_add(out, utf8, (size_t)utf8proc_encode_char(to[i], utf8));
}

/* How many bytes the character that starts with c has; 1 for what cannot start one. */
static size_t sequence_len(unsigned char c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 1;
}

/* The character, or the odd octet, at the front of `s`, which holds all of it. */
static size_t fold_one(struct span s, struct buf *out)
{
	utf8proc_int32_t point;
	utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, &point);
	if (n <= 0) {
		buf_add_char(out, s.ptr[0]);
		return 1;
	}
	fold_point(point, out);
	return (size_t)n;
}

/* Eight octets at once: false when one is no ASCII. */
static bool fold_eight(const char *from, char *to)
{
	const uint64_t each = 0x0101010101010101;
	uint64_t v;
	memcpy(&v, from, sizeof(v));
	if (v & each * 0x80)
		return false;
	/* The highest bit of each octet from 'a' on, and from behind 'z' on: lower case between them. */
	uint64_t from_a = v + each * (0x80 - 'a'), behind_z = v + each * (0x80 - 'z' - 1);
	v -= ((from_a & ~behind_z & each * 0x80) >> 2);
	memcpy(to, &v, sizeof(v));
	return true;
}

static size_t fold_ascii(struct span s, struct buf *out)
{
	size_t n = 0;
	char *to = buf_reserve(out, s.len);
	if (!to)
		return s.len;
	while (s.len - n >= 8 && fold_eight(s.ptr + n, to + n))
		n += 8;
	for (; n < s.len && (unsigned char)s.ptr[n] < 0x80; n++)
		to[n] = (char)(s.ptr[n] >= 'a' && s.ptr[n] <= 'z' ? s.ptr[n] - 32 : s.ptr[n]);
	out->len += n;
	return n;
}

/* True when the bytes so far can still become one character. */
static bool is_prefix(struct span s)
{
	size_t want = sequence_len((unsigned char)s.ptr[0]);
	for (size_t i = 1; i < s.len; i++)
		if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
			return false;
	return s.len < want;
}

void mime_folder_feed(struct mime_folder *f, struct span s, struct buf *out)
{
	while (f->held_n && s.len) {
		f->held[f->held_n++] = s.ptr[0];
		s = span_after(s, 1);
		while (f->held_n && !is_prefix(span_make(f->held, f->held_n))) {
			size_t n = fold_one(span_make(f->held, f->held_n), out);
			f->held_n -= n;
			memmove(f->held, f->held + n, f->held_n);
		}
	}
	while (s.len) {
		s = span_after(s, fold_ascii(s, out));
		if (s.len && s.len < sizeof(f->held) && is_prefix(s)) {
			memcpy(f->held, s.ptr, s.len);
			f->held_n = s.len;
			return;
		}
		if (s.len)
			s = span_after(s, fold_one(s, out));
	}
}

void mime_folder_end(struct mime_folder *f, struct buf *out)
{
	buf_add(out, f->held, f->held_n);
	f->held_n = 0;
}

void mime_fold(struct span utf8, struct buf *out)
{
	struct mime_folder f = {0};
	mime_folder_feed(&f, utf8, out);
	mime_folder_end(&f, out);
}

bool mime_is_accent(int32_t c)
{
	if (c < 0x300)
		return false;
	utf8proc_category_t category = utf8proc_category(c);
	return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
}

void mime_matcher_init(struct mime_matcher *m, struct span needle)
{
	*m = (struct mime_matcher){.needle = needle, .found = needle.len == 0};
	buf_init(&m->window, SIZE_MAX); /* emptied at twice the needle */
}

void mime_matcher_finish(struct mime_matcher *m)
{
	buf_finish(&m->window);
}

struct buf *mime_matcher_room(struct mime_matcher *m)
{
	return &m->window;
}

bool mime_matcher_look(struct mime_matcher *m, bool all)
{
	struct buf *w = &m->window;
	size_t worth = m->needle.len * 2 > WINDOW_MIN ? m->needle.len * 2 : WINDOW_MIN;
	if (m->found || (!all && w->len < worth))
		return m->found;
	m->found = w->len >= m->needle.len && memmem(w->data, w->len, m->needle.ptr, m->needle.len);
	size_t keep = all ? 0 : (m->needle.len - 1 < w->len ? m->needle.len - 1 : w->len);
	buf_drop(w, w->len - keep);
	return m->found;
}
