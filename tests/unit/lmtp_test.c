/* LMTP: commands, the end of the data, the lines put before a message and the one taken away. */
#include "protocol/lmtp/data.h"
#include "protocol/lmtp/parse.h"
#include "protocol/lmtp/reply.h"
#include "protocol/lmtp/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_commands(void **state)
{
	static const struct {
		const char *line;
		enum lmtp_error error;
		enum lmtp_kind kind;
		const char *path; /* or the domain */
		uint64_t size;
	} cases[] = {
		{"LHLO a.example", LMTP_OK, LMTP_LHLO, "a.example", 0},
		{"lhlo [IPv6:::1] ", LMTP_OK, LMTP_LHLO, "[IPv6:::1]", 0},
		{"LHLO", LMTP_BAD_ARGUMENTS, LMTP_LHLO, NULL, 0},
		{"LHLO a b", LMTP_BAD_ARGUMENTS, LMTP_LHLO, NULL, 0},
		{"LHLO a;(b)", LMTP_BAD_ARGUMENTS, LMTP_LHLO, NULL, 0},
		{"EHLO a", LMTP_OK, LMTP_HELO, NULL, 0},
		{"HELO", LMTP_OK, LMTP_HELO, NULL, 0},
		{"MAIL FROM:<a@b>", LMTP_OK, LMTP_MAIL, "a@b", 0},
		{"mail from: <a@b> ", LMTP_OK, LMTP_MAIL, "a@b", 0},
		{"MAIL FROM:<>", LMTP_OK, LMTP_MAIL, "", 0},
		{"MAIL FROM:<> SIZE=5 BODY=8BITMIME", LMTP_OK, LMTP_MAIL, "", 5},
		{"MAIL FROM:<@x,@y:a@b> body=7bit size=99999999999999999999", LMTP_OK, LMTP_MAIL, "a@b", INT64_MAX},
		{"MAIL FROM:<\"a>b\\\"@\"@c>", LMTP_OK, LMTP_MAIL, "\"a>b\\\"@\"@c", 0},
		{"MAIL FROM:<a@b> SIZE=", LMTP_BAD_ARGUMENTS, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a@b> SIZE=1x", LMTP_BAD_ARGUMENTS, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a@b> SIZE=1 SIZE=2", LMTP_BAD_ARGUMENTS, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a@b> BODY=BINARYMIME", LMTP_OK, LMTP_MAIL, "a@b", 0},
		{"MAIL FROM:<a@b> BODY=9BIT", LMTP_BAD_ARGUMENTS, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a@b> SMTPUTF8", LMTP_OK, LMTP_MAIL, "a@b", 0},
		{"MAIL FROM:<a@b> SMTPUTF8=1", LMTP_BAD_PARAMETER, LMTP_MAIL, NULL, 0},
		{"RCPT TO:<a@b> SMTPUTF8", LMTP_BAD_PARAMETER, LMTP_RCPT, NULL, 0},
		{"MAIL FROM:<a@b>SIZE=1", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:a@b", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a@b", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a b@c>", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<\"a@b>", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<@x:>", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<@>", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a@>", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL FROM:<a@b@c>", LMTP_OK, LMTP_MAIL, "a@b@c", 0}, /* nobody's, but harmless */
		{"MAIL TO:<a@b>", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"MAIL", LMTP_BAD_SENDER, LMTP_MAIL, NULL, 0},
		{"RCPT TO:<a@b>", LMTP_OK, LMTP_RCPT, "a@b", 0},
		{"RCPT TO:<postmaster>", LMTP_OK, LMTP_RCPT, "postmaster", 0},
		{"RCPT TO:<>", LMTP_BAD_RECIPIENT, LMTP_RCPT, NULL, 0},
		{"RCPT TO:<a@b> NOTIFY=NEVER", LMTP_BAD_PARAMETER, LMTP_RCPT, NULL, 0},
		{"RCPT TO:<a\tb@c>", LMTP_BAD_RECIPIENT, LMTP_RCPT, NULL, 0},
		{"DATA", LMTP_OK, LMTP_DATA, NULL, 0},
		{"DATA x", LMTP_BAD_ARGUMENTS, LMTP_DATA, NULL, 0},
		{"RSET ", LMTP_OK, LMTP_RSET, NULL, 0},
		{"NOOP whatever this is", LMTP_OK, LMTP_NOOP, NULL, 0},
		{"VRFY", LMTP_BAD_ARGUMENTS, LMTP_VRFY, NULL, 0},
		{"VRFY joe", LMTP_OK, LMTP_VRFY, NULL, 0},
		{"QUIT now", LMTP_BAD_ARGUMENTS, LMTP_QUIT, NULL, 0},
		{"", LMTP_BAD_COMMAND, LMTP_UNKNOWN, NULL, 0},
		{"BDAT 5 LAST", LMTP_OK, LMTP_BDAT, NULL, 5},
		{"bdat 0", LMTP_OK, LMTP_BDAT, NULL, 0},
		{"BDAT", LMTP_BAD_ARGUMENTS, LMTP_BDAT, NULL, 0},
		{"BDAT x", LMTP_BAD_ARGUMENTS, LMTP_BDAT, NULL, 0},
		{"BDAT -1 LAST", LMTP_BAD_ARGUMENTS, LMTP_BDAT, NULL, 0},
		{"BDAT 5 FIRST", LMTP_BAD_ARGUMENTS, LMTP_BDAT, NULL, 0},
		{"MAILFROM:<a@b>", LMTP_BAD_COMMAND, LMTP_UNKNOWN, NULL, 0},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct lmtp_command c;
		enum lmtp_error error = lmtp_parse(span_of(cases[i].line), &c);
		if (error != cases[i].error || c.kind != cases[i].kind)
			fail_msg("<%s>: error %d, kind %d", cases[i].line, error, c.kind);
		if (cases[i].path && c.kind == LMTP_LHLO)
			assert_true(span_equal(c.domain, span_of(cases[i].path)));
		else if (cases[i].path)
			assert_true(span_equal(c.path, span_of(cases[i].path)));
		assert_int_equal(c.has_size, (cases[i].size != 0 && c.kind == LMTP_MAIL) || (error && c.has_size));
		if (!error)
			assert_int_equal(c.size, cases[i].size);
	}
}

static void test_long_paths(void **state)
{
	char line[LMTP_PATH_MAX + 40] = "RCPT TO:<";
	struct lmtp_command c;
	(void)state;
	memset(line + 9, 'a', LMTP_PATH_MAX - 4);
	strncpy(line + 9 + LMTP_PATH_MAX - 4, "@b.c>", 6);
	assert_int_equal(lmtp_parse(span_of(line), &c), LMTP_OK);
	assert_int_equal(c.path.len, LMTP_PATH_MAX);
	strncpy(line + 9 + LMTP_PATH_MAX - 4, "@b.cd>", 7);
	assert_int_equal(lmtp_parse(span_of(line), &c), LMTP_BAD_RECIPIENT);
}

static void test_addresses(void **state)
{
	static const char *const pairs[][2] = {{"a@b", "a@b"}, {"\"a\"@b", "a@b"}, {"\"a\\\"\\\\c d\"@b", "a\"\\c d@b"},
					       {"a\"@b", "a\"@b"}, {"", ""}, {"\"\"@b", "@b"}};
	char out[20];
	(void)state;
	for (size_t i = 0; i < countof(pairs); i++) {
		assert_int_equal(lmtp_path_address(span_of(pairs[i][0]), out, sizeof(out)), strlen(pairs[i][1]));
		assert_string_equal(out, pairs[i][1]);
	}
	assert_int_equal(lmtp_path_address(span_of("0123456789012345678"), out, sizeof(out)), 19);
	assert_int_equal(lmtp_path_address(span_of("01234567890123456789"), out, sizeof(out)), 0);
}

static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < LMTP_REPLIES; i++) {
		const struct lmtp_reply_row *row = &lmtp_replies[i];
		assert_non_null(row->code);
		assert_int_equal(strlen(row->code), 3);
		assert_true(strchr("2345", row->code[0]) != NULL);
		assert_true(row->text[0] != '\0');
		/* RFC 2034 4: the classes agree, and only 3xx has none */
		assert_true(row->code[0] == '3' ? row->enhanced[0] == '\0' : row->enhanced[0] == row->code[0]);
	}
	struct buf b;
	buf_init(&b, 1000);
	lmtp_reply(&b, LMTP_REPLY_UNKNOWN_USER);
	lmtp_reply(&b, LMTP_REPLY_GO_ON);
	lmtp_reply(&b, lmtp_reply_of_error(LMTP_BAD_PARAMETER));
	lmtp_reply_greeting(&b, "h");
	lmtp_reply_lhlo(&b, "h", 12);
	assert_true(span_equal(buf_span(&b), span_of("550 5.1.1 There is no such user\r\n354 Go on, and end with a dot\r\n"
						     "555 5.5.4 This parameter is not known\r\n220 h LMTP Roost\r\n"
						     "250-h\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
						     "250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 SIZE 12\r\n")));
	buf_finish(&b);
}

