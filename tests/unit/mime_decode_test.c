/* Transfer encodings, charsets and encoded-words undone, the same however the bytes are cut. */
#include "protocol/mime/charset.h"
#include "protocol/mime/decode.h"
#include "protocol/mime/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void expect_span(struct span got, struct span want)
{
	if (!span_equal(got, want))
		fail_msg("got \"%.*s\", wanted \"%.*s\"", (int)got.len, got.ptr, (int)want.len, want.ptr);
}

static void expect_decoded(enum mime_encoding encoding, const char *text, const char *want)
{
	struct span in = span_of(text);
	for (size_t step = 1; step <= in.len + 1; step++) {
		struct mime_decoder d;
		struct buf out;
		buf_init(&out, 1 << 16);
		mime_decoder_init(&d, encoding);
		for (size_t at = 0; at < in.len; at += step)
			mime_decoder_feed(&d, span_make(in.ptr + at, in.len - at < step ? in.len - at : step), &out);
		mime_decoder_end(&d, &out);
		expect_span(buf_span(&out), span_of(want));
		buf_finish(&out);
	}
}

static void test_base64(void **state)
{
	(void)state;
	expect_decoded(MIME_BASE64, "", "");
	expect_decoded(MIME_BASE64, "aGVsbG8=", "hello");
	expect_decoded(MIME_BASE64, "aGVs\r\nbG8g\r\nd29ybGQ\r\n", "hello world");
	/* Junk is passed over, padding ends it, a lone digit is nothing. */
	expect_decoded(MIME_BASE64, "a G!V.s\xff-bG8=aGVsbG8=", "hello");
	expect_decoded(MIME_BASE64, "aGVsbG8a", "hello\x1a");
	expect_decoded(MIME_BASE64, "a", "");
}

static void test_quoted_printable(void **state)
{
	(void)state;
	expect_decoded(MIME_QP, "plain text\r\nof two lines\r\n", "plain text\r\nof two lines\r\n");
	expect_decoded(MIME_QP, "=41=62=3d =20\r\n", "Ab=  \r\n");
	expect_decoded(MIME_QP, "soft=\r\n break = \t\r\nand=\n LF", "soft break and LF");
	expect_decoded(MIME_QP, "trailing \t \r\nwhite space  ", "trailing\r\nwhite space");
	/* What is no escape stands for itself. */
	expect_decoded(MIME_QP, "=zz =4z =4\r\n== =", "=zz =4z =4\r\n== ");
	expect_decoded(MIME_QP, "=4", "=4");
	expect_decoded(MIME_QP, "end=", "end");
	expect_decoded(MIME_QP, "a =41 =\rb", "a A =\rb");
	expect_decoded(MIME_IDENTITY, "=41 \r\n", "=41 \r\n");
	expect_decoded(MIME_UNKNOWN_ENCODING, "=41", "=41");
}

static void test_long_runs_are_the_same_in_any_cut(void **state)
{
	(void)state;
	char text[1000];
	memset(text, ' ', sizeof(text));
	memcpy(text + sizeof(text) - 3, "x\r\n", 3);
	struct buf whole, cut;
	struct mime_decoder d;
	buf_init(&whole, 4096);
	buf_init(&cut, 4096);
	mime_decoder_init(&d, MIME_QP);
	mime_decoder_feed(&d, span_make(text, sizeof(text)), &whole);
	mime_decoder_end(&d, &whole);
	for (size_t at = 0; at < sizeof(text); at++)
		mime_decoder_feed(&d, span_make(text + at, 1), &cut);
	mime_decoder_end(&d, &cut);
	expect_span(buf_span(&cut), buf_span(&whole));
	assert_int_equal(whole.len, sizeof(text));
	buf_finish(&whole);
	buf_finish(&cut);
}

static void expect_converted(const char *charset, struct span in, const char *want, bool known)
{
	for (size_t step = 1; step <= in.len + 1; step++) {
		struct mime_charset c;
		struct buf out;
		buf_init(&out, 1 << 16);
		assert_int_equal(mime_charset_open(&c, span_of(charset)), known);
		for (size_t at = 0; at < in.len; at += step)
			mime_charset_feed(&c, span_make(in.ptr + at, in.len - at < step ? in.len - at : step), &out);
		mime_charset_end(&c, &out);
		expect_span(buf_span(&out), span_of(want));
		mime_charset_close(&c);
		buf_finish(&out);
	}
}

