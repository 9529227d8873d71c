/* server/target: the fields by which a filter marks unwanted mail. */
#include "server/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_junk_fields(void **state)
{
	static const struct {
		const char *rules, *header;
		bool want;
	} cases[] = {
		{"X-Spam-Flag: YES", "Subject: a\r\nX-Spam-Flag: YES\r\n\r\n", true},
		{"X-Spam-Flag: YES", "x-spam-flag:yes, very\r\n\r\n", true},
		{"X-Spam-Flag: YES", "X-Spam-Flag:\r\n\tYES\r\n\r\n", true},
		{"X-Spam-Flag: YES", "X-Spam-Flag: NO\r\n\r\n", false},
		{"X-Spam-Flag: YES", "X-Spam-Flag: \r\n\r\n", false},
		{"X-Spam-Flag: YES", "X-Spam-Flags: YES\r\n\r\n", false},
		{"X-Spam-Flag: YES", "Subject: X-Spam-Flag: YES\r\n\r\n", false},
		{"X-Spam-Flag: YES", "Subject: a\r\n\r\nX-Spam-Flag: YES\r\n", false},
		{"X-Spam-Flag: YES", "X-Spam-Flag: NO\r\nX-Spam-Flag: YES\r\n\r\n", true},
		{"X-Spam-Flag: YES", "", false},
		{"X-Spam-Flag: YES,X-Rspamd-Action : add header", "X-Rspamd-Action: Add Header\r\n\r\n", true},
		{"X-Spam-Flag: YES, X-Junk:", "X-Junk: whatever\r\n\r\n", true},
		{"no rule", "no rule\r\n\r\n", false},
		{":, ,", ": x\r\n\r\n", false},
		{"", "X-Spam-Flag: YES\r\n\r\n", false},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++)
		if (target_is_junk(cases[i].rules, span_of(cases[i].header)) != cases[i].want)
			fail_msg("case %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_junk_fields)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
