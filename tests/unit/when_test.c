/* server/when: times as people write them. */
#include "server/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} cases[] = {
		{"0s", 1000000}, {"30m", 1000000 - 1800}, {"2h", 1000000 - 7200}, {"3d", 1000000 - 259200}, {"1w", 1000000 - 604800},
		{"2026-11-25", 1795564800}, {"2026-11-25 18:00", 1795629600}, {"2026-11-25T18:00:05Z", 1795629605},
		{"1970-01-01", 0}, {"", -1}, {"2", -1}, {"-2h", -1}, {"2x", -1}, {"2hours", -1}, {"2026-13-01", -1},
		{"2026-11-25 25:00", -1}, {"2026-11-25 18:00 x", -1}, {"soon", -1}, {"99999999999d", -1},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		int64_t got = -2;
		bool ok = when_parse(cases[i].text, 1000000, &got);
		assert_int_equal(ok, cases[i].want >= 0);
		if (ok)
			assert_int_equal(got, cases[i].want);
	}
	char text[WHEN_TEXT_MAX];
	when_write(1795629605, text);
	assert_string_equal(text, "2026-11-25T18:00:05Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_times)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