/* The message, and what is left of the input behind its end, in cuts of this size. */
static void unstuff(const char *input, size_t cut, const char *message, const char *left)
{
	struct lmtp_data d = {0};
	struct buf out;
	size_t at = 0, len = strlen(input);
	struct span in = span_make("", 0);
	buf_init(&out, 1 << 16);
	while (at < len && !lmtp_data_ended(&d)) {
		size_t n = len - at < cut ? len - at : cut;
		in = span_make(input + at, n);
		at += n;
		for (struct span piece; (piece = lmtp_data_next(&d, &in)).len;)
			buf_add_span(&out, piece);
	}
	if (!span_equal(buf_span(&out), span_of(message)) || lmtp_data_ended(&d) != (left != NULL))
		fail_msg("<%s> in cuts of %zu gave <%.*s>", input, cut, (int)out.len, out.data);
	if (left)
		assert_string_equal(input + at - in.len, left);
	buf_finish(&out);
}

static void test_data(void **state)
{
	static const struct {
		const char *input, *message, *left; /* left NULL: it is not over */
	} cases[] = {
		{".\r\n", "", ""},
		{"a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"},
		{"a\r\n.\r\n.\r\n", "a\r\n", ".\r\n"},
		{"..\r\n.\r\n", ".\r\n", ""},
		{"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n", ""},
		{".a\r\n.\r\n", "a\r\n", ""},
		{"a.\r\n.\r\n", "a.\r\n", ""},
		{"\r\n.\r\n", "\r\n", ""},
		{"a\r\n", "a\r\n", NULL},
		{"", "", NULL},
		/* smuggling: none of these is an end */
		{"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", ""},
		{"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", ""},
		{"a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", ""},
		{"a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", ""},
		{"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", ""},
		{"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", ""},
		{"a\r\r\n.\r\n", "a\r\r\n", ""},
		{"\r\r.\r\n\r\n.\r\n", "\r\r.\r\n\r\n", ""},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++)
		for (size_t cut = 1; cut < 20; cut++)
			unstuff(cases[i].input, cut, cases[i].message, cases[i].left);
}