static void test_charsets(void **state)
{
	(void)state;
	expect_converted("", span_of("as it is \xe9"), "as it is \xe9", true);
	expect_converted("utf-8", span_of("\xc3\xa9 and \xe9"), "\xc3\xa9 and \xe9", true);
	expect_converted("ISO-8859-1", span_of("caf\xe9"), "caf\xc3\xa9", true);
	expect_converted("koi8-r", span_of("\xd0\xc5\xd4\xd5\xc8"), "\xd0\xbf\xd0\xb5\xd1\x82\xd1\x83\xd1\x85", true);
	expect_converted("iso-2022-jp", span_of("\x1b$B7\\\x1b(B ok"), "\xe9\xb6\x8f ok", true);
	expect_converted("shift_jis", span_of("\x8c{"), "\xe9\xb6\x8f", true);
	expect_converted("gb2312", span_of("\xc4\xb8"), "\xe6\xaf\x8d", true);
	expect_converted("utf-7", span_of("caf+AOk-"), "caf\xc3\xa9", true);
	/* Half a surrogate pair. */
	expect_converted("utf-7", span_of("+ffffffff!"), "\xe7\xb7\xb7" "fff!", true);
	expect_converted("utf-16be", span_make("\0h\0i\xd8\x3d\xdc\x14", 8), "hi\xf0\x9f\x90\x94", true);
	/* Odd octets go through, also half a character at the end. */
	expect_converted("shift_jis", span_of("a\xff\x8c"), "a\xff\x8c", true);
	expect_converted("x-no-such", span_of("\xe9"), "\xe9", false);
	expect_converted("../../etc/passwd", span_of("\xe9"), "\xe9", false);
	expect_converted("utf-8//translit", span_of("\xe9"), "\xe9", false);
}

static void expect_words(const char *text, const char *want)
{
	struct buf out;
	buf_init(&out, 1 << 16);
	mime_words_decode(span_of(text), &out);
	expect_span(buf_span(&out), span_of(want));
	buf_finish(&out);
}

static void test_words(void **state)
{
	(void)state;
	expect_words("", "");
	expect_words("plain = text =?", "plain = text =?");
	expect_words("=?iso-8859-1?Q?a_b=E9?=", "a b\xc3\xa9");
	expect_words("say =?utf-8?b?w6k=?= twice", "say \xc3\xa9 twice");
	/* RFC 2047 8. */
	expect_words("(=?ISO-8859-1?Q?a?= b)", "(a b)");
	expect_words("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab");
	expect_words("=?ISO-8859-1?Q?a?=   \t =?utf-8?Q?b?=", "ab");
	expect_words("=?ISO-8859-1?Q?a_b?=", "a b");
	expect_words("=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore");
	/* A character split between words, and between encodings. */
	expect_words("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "\xc3\xa9");
	expect_words("=?UTF-8?Q?=C3?= =?utf-8?B?qQ==?=x", "\xc3\xa9x");
	/* Kept as written. */
	expect_words("=?x-no-such?Q?a?= =?x-no-such?Q?b?=", "=?x-no-such?Q?a?= =?x-no-such?Q?b?=");
	expect_words("=?utf-8?Q?raw space?=", "=?utf-8?Q?raw space?=");
	expect_words("=?utf-8?Q?=Z9?=", "=?utf-8?Q?=Z9?=");
	expect_words("=?utf-8?B?a!b?=", "=?utf-8?B?a!b?=");
	expect_words("=?utf-8?X?ab?=", "=?utf-8?X?ab?=");
	expect_words("=?utf-8?Q?ok?= =?utf-8?X?ab?=", "ok =?utf-8?X?ab?=");
	expect_words("=?utf-8?B?w6k?=", "\xc3\xa9");
	expect_words("=?utf-8?Q?" "?=", "");
	expect_words("=?=?utf-8?Q?a?=", "=?a");
}

static void test_percent(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 100);
	mime_decode_percent(span_of("%C3%a9t%zz%4"), &out);
	expect_span(buf_span(&out), span_of("\xc3\xa9t%zz%4"));
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_quoted_printable),
		cmocka_unit_test(test_long_runs_are_the_same_in_any_cut),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_percent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
