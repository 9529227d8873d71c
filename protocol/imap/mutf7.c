#include "protocol/imap/mutf7.h"

#include <utf8proc.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

enum { REPLACEMENT = 0xfffd };

static bool is_printable_ascii(uint32_t point)
{
	return point >= 0x20 && point < 0x7f;
}

static bool is_high(uint32_t unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(uint32_t unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

static void add_point(struct buf *out, uint32_t point)
{
	utf8proc_uint8_t bytes[4];
	buf_add(out, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)point, bytes));
}

/* One UTF-16 unit; *high is the first half of a surrogate pair that waits for its second. */
static bool add_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
	if (*high) {
		if (!is_low(unit))
			return false;
		add_point(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return true;
	}
	if (is_low(unit) || is_printable_ascii(unit))
		return false;
	if (is_high(unit))
		*high = unit;
	else
		add_point(out, unit);
	return true;
}

/* One shifted run, from behind its '&'; *at is left on its '-'. */
static bool decode_shift(struct span s, size_t *at, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned n = 0;
	bool any = false;
	for (; *at < s.len && s.ptr[*at] != '-'; ++*at) {
		const char *c = s.ptr[*at] ? strchr(alphabet, s.ptr[*at]) : NULL;
		if (!c)
			return false;
		bits = (bits << 6 | (uint32_t)(c - alphabet)) & 0xfffff; /* never more than 20 bits wait */
		n += 6;
		if (n < 16)
			continue;
		n -= 16;
		any = true;
		if (!add_unit(out, bits >> n & 0xffff, &high))
			return false;
	}
	bool padding_ok = n < 6 && (bits & ((1u << n) - 1)) == 0;
	return *at < s.len && any && padding_ok && !high;
}

bool mutf7_decode(struct span wire, struct buf *out)
{
	bool was_shift = false;
	for (size_t at = 0; at < wire.len; at++) {
		char c = wire.ptr[at];
		if (c != '&') {
			buf_add_char(out, c);
			was_shift = false;
		} else if (at + 1 < wire.len && wire.ptr[at + 1] == '-') {
			buf_add_char(out, '&');
			was_shift = false;
			at++;
		} else {
			at++;
			if (was_shift || !decode_shift(wire, &at, out))
				return false;
			was_shift = true;
		}
	}
	return !out->failed;
}

/* The bits of a run that is being written. */
struct shift {
	bool open;
	uint32_t bits;
	unsigned n;
};

static void encode_unit(struct shift *s, uint32_t unit, struct buf *out)
{
	if (!s->open)
		buf_add_char(out, '&');
	s->open = true;
	s->bits = s->bits << 16 | unit;
	for (s->n += 16; s->n >= 6; s->n -= 6)
		buf_add_char(out, alphabet[s->bits >> (s->n - 6) & 63]);
	s->bits &= (1u << s->n) - 1;
}

static void close_shift(struct shift *s, struct buf *out)
{
	if (!s->open)
		return;
	if (s->n)
		buf_add_char(out, alphabet[s->bits << (6 - s->n) & 63]);
	buf_add_char(out, '-');
	*s = (struct shift){0};
}

void mutf7_encode(struct span utf8, struct buf *out)
{
	struct shift shift = {0};
	for (size_t at = 0; at < utf8.len;) {
		utf8proc_int32_t decoded;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)utf8.ptr + at,
						      (utf8proc_ssize_t)(utf8.len - at), &decoded);
		uint32_t point = n > 0 ? (uint32_t)decoded : REPLACEMENT;
		at += n > 0 ? (size_t)n : 1;
		if (is_printable_ascii(point)) {
			close_shift(&shift, out);
			buf_add_char(out, (char)point);
			if (point == '&')
				buf_add_char(out, '-');
		} else if (point > 0xffff) {
			encode_unit(&shift, 0xd800 + ((point - 0x10000) >> 10), out);
			encode_unit(&shift, 0xdc00 + ((point - 0x10000) & 0x3ff), out);
		} else {
			encode_unit(&shift, point, out);
		}
	}
	close_shift(&shift, out);
}