static void check_filter(const char *input, size_t cut, const char *expected)
{
	struct trace_filter f = {0};
	struct buf out, scratch;
	buf_init(&out, 1 << 16);
	buf_init(&scratch, cut + TRACE_HELD_MAX);
	for (size_t at = 0, len = strlen(input); at < len; at += cut)
		buf_add_span(&out, trace_filter_feed(&f, span_make(input + at, len - at < cut ? len - at : cut), &scratch));
	buf_add_span(&out, trace_filter_end(&f));
	assert_false(scratch.failed);
	if (!span_equal(buf_span(&out), span_of(expected)))
		fail_msg("<%s> in cuts of %zu gave <%.*s>", input, cut, (int)out.len, out.data);
	buf_finish(&out);
	buf_finish(&scratch);
}

static void test_filter(void **state)
{
	static const char *const pairs[][2] = {
		{"Return-Path: <x>\r\nA: b\r\n\r\nbody", "A: b\r\n\r\nbody"},
		{"A: b\r\nRETURN-PATH:x\r\n y\r\n\tz\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n"},
		{"Return-Path: a\r\nReturn-Path: b\r\n\r\n", "\r\n"},
		{"A: b\r\n Return-Path: c\r\n\r\n", "A: b\r\n Return-Path: c\r\n\r\n"},
		{"A: b\r\n\r\nReturn-Path: c\r\n", "A: b\r\n\r\nReturn-Path: c\r\n"},
		{"\r\nReturn-Path: c\r\n", "\r\nReturn-Path: c\r\n"},
		{"Return-Paths: a\r\nReturn-Pat: a\r\nretur\r\n\r\n", "Return-Paths: a\r\nReturn-Pat: a\r\nretur\r\n\r\n"},
		{"\return-path: a\r\n\r\n", "\return-path: a\r\n\r\n"},
		{"return", "return"}, {"\r", "\r"}, {"", ""}, {"Return-Path: x", ""}, {"A: b\r\nReturn-Path:", "A: b\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < countof(pairs); i++)
		for (size_t cut = 1; cut < 80; cut++)
			check_filter(pairs[i][0], cut, pairs[i][1]);
}

static void test_trace(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	trace_write_recipient(&b, span_of(""), span_of("a@b"));
	struct trace_received r = {.domain = span_of("c.example"), .host = "h", .id = 255,
				   .unix_s = 760686745};
	trace_write_received(&b, &r);
	assert_true(span_equal(buf_span(&b), span_of("Return-Path: <>\r\nDelivered-To: a@b\r\n"
						     "Received: from c.example (local)\r\n\tby h with LMTP id ff;\r\n"
						     "\tTue, 8 Feb 1994 05:52:25 +0000\r\n")));
	buf_reset(&b);
	r.peer = "192.0.2.7";
	trace_write_received(&b, &r);
	assert_memory_equal(b.data, "Received: from c.example ([192.0.2.7])\r\n\tby h", 45);
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands), cmocka_unit_test(test_long_paths), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_replies), cmocka_unit_test(test_data), cmocka_unit_test(test_filter),
		cmocka_unit_test(test_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
