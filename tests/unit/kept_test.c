/* Results that are kept with an account: found again, replaced, given up for others, alive while somebody has them. */
#include "storage/kept.h"

#include "tests/unit/account_fixture.h"

enum { ROOM = 100000, SIZE = 30000 };

static struct bytes text(const char *s)
{
	return (struct bytes){s, strlen(s)};
}

/* A result of `len` octets `c` with a key. */
static void add(struct account_fixture *f, int64_t mailbox, const char *key, char c, size_t len)
{
	struct uids uids = {0};
	struct kept_result result = {xmalloc(len), len};
	memset(result.data, c, len);
	struct kept *k = kept_create(mailbox, text(key), 7, &uids, result);
	kept_add(f->account, k, ROOM);
	kept_release(k);
}

static char first_of(struct account_fixture *f, int64_t mailbox, const char *key)
{
	struct kept *k = kept_find(f->account, mailbox, text(key));
	return k ? *(const char *)kept_data(k).ptr : '-';
}

static void test_find(void **state)
{
	struct account_fixture *f = *state;
	assert_int_equal(first_of(f, 1, "a"), '-');
	add(f, 1, "a", 'x', 10);
	add(f, 2, "a", 'y', 10);
	add(f, 1, "ab", 'z', 10);
	assert_int_equal(first_of(f, 1, "a"), 'x');
	assert_int_equal(first_of(f, 2, "a"), 'y');
	assert_int_equal(first_of(f, 1, "ab"), 'z');
	assert_int_equal(first_of(f, 3, "a"), '-');
	assert_int_equal(first_of(f, 1, ""), '-');
	size_t bytes = kept_bytes(f->account);
	add(f, 1, "a", 'w', 10);
	assert_int_equal(first_of(f, 1, "a"), 'w');
	assert_int_equal(kept_bytes(f->account), bytes);
}

/* Those that nobody has asked for longest go; one that is larger than all of the room takes nobody's place. */
static void test_room(void **state)
{
	struct account_fixture *f = *state;
	add(f, 1, "a", 'a', SIZE);
	add(f, 1, "b", 'b', SIZE);
	add(f, 1, "c", 'c', SIZE);
	assert_int_equal(first_of(f, 1, "a"), 'a');
	add(f, 1, "d", 'd', SIZE);
	assert_int_equal(first_of(f, 1, "b"), '-');
	assert_int_equal(first_of(f, 1, "a"), 'a');
	assert_int_equal(first_of(f, 1, "c"), 'c');
	assert_true(kept_bytes(f->account) <= ROOM);
	add(f, 1, "e", 'e', ROOM);
	assert_int_equal(first_of(f, 1, "e"), '-');
	assert_int_equal(first_of(f, 1, "c"), 'c');
	add(f, 1, "c", 'e', ROOM); /* but an old one does not stand in for it */
	assert_int_equal(first_of(f, 1, "c"), '-');
	for (int i = 0; i < 3 * KEPT_RESULTS; i++) {
		char key[16];
		snprintf(key, sizeof(key), "n%d", i);
		add(f, 1, key, 'n', 1);
	}
	assert_int_equal(first_of(f, 1, "a"), '-');
	assert_int_equal(first_of(f, 1, "n127"), '-');
	assert_int_equal(first_of(f, 1, "n128"), 'n');
	assert_int_equal(first_of(f, 1, "n191"), 'n');
}

static void test_references(void **state)
{
	struct account_fixture *f = *state;
	add(f, 1, "a", 'a', SIZE);
	struct kept *k = kept_acquire(kept_find(f->account, 1, text("a")));
	assert_int_equal(kept_modseq(k), 7);
	kept_renew(k, 9, kept_uids(k));
	add(f, 1, "a", 'b', SIZE);
	fixture_close(f);
	assert_int_equal(((const char *)kept_data(k).ptr)[SIZE - 1], 'a');
	assert_int_equal(kept_modseq(k), 9);
	kept_release(k);
	kept_release(NULL);
	fixture_open(f);
	assert_int_equal(first_of(f, 1, "a"), '-');
	assert_int_equal(kept_bytes(f->account), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_room, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_references, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
