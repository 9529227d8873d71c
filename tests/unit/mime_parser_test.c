/* The MIME parser: what it says of a message, and that it says the same however the bytes are cut. */
#include "protocol/mime/crlf.h"
#include "protocol/mime/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void check(const struct mime_summary *s, const char *body, const char *envelope)
{
	char *got = strndup(s->body.data, s->body.len);
	assert_string_equal(got, body);
	free(got);
	if (!envelope)
		return;
	got = strndup(s->envelope.data, s->envelope.len);
	assert_string_equal(got, envelope);
	free(got);
}

/* Whole, then in pieces of each length up to the whole. */
static void expect(const char *message, const char *body, const char *envelope)
{
	struct span in = span_of(message);
	struct mime_parser *whole = mime_parser_create();
	mime_parser_feed(whole, in);
	const struct mime_summary *s = mime_parser_end(whole);
	check(s, body, envelope);
	for (size_t step = 1; step < in.len; step += step < 20 ? 1 : 13) {
		struct mime_parser *p = mime_parser_create();
		for (size_t at = 0; at < in.len; at += step)
			mime_parser_feed(p, span_make(in.ptr + at, in.len - at < step ? in.len - at : step));
		const struct mime_summary *t = mime_parser_end(p);
		assert_true(span_equal(buf_span(&s->envelope), buf_span(&t->envelope)));
		assert_true(span_equal(buf_span(&s->bodystructure), buf_span(&t->bodystructure)));
		assert_true(span_equal(buf_span(&s->body), buf_span(&t->body)));
		assert_true(span_equal(buf_span(&s->parts), buf_span(&t->parts)));
		assert_int_equal(s->header_len, t->header_len);
		assert_int_equal(s->size, t->size);
		mime_parser_destroy(p);
	}
	mime_parser_destroy(whole);
}

#define NO_ENVELOPE "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
#define PLAIN "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" "
#define DEFAULT "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" "
#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static void test_one_text(void **state)
{
	(void)state;
	expect("", DEFAULT "0 0)", NO_ENVELOPE);
	expect("\r\n", DEFAULT "0 0)", NO_ENVELOPE);
	expect("Subject: x", DEFAULT "0 0)", "(NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	expect("Subject:\r\n\r\nhello\r\nyou", DEFAULT "10 1)", "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	expect("Content-Type: text/plain\r\nContent-Type: image/png\r\n\r\nx\r\n", PLAIN "3 1)", NULL);
	expect("Content-Type: text\r\n\r\n", PLAIN "0 0)", NULL);
	expect("Content-Type: nonsense\r\n\r\n", DEFAULT "0 0)", NULL);
}

static void test_delimiters(void **state)
{
	(void)state;
	/* The line end before a delimiter is its own; trailing white space is allowed; a longer line is text. */
	expect(MULTI "pre\r\n--b \t\r\n\r\none\r\n--bb\r\n\r\n--b\r\n\r\n--b--\r\npost\r\n",
	       "(" DEFAULT "11 2)" DEFAULT "0 0) \"MIXED\")", NULL);
	/* No close; no line end at all. */
	expect(MULTI "--b\r\n\r\none\r\n--b\r\n\r\ntwo", "(" DEFAULT "3 0)" DEFAULT "3 0) \"MIXED\")", NULL);
	expect(MULTI "--b", "(" DEFAULT "0 0) \"MIXED\")", NULL);
	/* No part: one empty part. */
	expect(MULTI, "(" DEFAULT "0 0) \"MIXED\")", NULL);
	expect(MULTI "text\r\n--b--\r\n", "(" DEFAULT "0 0) \"MIXED\")", NULL);
	/* A header block without a blank line keeps its line end. */
	expect(MULTI "--b\r\nContent-Type: text/html\r\n--b--\r\n",
	       "((\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 0 0) \"MIXED\")", NULL);
	/* Without a boundary there is text. */
	expect("Content-Type: multipart/mixed\r\n\r\n--b\r\n", DEFAULT "5 1)", NULL);
}

static void test_outer_delimiter_ends_inner_parts(void **state)
{
	(void)state;
	expect(MULTI "--b\r\nContent-Type: multipart/digest; boundary=\"b b\"\r\n\r\n--b b\r\n\r\nSubject: in\r\n\r\nx\r\n"
		     "--b\r\n\r\nlast\r\n--b--\r\n",
	       "(((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 16 "
	       "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) " DEFAULT "1 0) 2) \"DIGEST\")" DEFAULT
	       "4 0) \"MIXED\")",
	       NULL);
}

static void test_message_under_an_encoding_is_octets(void **state)
{
	(void)state;
	expect("Content-Type: message/rfc822; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdA==\r\n",
	       "(\"APPLICATION\" \"OCTET-STREAM\" (\"NAME\" \"x\") NIL NIL \"BASE64\" 14)", NULL);
}

