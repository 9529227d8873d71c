/* IMAP's dates: every day there is, the zone kept, and what is no date refused. */
#include "protocol/imap/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void check_date_time(const char *text, int64_t unix_s, int32_t zone_min)
{
	int64_t s;
	int32_t zone;
	assert_true(date_time_parse(span_of(text), &s, &zone));
	assert_int_equal(s, unix_s);
	assert_int_equal(zone, zone_min);
}

static void check_written(int64_t unix_s, int32_t zone_min, const char *expected)
{
	struct buf b;
	buf_init(&b, 100);
	date_time_write(&b, unix_s, zone_min);
	buf_add_char(&b, '\0');
	assert_string_equal(b.data, expected);
	buf_finish(&b);
}

static void test_known(void **state)
{
	(void)state;
	check_date_time(" 1-Jan-1970 00:00:00 +0000", 0, 0);
	check_date_time(" 7-Feb-1994 21:52:25 -0800", 760686745, -480);
	check_date_time("07-feb-1994 21:52:25 -0800", 760686745, -480);
	check_date_time("7-FEB-1994 21:52:25 -0800", 760686745, -480);
	check_date_time("31-Dec-1969 23:59:60 +0001", -60, 1);
	check_date_time("29-Feb-2024 00:00:00 +1245", 1709118900, 765);
	check_date_time("31-Dec-9999 23:59:59 +0000", 253402300799, 0);
	check_date_time("29-Feb-2000 00:00:00 +0000", 951782400, 0);
	check_written(0, 0, "\" 1-Jan-1970 00:00:00 +0000\"");
	check_written(760686745, -480, "\" 7-Feb-1994 21:52:25 -0800\"");
	check_written(-1, 0, "\"31-Dec-1969 23:59:59 +0000\"");
	check_written(1709118900, 765, "\"29-Feb-2024 00:00:00 +1245\"");
	check_written(INT64_MAX, 60, "\"31-Dec-9999 23:59:59 +0100\"");
	check_written(INT64_MIN, -60, "\" 1-Jan-0000 00:00:00 -0100\"");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", "7-Feb-1994", " 7-Feb-1994 21:52:25", " 7-Feb-1994 21:52:25 0800", " 7-Feb-1994 21:52:25 -800",
		" 7-Feb-1994 24:00:00 +0000", " 7-Feb-1994 00:60:00 +0000", " 7-Feb-1994 00:00:61 +0000",
		" 7-Feb-1994 00:00:00 +2400", " 7-Feb-1994 00:00:00 +0060", " 7-Feb-94 00:00:00 +0000",
		" 7-Fee-1994 00:00:00 +0000", " 0-Feb-1994 00:00:00 +0000", "32-Feb-1994 00:00:00 +0000",
		"  7-Feb-1994 00:00:00 +0000", " 17-Feb-1994 00:00:00 +0000", " 7-Feb-1994 00:00:00 +0000 ",
		"30-Feb-2024 00:00:00 +0000", "29-Feb-2023 00:00:00 +0000", "31-Jun-1994 00:00:00 +0000", "32-Dec-1994 00:00:00 +0000",
		" 7-Feb-1994  0:00:00 +0000", " 7 Feb 1994 00:00:00 +0000", "7-Feb-1994T00:00:00 +0000", "-Feb-1994 00:00:00 +0000",
	};
	int64_t s;
	int32_t zone;
	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		if (date_time_parse(span_of(bad[i]), &s, &zone))
			fail_msg("<%s> is taken", bad[i]);
	static const char *const bad_dates[] = {"", "1", "1-", "1-Jan", "1-Jan-", "1-Jan-202", "1-Jan-20244", " 1-Jan-2024",
						"1-Jan-2024 ", "001-Jan-2024", "1-Ja-2024", "1-JanX2024", "a-Jan-2024",
						"32-Jan-2024"};
	for (size_t i = 0; i < countof(bad_dates); i++)
		if (date_parse(span_of(bad_dates[i]), &s))
			fail_msg("<%s> is taken", bad_dates[i]);
}

/* Days count on by one from year to year, and what is written is read back, over 400 years and both ends. */
static void test_each_day(void **state)
{
	(void)state;
	int64_t from = date_days(1800, 1, 1), to = date_days(2200, 12, 31);
	for (int64_t day = from; day <= to; day += 3) {
		struct buf b;
		int64_t s;
		int32_t zone, want_zone = (int32_t)(day % 840);
		int64_t want = day * 86400 + (day * 7919) % 86400;
		buf_init(&b, 100);
		date_time_write(&b, want, want_zone);
		assert_int_equal(b.len, 28);
		assert_true(date_time_parse(span_make(b.data + 1, b.len - 2), &s, &zone));
		assert_int_equal(s, want);
		assert_int_equal(zone, want_zone);
		buf_finish(&b);
	}
	assert_int_equal(date_days(2000, 3, 1) - date_days(2000, 2, 28), 2);
	assert_int_equal(date_days(1900, 3, 1) - date_days(1900, 2, 28), 1);
	assert_int_equal(date_days(2023, 2, 31), date_days(2023, 3, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_each_day),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
