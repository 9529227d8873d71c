#include "storage/thread.h"

#include "tests/unit/account_fixture.h"

enum { IDS = 200 };

/* Joins with the IDs that `text` names, separated by spaces. */
static uint64_t join(struct account_fixture *f, const char *text)
{
	struct bytes ids[IDS];
	size_t n = 0;
	uint64_t thread;
	for (const char *at = text; *at;) {
		size_t len = strcspn(at, " ");
		ids[n++] = (struct bytes){at, len};
		at += len + (at[len] == ' ');
	}
	fixture_begin(f);
	assert_int_equal(thread_join(f->account, ids, n, &thread), STORE_OK);
	fixture_end(f);
	return thread;
}

static void test_answers(void **state)
{
	struct account_fixture *f = *state;
	uint64_t a = join(f, "a"), other = join(f, "other");
	assert_true(a != other);
	assert_true(join(f, "b a") == a);
	assert_true(join(f, "c b a") == a);
	assert_true(join(f, "d unknown c") == a);
	/* What is referred to and not here yet is known all the same, but for what lies between the parent and the eldest. */
	uint64_t lost = join(f, "x parent middle eldest");
	assert_true(join(f, "parent") == lost);
	assert_true(join(f, "y eldest") == lost);
	assert_true(join(f, "middle") != lost);
	/* Told once, it stays: this message would link two threads. */
	assert_true(join(f, "link a other") == a);
	assert_true(join(f, "other") == other);
	assert_true(join(f, "z other a") == other);
}

/* The same message comes to the same thread, whatever came between. */
static void test_again(void **state)
{
	struct account_fixture *f = *state;
	uint64_t first = join(f, "m p q r"), second = join(f, "n s");
	assert_true(join(f, "s r") == second);
	assert_true(join(f, "m p q r") == first);
	assert_true(join(f, "n s") == second);
	fixture_close(f);
	fixture_open(f);
	assert_true(join(f, "m p q r") == first);
	assert_true(join(f, "n") == second);
}

static void test_rolled_back(void **state)
{
	struct account_fixture *f = *state;
	struct bytes ids[] = {{"child", 5}, {"mother", 6}};
	uint64_t thread;
	fixture_begin(f);
	assert_int_equal(thread_join(f->account, ids, 2, &thread), STORE_OK);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_true(join(f, "child father") != thread);
}

static void test_too_many(void **state)
{
	struct account_fixture *f = *state;
	char text[IDS * 5 + 1] = "", *to = text;
	for (int i = 0; i < IDS - 1; i++)
		to += sprintf(to, "%s%03d", i ? " " : "", i);
	uint64_t far = join(f, "150"), eldest = join(f, "198");
	assert_true(far != eldest);
	assert_true(join(f, text) == eldest);
	uint64_t near = join(f, "999 030 150");
	assert_true(near == far);
}

/* Contents: the same bytes have the same thread; a message without any ID is alone. */
static void test_contents(void **state)
{
	struct account_fixture *f = *state;
	struct content_row row;
	int64_t one = fixture_store(f, "one", 3, 0), two = fixture_store(f, "two", 3, 0);
	assert_int_equal(content_get(f->account, one, &row), STORE_OK);
	uint64_t thread = row.thread;
	int64_t found;
	assert_int_equal(content_find(f->account, row.digest.ptr, &found), STORE_OK);
	assert_int_equal(found, one);
	assert_int_equal(content_get(f->account, two, &row), STORE_OK);
	assert_true(row.thread != thread);
	assert_int_equal(fixture_store(f, "one", 3, 0), one);
	static const unsigned char nothing[DIGEST_BYTES];
	assert_int_equal(content_find(f->account, nothing, &found), STORE_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_again, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_rolled_back, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_too_many, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_contents, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
