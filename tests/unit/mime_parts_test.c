/* Header lines put before a message: the moved part table is the one that parsing the longer message gives. */
#include "protocol/mime/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char head[] = "Return-Path: <a@example.net>\r\nDelivered-To: b@example.org\r\n";

static struct mime_parser *parse(struct span first, struct span second, const struct mime_summary **out)
{
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, first);
	mime_parser_feed(p, second);
	*out = mime_parser_end(p);
	return p;
}

static void check(const char *message)
{
	const struct mime_summary *plain, *longer;
	struct mime_parser *p = parse(span_of(message), span_of(""), &plain);
	struct mime_parser *q = parse(span_of(head), span_of(message), &longer);
	struct buf moved;
	buf_init(&moved, 1 << 20);
	assert_true(mime_parts_prepend(buf_span(&plain->parts), sizeof(head) - 1, &moved));
	assert_true(span_equal(buf_span(&moved), buf_span(&longer->parts)));
	assert_int_equal(plain->header_len + sizeof(head) - 1, longer->header_len);
	assert_true(span_equal(buf_span(&plain->envelope), buf_span(&longer->envelope)));
	assert_true(span_equal(buf_span(&plain->bodystructure), buf_span(&longer->bodystructure)));
	assert_true(span_equal(buf_span(&plain->body), buf_span(&longer->body)));
	buf_finish(&moved);
	mime_parser_destroy(p);
	mime_parser_destroy(q);
}

static void test_prepend(void **state)
{
	(void)state;
	check("Received: x\r\n\r\nbody\r\n");
	check("Received: x\r\nSubject: no body");
	check("Received: x\r\n\r\n");
	check("Received: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\n"
	      "Content-Type: text/html; charset=utf-8\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n");
	check("Received: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
	      "Subject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c\r\n\r\ny\r\n--c--\r\n"
	      "\r\n--b\r\n\r\nlast");
	check("Received: x\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n");
}

static void test_no_table(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 100);
	assert_false(mime_parts_prepend(span_of(""), 5, &out));
	assert_false(mime_parts_prepend(span_of("\1\0\0\0\1"), 5, &out));
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prepend),
		cmocka_unit_test(test_no_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
