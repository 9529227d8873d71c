/* Lists of networks, and who is in them. */
#include "server/networks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static bool is_in(const char *list, const char *address)
{
	struct networks n;
	struct network_address a;
	assert_true(networks_parse(list, &n, NULL));
	assert_true(network_address_parse(address, &a));
	return networks_have(&n, &a);
}

static void test_membership(void **state)
{
	(void)state;
	assert_true(is_in("192.0.2.0/24", "192.0.2.255"));
	assert_false(is_in("192.0.2.0/24", "192.0.3.0"));
	assert_true(is_in("192.0.2.7", "192.0.2.7"));
	assert_false(is_in("192.0.2.7", "192.0.2.6"));
	assert_true(is_in("10.0.0.0/9", "10.127.1.2"));
	assert_false(is_in("10.0.0.0/9", "10.128.1.2"));
	assert_true(is_in("192.0.2.0/24", "::ffff:192.0.2.1"));
	assert_true(is_in("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(is_in("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(is_in("127.0.0.0/8 ::1", "::1"));
	assert_true(is_in("127.0.0.0/8, ::1", "local"));
	assert_true(is_in("0.0.0.0/0", "203.0.113.9"));
	assert_false(is_in("0.0.0.0/0", "2001:db8::1"));
	assert_false(is_in("", "192.0.2.1"));
}

static void test_what_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = {"192.0.2.0/33", "192.0.2.0/", "192.0.2", "example.org", "::1/129", "1.2.3.4/-1",
					  "1.2.3.4/8x", "local", "1.2.3.4/0008"};
	struct networks n;
	const char *wrong = NULL;
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(networks_parse(bad[i], &n, NULL));
	assert_false(networks_parse("127.0.0.1  nowhere", &n, &wrong));
	assert_string_equal(wrong, "nowhere");
	char many[NETWORKS_MAX * 8 + 16] = "";
	for (int i = 0; i < NETWORKS_MAX; i++)
		memcpy(many + strlen(many), "1.2.3.4 ", 9);
	assert_true(networks_parse(many, &n, NULL));
	memcpy(many + strlen(many), "1.2.3.4", 8);
	assert_false(networks_parse(many, &n, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_membership),
		cmocka_unit_test(test_what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
