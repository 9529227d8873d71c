/* storage/imported: which changes were an import's, whatever came in between and whatever was taken back. */
#include "storage/imported.h"

#include "tests/unit/account_fixture.h"

/* One op that changes something; its modseq. */
static uint64_t change(struct account_fixture *f, bool is_import, bool ok)
{
	assert_int_equal(account_begin(f->account), STORE_OK);
	uint64_t modseq = account_modseq(f->account);
	account_touch(f->account, 1, 1);
	if (is_import)
		assert_int_equal(imported_note(f->account), STORE_OK);
	assert_int_equal(account_end(f->account, ok), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	return modseq;
}

static void test_ranges(void **state)
{
	struct account_fixture *f = *state;
	struct imported im = {0};
	uint64_t modseqs[40];
	assert_int_equal(imported_load(f->account, &im), STORE_OK);
	assert_int_equal(im.n, 0);
	assert_false(imported_has(&im, 1));
	/* Three of an import, one of somebody, and so on; at 20 one that fails. */
	for (int i = 0; i < 40; i++)
		modseqs[i] = change(f, i % 4 != 3, i != 20);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(imported_load(f->account, &im), STORE_OK);
	assert_int_equal(im.n, 10);
	for (int i = 0; i < 40; i++)
		if (i != 20)
			assert_int_equal(imported_has(&im, modseqs[i]), i % 4 != 3);
	assert_false(imported_has(&im, modseqs[39] + 1));
	assert_false(imported_has(&im, 0));
	imported_finish(&im);
}

/* Twice in one op is once, and an op that changes nothing leaves nothing. */
static void test_once(void **state)
{
	struct account_fixture *f = *state;
	struct imported im = {0};
	assert_int_equal(account_begin(f->account), STORE_OK);
	assert_int_equal(imported_note(f->account), STORE_OK);
	uint64_t modseq = account_modseq(f->account);
	account_touch(f->account, 1, 1);
	assert_int_equal(imported_note(f->account), STORE_OK);
	assert_int_equal(imported_note(f->account), STORE_OK);
	assert_int_equal(account_end(f->account, true), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	assert_int_equal(imported_load(f->account, &im), STORE_OK);
	assert_int_equal(im.n, 1);
	assert_int_equal(im.v[0].first, modseq);
	assert_int_equal(im.v[0].last, modseq);
	imported_finish(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ranges, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_once, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
