/* A log line is one line whatever its values are. */
#include "server/log.h"

#include "tests/unit/scratch_dir.h"

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

static void test_journal(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 65536);
	log_format_journal(&out, LOG_WARNING, "login_failed",
			   (const struct log_field[]){log_text("peer", "192.0.2.7"), log_text("user", "a\nROOST_PEER=1"),
						      log_number("bytes_in", 7), {.key = NULL}});
	buf_add_char(&out, '\0');
	assert_string_equal(out.data, "PRIORITY=4\nSYSLOG_IDENTIFIER=roost\nROOST_EVENT=login_failed\n"
				      "MESSAGE=level=warning event=login_failed peer=192.0.2.7 user=\"a\\x0aROOST_PEER=1\" bytes_in=7\n"
				      "ROOST_PEER=192.0.2.7\nROOST_USER=\"a\\x0aROOST_PEER=1\"\nROOST_BYTES_IN=7\n");
	buf_finish(&out);
}

static size_t size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* As logrotate does it: moved away, then opened afresh. */
static void test_file(void **state)
{
	struct scratch_dir dir;
	(void)state;
	scratch_dir_create(&dir);
	const char *path = scratch_path(&dir, "log"), *moved = scratch_path(&dir, "log.1");
	assert_false(log_open(scratch_path(&dir, "none/log")));
	assert_true(log_open(path));
	log_event(LOG_INFO, "one", log_number("n", 1));
	size_t one = size_of(path);
	assert_true(one > 0);
	assert_int_equal(rename(path, moved), 0);
	log_event(LOG_INFO, "two", log_number("n", 2));
	assert_int_equal(size_of(moved), 2 * one);
	assert_true(log_open(path));
	log_event(LOG_INFO, "six", log_number("n", 6));
	log_event(LOG_DEBUG, "debug", log_number("n", 6));
	assert_int_equal(size_of(moved), 2 * one);
	assert_int_equal(size_of(path), one);
	log_set_level(LOG_WARNING);
	log_event(LOG_INFO, "not", log_number("n", 7));
	assert_int_equal(size_of(path), one);
	log_event(LOG_WARNING, "yes", log_number("n", 7));
	assert_true(size_of(path) > one);
	log_set_level(LOG_INFO);
	scratch_dir_destroy(&dir);
}

static void test_levels(void **state)
{
	enum log_level level;
	(void)state;
	assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
	assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
	assert_false(log_level_parse("loud", &level));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
