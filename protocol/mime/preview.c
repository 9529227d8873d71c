#include "protocol/mime/preview.h"

#include <utf8proc.h>

enum { STEP = 4096, REPEATS_MAX = 3, BEHIND_DASHES = 4 };

void mime_preview_init(struct mime_preview *p)
{
	*p = (struct mime_preview){0};
	buf_init(&p->text, MIME_PREVIEW_CHARS * 4);
	buf_init(&p->raw, SIZE_MAX); /* both bounded by a step */
	buf_init(&p->utf8, SIZE_MAX);
}

void mime_preview_finish(struct mime_preview *p)
{
	mime_charset_close(&p->charset);
	buf_finish(&p->text);
	buf_finish(&p->raw);
	buf_finish(&p->utf8);
}

void mime_preview_begin(struct mime_preview *p, const struct mime_part *part)
{
	if (p->chars)
		return;
	p->open = true;
	p->html = part->media == MIME_HTML;
	p->gap = p->quoted = false;
	p->taken = p->line = 0;
	p->last = 0;
	p->repeats = 0;
	p->stripper = (struct mime_html){0};
	buf_reset(&p->utf8);
	mime_decoder_init(&p->decoder, part->encoding);
	mime_charset_close(&p->charset);
	mime_charset_open(&p->charset, part->charset);
}

static bool is_blank(int32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* What shows nothing: controls, directions, and the fillers by which newsletters push text out of previews. */
static bool is_invisible(int32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x34f || c == 0x61c || c == 0x180e ||
	       c == 0x200b || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static void emit(struct mime_preview *p, int32_t c)
{
	utf8proc_uint8_t utf8[4];
	bool joiner = c == 0x200c || c == 0x200d;
	if (is_blank(c)) {
		p->gap = true;
		return;
	}
	if (is_invisible(c) || (joiner && (p->gap || !p->chars)) || !p->open)
		return;
	/* A ruler is said in three characters. */
	p->repeats = c == p->last && !p->gap ? p->repeats + 1 : 0;
	p->last = c;
	if (p->repeats >= REPEATS_MAX && c < 0x80 && strchr("-=_*~#.+", (char)c))
		return;
	if (p->gap && p->chars) {
		buf_add_char(&p->text, ' ');
		p->chars++;
	}
	p->gap = false;
	if (p->chars < MIME_PREVIEW_CHARS) {
		buf_add(&p->text, utf8, (size_t)utf8proc_encode_char(c, utf8));
		p->chars++;
	}
	p->open = p->chars < MIME_PREVIEW_CHARS;
}

/* Plain text: without quoted lines, and no further than "-- ", where signatures begin. */
static void next_plain(struct mime_preview *p, int32_t c)
{
	static const char mark[] = "-- ";
	bool ends_line = c == '\n' || c == '\r';
	if (p->line < 3 && c == mark[p->line]) {
		p->line++;
		return;
	}
	if (p->line == 3 && ends_line) {
		p->open = false;
		return;
	}
	if (p->line == 0 && !ends_line && is_blank(c)) {
		p->gap = true;
		return;
	}
	if (p->line == 0 && c == '>')
		p->quoted = true;
	for (size_t i = 0; p->line < BEHIND_DASHES && i < p->line; i++)
		emit(p, mark[i]);
	p->line = ends_line ? 0 : BEHIND_DASHES;
	if (!p->quoted || ends_line)
		emit(p, c);
	p->quoted = p->quoted && !ends_line;
}

static void next_char(struct mime_preview *p, int32_t c)
{
	int32_t out[MIME_HTML_OUT];
	if (!p->html) {
		next_plain(p, c);
		return;
	}
	size_t n = mime_html_next(&p->stripper, c == '\n' || c == '\r' || c == '\t' ? ' ' : c, out);
	for (size_t i = 0; i < n; i++)
		emit(p, out[i]);
}

/* The characters in p->utf8; the beginning of one stays there for the next call, unless this is `all`. */
static void take_chars(struct mime_preview *p, bool all)
{
	size_t at = 0;
	while (at < p->utf8.len && p->open) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p->utf8.data + at,
						      (utf8proc_ssize_t)(p->utf8.len - at), &c);
		if (n <= 0 && !all && p->utf8.len - at < 4)
			break;
		if (n > 0)
			next_char(p, c);
		at += n > 0 ? (size_t)n : 1; /* octets that are no text have no preview */
	}
	buf_drop(&p->utf8, at);
}

void mime_preview_feed(struct mime_preview *p, struct span bytes)
{
	while (p->open && bytes.len) {
		/* Not a byte further, so that the cuts of the message do not matter. */
		size_t left = MIME_PREVIEW_READ_MAX - p->taken, most = left < STEP ? left : STEP;
		size_t n = bytes.len < most ? bytes.len : most;
		buf_reset(&p->raw);
		mime_decoder_feed(&p->decoder, span_make(bytes.ptr, n), &p->raw);
		mime_charset_feed(&p->charset, buf_span(&p->raw), &p->utf8);
		take_chars(p, false);
		bytes = span_after(bytes, n);
		p->taken += n;
		p->open = p->open && p->taken < MIME_PREVIEW_READ_MAX;
	}
}

void mime_preview_end(struct mime_preview *p)
{
	if (p->open) {
		buf_reset(&p->raw);
		mime_decoder_end(&p->decoder, &p->raw);
		mime_charset_feed(&p->charset, buf_span(&p->raw), &p->utf8);
		mime_charset_end(&p->charset, &p->utf8);
		take_chars(p, true);
	}
	p->open = false;
}
