/* storage/seen: what was delivered of late is known, for as long as somebody asks. */
#include "storage/seen.h"

#include "tests/unit/account_fixture.h"

static bool is_seen(struct account_fixture *f, const char *text, int64_t since_s)
{
	unsigned char digest[SEEN_DIGEST_BYTES] = {0};
	bool seen;
	memcpy(digest, text, strlen(text));
	assert_int_equal(seen_find(f->account, digest, since_s, &seen), STORE_OK);
	return seen;
}

static void note(struct account_fixture *f, const char *text, int64_t since_s)
{
	unsigned char digest[SEEN_DIGEST_BYTES] = {0};
	memcpy(digest, text, strlen(text));
	fixture_begin(f);
	assert_int_equal(seen_note(f->account, digest, since_s), STORE_OK);
	fixture_end(f);
}

static void test_a_window(void **state)
{
	struct account_fixture *f = *state;
	assert_false(is_seen(f, "one", 0));
	note(f, "one", 0);
	assert_true(is_seen(f, "one", f->now_s));
	assert_false(is_seen(f, "two", 0));
	f->now_s += 100;
	assert_true(is_seen(f, "one", f->now_s - 100));
	assert_false(is_seen(f, "one", f->now_s - 99));
	/* Taken back with its op: the message was not delivered. */
	unsigned char digest[SEEN_DIGEST_BYTES] = "three";
	fixture_begin(f);
	assert_int_equal(seen_note(f->account, digest, 0), STORE_OK);
	enum store_err err = account_end(f->account, false);
	(void)err;
	assert_false(is_seen(f, "three", 0));
}

static void test_the_oldest_go(void **state)
{
	struct account_fixture *f = *state;
	char text[SEEN_DIGEST_BYTES];
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "m%u", (unsigned)i % 100);
		note(f, text, f->now_s - 10);
		f->now_s += 1;
	}
	assert_false(is_seen(f, "m0", 0));
	assert_false(is_seen(f, "m30", 0));
	assert_true(is_seen(f, "m45", 0));
	fixture_close(f);
	fixture_open(f);
	assert_true(is_seen(f, "m49", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_window, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_the_oldest_go, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
