#include "protocol/mime/decode.h"

/* The value of each character, or what else it is: junk, padding. */
enum { XX = 64, PD = 65 };

static const unsigned char base64_values[256] = {
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX, XX, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, PD, XX, XX,
	XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, XX,
	XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
};

static unsigned base64_value(char c)
{
	return base64_values[(unsigned char)c];
}

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
	d->encoding = encoding;
	d->bits = 0;
	d->bits_n = 0;
	d->done = false;
	d->held_n = 0;
}

/* Groups of four, as long as nothing else comes between.  Returns how many bytes of `in` they were. */
static size_t feed_groups(struct span in, char *to)
{
	size_t i = 0;
	for (; i + 4 <= in.len; i += 4, to += 3) {
		unsigned a = base64_value(in.ptr[i]), b = base64_value(in.ptr[i + 1]);
		unsigned c = base64_value(in.ptr[i + 2]), d = base64_value(in.ptr[i + 3]);
		if ((a | b | c | d) >= XX)
			break;
		unsigned v = a << 18 | b << 12 | c << 6 | d;
		to[0] = (char)(v >> 16 & 0xff);
		to[1] = (char)(v >> 8 & 0xff);
		to[2] = (char)(v & 0xff);
	}
	return i;
}

/* What is no base64 character is passed over, line ends above all. */
static void feed_base64(struct mime_decoder *d, struct span in, struct buf *out)
{
	char *to = buf_reserve(out, in.len);
	size_t n = 0;
	for (size_t i = 0; to && i < in.len && !d->done;) {
		if (d->bits_n == 0) {
			size_t taken = feed_groups(span_after(in, i), to + n);
			i += taken;
			n += taken / 4 * 3;
			if (i == in.len)
				break;
		}
		unsigned v = base64_value(in.ptr[i++]);
		d->done = v == PD;
		if (v >= XX)
			continue;
		d->bits = d->bits << 6 | v;
		d->bits_n += 6;
		if (d->bits_n >= 8) {
			d->bits_n -= 8;
			to[n++] = (char)(d->bits >> d->bits_n & 0xff);
		}
	}
	out->len += n;
}

static void release(struct mime_decoder *d, struct buf *out)
{
	buf_add(out, d->held, d->held_n);
	d->held_n = 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "=4": half an escape. */
static bool half_escape(const struct mime_decoder *d)
{
	return d->held_n == 2 && d->held[0] == '=' && hex_value(d->held[1]) >= 0;
}

/* Byte c comes behind held bytes.  True when it has been dealt with; false when nothing is held any more and it stands for
 * itself. */
static bool take_held(struct mime_decoder *d, char c, struct buf *out)
{
	bool escape = d->held[0] == '=', half = half_escape(d);
	char last = d->held[d->held_n - 1];
	if (half && hex_value(c) >= 0) {
		buf_add_char(out, (char)(hex_value(last) << 4 | hex_value(c)));
		d->held_n = 0;
		return true;
	}
	if (!half && c == '\n') {
		/* A soft line break, or white space at the end of a line: gone (RFC 2045 6.7 (5), (3)). */
		if (!escape)
			buf_add_text(out, last == '\r' ? "\r\n" : "\n");
		d->held_n = 0;
		return true;
	}
	bool goes_on = !half && last != '\r' && (is_blank(c) || c == '\r');
	bool first_digit = escape && d->held_n == 1 && hex_value(c) >= 0;
	if ((goes_on || first_digit) && d->held_n < MIME_DECODE_HELD_MAX) {
		d->held[d->held_n++] = c;
		return true;
	}
	release(d, out);
	return false;
}

static void feed_qp(struct mime_decoder *d, struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len;) {
		size_t n = i;
		if (d->held_n && take_held(d, in.ptr[i], out)) {
			i++;
			continue;
		}
		while (n < in.len && in.ptr[n] != '=' && !is_blank(in.ptr[n]))
			n++;
		buf_add(out, in.ptr + i, n - i);
		if (n < in.len)
			d->held[d->held_n++] = in.ptr[n++];
		i = n;
	}
}

void mime_decoder_feed(struct mime_decoder *d, struct span in, struct buf *out)
{
	if (d->encoding == MIME_BASE64)
		feed_base64(d, in, out);
	else if (d->encoding == MIME_QP)
		feed_qp(d, in, out);
	else
		buf_add_span(out, in);
}

void mime_decoder_end(struct mime_decoder *d, struct buf *out)
{
	/* Without its line end, the last line still ends here. */
	if (half_escape(d))
		release(d, out);
	d->held_n = 0;
}

bool mime_decode_b(struct span text, struct buf *out)
{
	struct mime_decoder d;
	size_t pad = text.len;
	while (pad > 0 && text.len - pad < 2 && text.ptr[pad - 1] == '=')
		pad--;
	for (size_t i = 0; i < pad; i++)
		if (base64_value(text.ptr[i]) >= XX)
			return false;
	mime_decoder_init(&d, MIME_BASE64);
	mime_decoder_feed(&d, span_make(text.ptr, pad), out);
	return true;
}

bool mime_decode_q(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == ' ' || c == '\t')
			return false;
		if (c == '=') {
			int hi = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
			int lo = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		buf_add_char(out, c);
	}
	return true;
}

void mime_decode_percent(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		int hi = c == '%' && i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
		int lo = hi >= 0 ? hex_value(text.ptr[i + 2]) : -1;
		if (lo >= 0) {
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		buf_add_char(out, c);
	}
}
