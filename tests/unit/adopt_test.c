/* storage/adopt: a mailbox from elsewhere keeps the numbers its clients know it by. */
#include "storage/adopt.h"

#include "tests/unit/account_fixture.h"

static bool adopt(struct account_fixture *f, int64_t box, uint32_t uidvalidity)
{
	bool taken;
	fixture_begin(f);
	assert_int_equal(mailbox_adopt(f->account, box, uidvalidity, &taken), STORE_OK);
	fixture_end(f);
	return taken;
}

static uint32_t append_at(struct account_fixture *f, int64_t box, const uint32_t *uids, uint32_t n, enum store_err want)
{
	struct append_item items[4];
	uint32_t first = 0;
	int64_t content = fixture_store(f, "some bytes", 10, 0);
	for (uint32_t i = 0; i < n; i++)
		items[i] = (struct append_item){.content = content, .size = 10, .uid = uids[i]};
	fixture_begin(f);
	assert_int_equal(messages_append(f->account, box, items, n, &first), want);
	fixture_end(f);
	return first;
}

static struct mailbox_info info_of(struct account_fixture *f, int64_t box)
{
	struct mailbox_info info;
	assert_int_equal(mailbox_info(f->account, box, &info), STORE_OK);
	return info;
}

static void reopen(struct account_fixture *f)
{
	fixture_close(f);
	fixture_open(f);
}

static void test_numbers_are_taken_over(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "Old");
	uint64_t before = info_of(f, box).modseq;
	assert_true(adopt(f, box, 123456));
	assert_true(info_of(f, box).modseq > before);
	const uint32_t uids[] = {7, 0, 4000};
	assert_int_equal(append_at(f, box, uids, 3, STORE_OK), 7);
	assert_true(adopt(f, box, 123456)); /* again: it has it */
	fixture_begin(f);
	assert_int_equal(mailbox_raise_uidnext(f->account, box, 9000), STORE_OK);
	assert_int_equal(mailbox_raise_uidnext(f->account, box, 10), STORE_OK);
	fixture_end(f);
	reopen(f);
	struct mailbox_info info = info_of(f, box);
	assert_int_equal(info.uidvalidity, 123456);
	assert_int_equal(info.uidnext, 9000);
	assert_int_equal(info.messages, 3);
	struct roster *r = fixture_roster(f, box);
	assert_int_equal(uids_at(&r->uids, 0), 7);
	assert_int_equal(uids_at(&r->uids, 1), 8);
	assert_int_equal(uids_at(&r->uids, 2), 4000);
	fixture_check(f);
}

static void test_what_clients_know_stays(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "Used"), other = fixture_mailbox(f, "Other");
	fixture_publish(f, box, fixture_store(f, "some bytes", 10, 0), 10);
	uint32_t validity = info_of(f, box).uidvalidity;
	assert_false(adopt(f, box, 5)); /* it has had mail */
	assert_int_equal(info_of(f, box).uidvalidity, validity);
	assert_false(adopt(f, other, 0));
	int64_t fresh = fixture_mailbox(f, "Fresh");
	/* And the next one is above all of them, whatever came from elsewhere. */
	assert_true(adopt(f, fresh, 4000000000u));
	assert_true(info_of(f, fixture_mailbox(f, "Later")).uidvalidity > 4000000000u);
	reopen(f);
	fixture_check(f);
}

static uint32_t validity_of(struct account_fixture *f, int64_t box)
{
	return info_of(f, box).uidvalidity;
}

static void rename_to(struct account_fixture *f, const char *from, const char *to)
{
	fixture_begin(f);
	assert_int_equal(mailbox_rename(f->account, from, to), STORE_OK);
	fixture_end(f);
}

/* Those that came with one UIDVALIDITY have it together, until one of them changes its name. */
static void test_shared(void **state)
{
	struct account_fixture *f = *state;
	int64_t sent = fixture_mailbox(f, "Post"), trash = fixture_mailbox(f, "Bin"), below = fixture_mailbox(f, "Bin/Old"),
		alone = fixture_mailbox(f, "Bin/Alone");
	const uint32_t uids[] = {3};
	assert_true(adopt(f, sent, 4711) && adopt(f, trash, 4711) && adopt(f, below, 4711) && adopt(f, alone, 4712));
	append_at(f, sent, uids, 1, STORE_OK);
	append_at(f, trash, uids, 1, STORE_OK);
	fixture_check(f);
	reopen(f);
	fixture_check(f);
	assert_true(validity_of(f, sent) == 4711 && validity_of(f, trash) == 4711);
	/* Who was away knows "Post" with its 3; what has that name next must not look the same. */
	fixture_begin(f);
	assert_int_equal(mailbox_delete(f->account, "Post"), STORE_OK);
	fixture_end(f);
	rename_to(f, "Bin", "Post");
	uint32_t first = validity_of(f, trash), second = validity_of(f, below);
	assert_true(first != 4711 && second != 4711 && first != second);
	assert_int_equal(validity_of(f, alone), 4712); /* a mailbox that has its own keeps it */
	rename_to(f, "Post", "Bin");
	assert_true(validity_of(f, trash) == first && validity_of(f, below) == second);
	reopen(f);
	assert_int_equal(validity_of(f, trash), first);
	fixture_check(f);
}

static void test_the_last_uids(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "Full");
	const uint32_t last[] = {UINT32_MAX - 2, 0, 0};
	append_at(f, box, last, 3, STORE_LIMIT);
	assert_int_equal(append_at(f, box, last, 1, STORE_OK), UINT32_MAX - 2);
	assert_int_equal(info_of(f, box).uidnext, UINT32_MAX - 1);
	fixture_check(f);
}

static void test_a_failed_op_leaves_it(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "Old");
	uint32_t validity = info_of(f, box).uidvalidity;
	bool taken;
	assert_int_equal(account_begin(f->account), STORE_OK);
	assert_int_equal(mailbox_adopt(f->account, box, 77, &taken), STORE_OK);
	enum store_err err = account_end(f->account, false);
	(void)err;
	assert_int_equal(info_of(f, box).uidvalidity, validity);
	assert_true(adopt(f, box, 77));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_numbers_are_taken_over, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_what_clients_know_stays, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_shared, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_the_last_uids, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_failed_op_leaves_it, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
