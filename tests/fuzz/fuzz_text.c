/*
 * What SEARCH reads, from any octets: the first byte chooses an encoding and a charset, the second a needle; the rest is
 * a body.  Decoding in pieces gives what decoding at once gives, a search finds exactly what is in the decoded text,
 * an index would have named the message for it, and headers are read without harm.
 */
#include "tests/fuzz/fuzz.h"

#include "protocol/mime/date.h"
#include "protocol/mime/grams.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/search.h"
#include "protocol/mime/words.h"
#include "protocol/utf8.h"

static const char *const charsets[] = {"", "utf-8", "iso-8859-1", "iso-2022-jp", "shift_jis", "gb2312", "euc-kr", "utf-7",
				       "utf-16", "koi8-r", "big5", "x-none"};

/* All stages in pieces of `step` bytes. */
static void decode(enum mime_encoding encoding, const char *charset, struct span in, size_t step, struct buf *out)
{
	struct mime_decoder decoder;
	struct mime_charset converter;
	struct mime_folder folder = {0};
	struct buf raw, utf8;
	buf_init(&raw, SIZE_MAX);
	buf_init(&utf8, SIZE_MAX);
	mime_decoder_init(&decoder, encoding);
	mime_charset_open(&converter, span_of(charset));
	for (bool last = false; !last; in = span_after(in, step)) {
		last = in.len <= step;
		buf_reset(&raw);
		buf_reset(&utf8);
		mime_decoder_feed(&decoder, span_make(in.ptr, last ? in.len : step), &raw);
		if (last)
			mime_decoder_end(&decoder, &raw);
		mime_charset_feed(&converter, buf_span(&raw), &utf8);
		if (last)
			mime_charset_end(&converter, &utf8);
		mime_folder_feed(&folder, buf_span(&utf8), out);
		if (last)
			mime_folder_end(&folder, out);
	}
	mime_charset_close(&converter);
	buf_finish(&raw);
	buf_finish(&utf8);
}

static bool search(struct span message, struct span needle)
{
	struct mime_parser *p = mime_parser_create();
	struct mime_search s;
	uint32_t offset, len;
	mime_parser_feed(p, message);
	mime_search_init(&s, buf_span(&mime_parser_end(p)->parts), needle, MIME_SEARCH_BODY);
	while (!s.found && mime_search_next(&s, &offset, &len)) {
		invariant((uint64_t)offset + len <= message.len);
		mime_search_feed(&s, span_make(message.ptr + offset, len));
	}
	bool found = s.found;
	mime_search_finish(&s);
	mime_parser_destroy(p);
	return found;
}

/* What is found in the message has its grams among the message's. */
static void check_grams(struct span message, struct span needle)
{
	struct mime_parser *p = mime_parser_create();
	struct mime_strings s;
	struct mime_grams all;
	uint32_t offset, len;
	mime_grams_init(&all);
	mime_parser_feed(p, message);
	mime_strings_init(&s, buf_span(&mime_parser_end(p)->parts), MIME_SEARCH_BODY, mime_grams_take, &all);
	while (mime_strings_next(&s, &offset, &len) && mime_strings_feed(&s, span_make(message.ptr + offset, len)))
		;
	size_t n = all.n;
	mime_grams_take(&all, MIME_STREAM_AS_IS, needle, false); /* the text may go on where the needle ends */
	invariant(all.full || all.n == n);
	mime_strings_finish(&s);
	mime_parser_destroy(p);
	mime_grams_finish(&all);
}

static void check_search(enum mime_encoding encoding, const char *charset, struct span body, struct span text,
			 uint8_t choice)
{
	static const char *const names[] = {"8bit", "base64", "quoted-printable"};
	struct buf message, needle;
	buf_init(&message, SIZE_MAX);
	buf_init(&needle, SIZE_MAX);
	buf_printf(&message, "Content-Type: text/plain; charset=\"%s\"\r\nContent-Transfer-Encoding: %s\r\n\r\n", charset,
		   names[encoding]);
	buf_add_span(&message, body);
	if (text.len) {
		size_t at = choice % text.len, len = 1 + choice % 7;
		buf_add(&needle, text.ptr + at, text.len - at < len ? text.len - at : len);
		invariant(search(buf_span(&message), buf_span(&needle)));
		if (utf8_is_valid(buf_span(&needle)))
			check_grams(buf_span(&message), buf_span(&needle));
		buf_add_char(&needle, (char)choice);
		bool there = memmem(text.ptr, text.len, needle.data, needle.len) != NULL;
		invariant(search(buf_span(&message), buf_span(&needle)) == there);
	}
	buf_finish(&message);
	buf_finish(&needle);
}

static void read_header(struct span text)
{
	struct buf out;
	struct mime_date date;
	buf_init(&out, SIZE_MAX);
	mime_words_decode(text, &out);
	if (mime_date_read(text, &date))
		invariant(date.utc_s / 86400 - date.day <= 1 && date.day - date.utc_s / 86400 <= 1);
	mime_header_contains(text, span_make(NULL, 0), span_of("NO SUCH"));
	buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	enum mime_encoding encoding = (enum mime_encoding)(data[0] % 3);
	const char *charset = charsets[data[0] / 3 % countof(charsets)];
	struct span body = span_make((const char *)data + 2, size - 2);
	struct buf whole, cut;
	buf_init(&whole, SIZE_MAX);
	buf_init(&cut, SIZE_MAX);
	decode(encoding, charset, body, size, &whole);
	decode(encoding, charset, body, 1 + data[1] % 5, &cut);
	invariant(span_equal(buf_span(&whole), buf_span(&cut)));
	check_search(encoding, charset, body, buf_span(&whole), data[1]);
	read_header(body);
	buf_finish(&whole);
	buf_finish(&cut);
	return 0;
}