static void test_limits_describe_the_rest_as_text(void **state)
{
	(void)state;
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, span_of(MULTI));
	for (int i = 0; i < 20000; i++)
		mime_parser_feed(p, span_of("--b\r\n\r\nx\r\n"));
	const struct mime_summary *s = mime_parser_end(p);
	uint32_t n = mime_parts_count(buf_span(&s->parts));
	assert_in_range(n, MIME_PARTS_MAX - 3, MIME_PARTS_MAX);
	struct mime_part last;
	assert_true(mime_parts_get(buf_span(&s->parts), n - 1, &last));
	assert_int_equal(last.body + last.body_len, s->size);
	mime_parser_destroy(p);

	p = mime_parser_create();
	for (int i = 0; i < 1000; i++) {
		char text[100];
		snprintf(text, sizeof(text), "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
		mime_parser_feed(p, span_of(text));
	}
	s = mime_parser_end(p);
	assert_in_range(mime_parts_count(buf_span(&s->parts)), MIME_DEPTH_MAX - 3, MIME_DEPTH_MAX + 1);
	mime_parser_destroy(p);
}

/* Parts that the parser adds itself count as well: an empty multipart gets a child when it is closed. */
static void test_limits_count_parts_that_are_made_up(void **state)
{
	(void)state;
	for (int plain = 0; plain < 4; plain++) {
		struct mime_parser *p = mime_parser_create();
		mime_parser_feed(p, span_of(MULTI));
		for (int i = 0; i < plain; i++)
			mime_parser_feed(p, span_of("--b\r\n\r\n"));
		for (int i = 0; i < MIME_PARTS_MAX; i++)
			mime_parser_feed(p, span_of(i % 2 ? "--b\r\nContent-Type: multipart/mixed; boundary=i\r\n" :
						    "--b\r\nContent-Type: message/rfc822\r\n\r\n"));
		const struct mime_summary *s = mime_parser_end(p);
		assert_in_range(mime_parts_count(buf_span(&s->parts)), MIME_PARTS_MAX - 5, MIME_PARTS_MAX);
		mime_parser_destroy(p);
	}
}

static void test_long_lines_of_dashes_are_text(void **state)
{
	(void)state;
	for (size_t spaces = 990; spaces < 1010; spaces++) {
		char text[1200], body[100];
		int n = snprintf(text, sizeof(text), MULTI "--b\r\n\r\none\r\n--b%*s\r\n\r\ntwo", (int)spaces, "");
		assert_in_range(n, 1, sizeof(text) - 1);
		bool delimits = 3 + spaces + 2 <= 1000;
		if (delimits)
			snprintf(body, sizeof(body), "(" DEFAULT "3 0)");
		else
			snprintf(body, sizeof(body), "(" DEFAULT "%zu 3)", 5 + 3 + spaces + 2 + 2 + 3);
		struct mime_parser *p = mime_parser_create();
		mime_parser_feed(p, span_of(text));
		assert_memory_equal(mime_parser_end(p)->body.data, body, strlen(body));
		mime_parser_destroy(p);
	}
}

/* Intake never lets it through, but the parser does not mind a bare LF either. */
static void test_bare_line_feeds(void **state)
{
	(void)state;
	expect("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n\n--b--\n",
	       "(" DEFAULT "3 0)" DEFAULT "4 1) \"MIXED\")", NULL);
}

static void test_crlf_across_cuts(void **state)
{
	(void)state;
	const char *text = "a\nb\r\nc\rd\n\n\r\n\n";
	const char *want = "a\r\nb\r\nc\rd\r\n\r\n\r\n\r\n";
	for (size_t step = 1; step <= strlen(text); step++) {
		struct crlf c = {0};
		struct buf scratch, out;
		buf_init(&scratch, 100);
		buf_init(&out, 100);
		for (size_t at = 0; at < strlen(text); at += step) {
			size_t n = strlen(text) - at < step ? strlen(text) - at : step;
			buf_add_span(&out, crlf_feed(&c, span_make(text + at, n), &scratch));
		}
		assert_true(span_equal(buf_span(&out), span_of(want)));
		assert_false(c.nul);
		struct span same = span_of("x\r\ny\r\n");
		assert_ptr_equal(crlf_feed(&c, same, &scratch).ptr, same.ptr);
		crlf_feed(&c, span_make("a\0b", 3), &scratch);
		assert_true(c.nul);
		buf_finish(&scratch);
		buf_finish(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_text),
		cmocka_unit_test(test_delimiters),
		cmocka_unit_test(test_outer_delimiter_ends_inner_parts),
		cmocka_unit_test(test_message_under_an_encoding_is_octets),
		cmocka_unit_test(test_limits_describe_the_rest_as_text),
		cmocka_unit_test(test_limits_count_parts_that_are_made_up),
		cmocka_unit_test(test_long_lines_of_dashes_are_text),
		cmocka_unit_test(test_bare_line_feeds),
		cmocka_unit_test(test_crlf_across_cuts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
