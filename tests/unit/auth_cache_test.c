/* What is remembered of a verified password, for how long, and that a change forgets it. */
#include "server/auth_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_remembers_for_a_minute(void **state)
{
	(void)state;
	struct auth_cache *c = auth_cache_create();
	char account[DIRECTORY_ACCOUNT_LEN + 1] = "";
	assert_false(auth_cache_has(c, "a@x", "pass", 1000, account));
	auth_cache_add(c, auth_cache_generation(c), "a@x", "pass", "0a", 1000);
	assert_true(auth_cache_has(c, "a@x", "pass", 1000, account));
	assert_string_equal(account, "0a");
	assert_true(auth_cache_has(c, "a@x", "pass", 1000 + AUTH_CACHE_ENTRY_MS - 1, account));
	assert_false(auth_cache_has(c, "a@x", "pass", 1000 + AUTH_CACHE_ENTRY_MS, account));
	assert_false(auth_cache_has(c, "a@x", "Pass", 1000, account));
	assert_false(auth_cache_has(c, "a@x", "", 1000, account));
	assert_false(auth_cache_has(c, "b@x", "pass", 1000, account));
	assert_false(auth_cache_has(c, "a@xp", "ass", 1000, account)); /* the pair, not its letters */
	auth_cache_destroy(c);
}

static void test_forgets(void **state)
{
	(void)state;
	struct auth_cache *c = auth_cache_create();
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	uint64_t before = auth_cache_generation(c);
	auth_cache_add(c, before, "a@x", "old", "0a", 1000);
	auth_cache_forget(c);
	assert_false(auth_cache_has(c, "a@x", "old", 1000, account));
	/* A check that read the directory before the change and ends after it. */
	auth_cache_add(c, before, "a@x", "old", "0a", 1000);
	assert_false(auth_cache_has(c, "a@x", "old", 1000, account));
	auth_cache_add(c, auth_cache_generation(c), "a@x", "new", "0a", 1000);
	assert_true(auth_cache_has(c, "a@x", "new", 1000, account));
	auth_cache_destroy(c);
}

static void test_is_bounded(void **state)
{
	(void)state;
	struct auth_cache *c = auth_cache_create();
	char address[32], account[DIRECTORY_ACCOUNT_LEN + 1];
	size_t found = 0;
	for (int i = 0; i < 20000; i++) {
		snprintf(address, sizeof(address), "user%d@x", i);
		auth_cache_add(c, 0, address, "pass", "0a", (uint64_t)(1000 + i));
		assert_true(auth_cache_has(c, address, "pass", (uint64_t)(1000 + i), account)); /* the newest stays */
	}
	for (int i = 0; i < 20000; i++) {
		snprintf(address, sizeof(address), "user%d@x", i);
		found += auth_cache_has(c, address, "pass", 21000, account);
	}
	assert_true(found > 3000 && found <= 4096);
	auth_cache_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembers_for_a_minute),
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
