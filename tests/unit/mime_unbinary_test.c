/* Binary parts become base64, the same however the bytes are cut, and nothing else is touched. */
#include "protocol/mime/decode.h"
#include "protocol/mime/unbinary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void convert(struct span in, size_t step, struct buf *out)
{
	struct mime_unbinary *u = mime_unbinary_create();
	buf_init(out, SIZE_MAX);
	for (size_t at = 0; at < in.len; at += step)
		mime_unbinary_feed(u, span_make(in.ptr + at, in.len - at < step ? in.len - at : step), out);
	mime_unbinary_end(u, out);
	mime_unbinary_destroy(u);
}

static void expect_bytes(struct span in, struct span want)
{
	for (size_t step = 1; step <= in.len + 1; step++) {
		struct buf out;
		convert(in, step, &out);
		if (!span_equal(buf_span(&out), want))
			fail_msg("in steps of %zu got \"%.*s\"", step, (int)out.len, out.data);
		buf_finish(&out);
	}
}

static void expect(const char *in, const char *want)
{
	expect_bytes(span_of(in), span_of(want));
}

static void test_nothing_binary(void **state)
{
	static const char *const same[] = {
		"", "Subject: x\r\n", "Subject: x\n\nbare\nlines\n", "\r\nbody", "Content-Transfer-Encoding: 8bit\r\n\r\n\xe9\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\nContent-Transfer-Encoding: binary\r\n\r\nx",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--bb\r\n--b\r\n--c\r\n-\r\n--b --\r\n--b", "--", "-\r\n-"};
	(void)state;
	for (size_t i = 0; i < countof(same); i++)
		expect(same[i], same[i]);
	expect_bytes(span_make("a: b\r\n\r\n\0\n", 10), span_make("a: b\r\n\r\n\0\n", 10));
}

static void test_whole_message(void **state)
{
	(void)state;
	expect("Subject: x\r\ncontent-transfer-encoding : (c) BINARY\r\nTo: y\r\n\r\nhello",
	       "Subject: x\r\nContent-Transfer-Encoding: base64\r\nTo: y\r\n\r\naGVsbG8=\r\n");
	expect("Content-Transfer-Encoding:\r\n binary\r\n\r\n", "Content-Transfer-Encoding: base64\r\n\r\n");
	expect("Content-Transfer-Encoding: binary\r\n\r\na\nb\r\r\n", "Content-Transfer-Encoding: base64\r\n\r\nYQpiDQ0K\r\n");
	expect("Content-Transfer-Encoding: binary\nContent-Transfer-Encoding: 7bit\n\na\n",
	       "Content-Transfer-Encoding: base64\r\n\nYQo=\r\n");
	expect("Content-Transfer-Encoding: binary", "Content-Transfer-Encoding: base64\r\n");
}

static void test_parts(void **state)
{
	(void)state;
	/* The line end before a delimiter is the delimiter's; lines that only look like one are content. */
	expect("Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	       "--b\r\nContent-Transfer-Encoding: binary\r\n\r\na\r\n--c\r\n-\r\n\r\n--b\r\n\r\nplain\r\n--b--\r\nepilogue\r\n",
	       "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	       "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ0KLS1jDQotDQo=\r\n--b\r\n\r\nplain\r\n--b--\r\nepilogue\r\n");
	expect("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\n\r\n--b\r\n"
	       "Content-Transfer-Encoding: binary\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n--b--",
	       "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n--b\r\n"
	       "Content-Transfer-Encoding: base64\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n--b--");
	/* An outer delimiter ends an inner part. */
	expect("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n"
	       "Content-Transfer-Encoding: binary\r\n\r\nx\r\n--o\r\n\r\n--i\r\nContent-Transfer-Encoding: binary\r\n\r\ny\r\n--o--\r\n",
	       "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n"
	       "Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--o\r\n\r\n--i\r\nContent-Transfer-Encoding: binary\r\n\r\ny\r\n--o--\r\n");
	/* A message inside is looked into. */
	expect("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\nContent-Transfer-Encoding: binary\r\n\r\nx",
	       "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n");
}

/* Octets of all kinds come back as they were. */
static void test_round_trip(void **state)
{
	static const char before[] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\n";
	static const char after[] = "\r\n--b--\r\n", head[] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
							     "Content-Transfer-Encoding: base64\r\n\r\n";
	uint64_t random = 88172645463325252u;
	(void)state;
	for (size_t len = 1; len < 3000; len += 1 + len / 7) {
		struct buf in, out, back;
		struct mime_decoder d;
		buf_init(&in, 1 << 16);
		buf_init(&back, 1 << 16);
		buf_add(&in, before, sizeof(before) - 1);
		for (size_t i = 0; i < len; i++) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			buf_add_char(&in, "\r\n-b\0x\xff"[random % 7]);
		}
		buf_add(&in, after, sizeof(after) - 1);
		struct span content = span_make(in.data + sizeof(before) - 1, len);
		/* It may hold a delimiter of its own: not this one. */
		if (!memmem(content.ptr, content.len, "--b", 3)) {
			convert(buf_span(&in), 1 + random % 97, &out);
			assert_null(memchr(out.data, '\0', out.len));
			struct span text = span_after(buf_span(&out), sizeof(head) - 1);
			assert_true(text.len > sizeof(after) - 1 && memcmp(out.data, head, sizeof(head) - 1) == 0);
			text.len -= sizeof(after) - 1;
			assert_memory_equal(text.ptr + text.len, after, sizeof(after) - 1);
			mime_decoder_init(&d, MIME_BASE64);
			mime_decoder_feed(&d, text, &back);
			assert_true(span_equal(buf_span(&back), content));
			buf_finish(&out);
		}
		buf_finish(&in);
		buf_finish(&back);
	}
}

/* Lines have 76 characters (RFC 2045 6.8); what is too long or too deep passes. */
static void test_bounds(void **state)
{
	struct buf in, out;
	(void)state;
	buf_init(&in, 1 << 20);
	buf_add_text(&in, "Content-Transfer-Encoding: binary\r\n\r\n");
	for (int i = 0; i < 115; i++)
		buf_add_char(&in, '\0');
	convert(buf_span(&in), 1000, &out);
	const char *body = memmem(out.data, out.len, "\r\n\r\n", 4);
	assert_non_null(body);
	assert_int_equal((out.data + out.len) - (body + 4), 76 + 2 + 76 + 2 + 4 + 2);
	assert_memory_equal(body + 4 + 76, "\r\n", 2);
	buf_finish(&out);
	buf_reset(&in);
	buf_add_text(&in, "Subject: ");
	for (int i = 0; i < 300000; i++)
		buf_add_char(&in, 'x');
	buf_add_text(&in, "\r\nContent-Transfer-Encoding: binary\r\n\r\nbody");
	convert(buf_span(&in), 1000, &out);
	assert_true(span_equal(buf_span(&out), buf_span(&in)));
	buf_finish(&out);
	buf_finish(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_binary), cmocka_unit_test(test_whole_message),
					   cmocka_unit_test(test_parts), cmocka_unit_test(test_round_trip),
					   cmocka_unit_test(test_bounds)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
