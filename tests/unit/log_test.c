/* A log line is one line whatever its values are. */
#include "server/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void expect_line(const struct log_field *fields, const char *want)
{
	struct buf out;
	buf_init(&out, 65536);
	log_format(&out, LOG_WARNING, "test", fields);
	buf_add_char(&out, '\0');
	assert_false(out.failed);
	assert_string_equal(out.data, want);
	buf_finish(&out);
}

static void test_plain(void **state)
{
	(void)state;
	expect_line((const struct log_field[]){log_text("user", "a@example.org"), log_number("n", -7), {.key = NULL}},
		    "level=warning event=test user=a@example.org n=-7\n");
}

static void test_quoted(void **state)
{
	(void)state;
	expect_line((const struct log_field[]){log_text("empty", ""), log_text("null", NULL), log_text("two", "a b"), {.key = NULL}},
		    "level=warning event=test empty=\"\" null=\"\" two=\"a b\"\n");
	expect_line((const struct log_field[]){log_text("x", "k=v \"q\" \\"), {.key = NULL}},
		    "level=warning event=test x=\"k=v \\\"q\\\" \\\\\"\n");
}

static void test_hostile(void **state)
{
	(void)state;
	expect_line((const struct log_field[]){log_span("x", span_make("a\nlevel=error\r\x1b[2J\0\xc2\x9b", 21)), {.key = NULL}},
		    "level=warning event=test x=\"a\\x0alevel=error\\x0d\\x1b[2J\\x00\\xc2\\x9b\"\n");
}

static void test_long(void **state)
{
	(void)state;
	char *text = xcalloc(1, 100001);
	memset(text, 'x', 100000);
	struct buf out;
	buf_init(&out, 65536);
	log_format(&out, LOG_ERROR, "test", (const struct log_field[]){log_text("x", text), {.key = NULL}});
	assert_false(out.failed);
	assert_in_range(out.len, 1000, 1100);
	assert_memory_equal(out.data + out.len - 5, "...\"\n", 5);
	buf_finish(&out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
