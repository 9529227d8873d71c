/* What an account takes, as messages come and go, and what a failed op, a crash and a limit leave of that. */
#include "storage/usage.h"

#include "storage/copy.h"
#include "tests/unit/account_fixture.h"

static void assert_usage(struct account_fixture *f, uint64_t bytes, uint64_t messages)
{
	const struct usage is = usage_get(f->account);
	assert_int_equal(is.bytes, bytes);
	assert_int_equal(is.messages, messages);
}

static void copy(struct account_fixture *f, int64_t from, uint32_t uid, int64_t to, bool moves)
{
	struct uidset set = {0};
	struct copy_result result;
	uidset_append(&set, uid, uid);
	if (moves)
		assert_int_equal(messages_move(f->account, from, &set, to, &result), STORE_OK);
	else
		assert_int_equal(messages_copy(f->account, from, &set, to, &result), STORE_OK);
	copy_result_finish(&result);
	uidset_finish(&set);
}

static void test_counts(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), box = fixture_mailbox(f, "a/box");
	uint64_t mailboxes;
	assert_usage(f, 0, 0);
	fixture_publish(f, inbox, 1, 100);
	fixture_publish(f, inbox, 2, 20);
	assert_usage(f, 120, 2);
	fixture_begin(f);
	copy(f, inbox, 1, box, false);
	fixture_end(f);
	assert_usage(f, 220, 3);
	fixture_begin(f);
	copy(f, inbox, 2, box, true);
	fixture_end(f);
	assert_usage(f, 220, 3);
	fixture_remove(f, inbox, 1, 1);
	assert_usage(f, 120, 2);
	fixture_close(f);
	fixture_open(f);
	assert_usage(f, 120, 2);
	assert_int_equal(usage_mailboxes(f->account, &mailboxes), STORE_OK);
	assert_int_equal(mailboxes, 8);
	fixture_begin(f);
	assert_int_equal(mailbox_delete(f->account, "a/box"), STORE_OK);
	assert_usage(f, 0, 0);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	assert_usage(f, 120, 2);
	fixture_begin(f);
	assert_int_equal(mailbox_rename(f->account, "a/box", "b"), STORE_OK);
	assert_int_equal(mailbox_delete(f->account, "b"), STORE_OK);
	fixture_end(f);
	assert_usage(f, 0, 0);
}

/* Only what leaves more than it found can be too much. */
static void test_limits(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), box = fixture_mailbox(f, "box"), more;
	const struct quota tight = {.bytes = 150, .messages = 2, .mailboxes = 7};
	fixture_publish(f, inbox, 1, 100);
	usage_set_quota(f->account, &tight);
	assert_int_equal(usage_check_room(f->account, 50), STORE_OK);
	assert_int_equal(usage_check_room(f->account, 51), STORE_OVERQUOTA);
	fixture_begin(f);
	copy(f, inbox, 1, box, false);
	assert_int_equal(usage_check(f->account), STORE_OVERQUOTA);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	assert_usage(f, 100, 1);
	fixture_begin(f);
	copy(f, inbox, 1, box, true);
	assert_int_equal(usage_check(f->account), STORE_OK);
	fixture_end(f);
	fixture_begin(f);
	assert_int_equal(mailbox_create(f->account, "one more", 0, &more), STORE_OVERQUOTA);
	f->account->beyond_quota = true;
	assert_int_equal(mailbox_create(f->account, "one more", 0, &more), STORE_OK);
	copy(f, box, 1, inbox, false);
	assert_int_equal(usage_check(f->account), STORE_OK);
	f->account->beyond_quota = false;
	fixture_end(f);
	assert_usage(f, 200, 2);
	/* Above it: what takes away, and what changes nothing, goes on. */
	assert_int_equal(usage_check_room(f->account, 0), STORE_OVERQUOTA);
	fixture_begin(f);
	copy(f, box, 1, inbox, true);
	assert_int_equal(usage_check(f->account), STORE_OK);
	fixture_end(f);
	/* Room that is left to others. */
	const struct quota shared = {.has_growth = true, .growth_max = 99};
	usage_set_quota(f->account, &shared);
	assert_int_equal(usage_check_room(f->account, 100), STORE_OVERQUOTA);
	fixture_begin(f);
	copy(f, inbox, 2, box, false);
	assert_int_equal(usage_check(f->account), STORE_OVERQUOTA);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
}

/* Any sequence of ops, some of which fail: the count is the sum of what is committed. */
static void test_random(void **state)
{
	struct account_fixture *f = *state;
	int64_t boxes[] = {fixture_mailbox(f, "INBOX"), fixture_mailbox(f, "Archive"), fixture_mailbox(f, "Trash")};
	for (int round = 0; round < 500; round++) {
		int64_t from = boxes[fixture_random(f) % 3], to = boxes[fixture_random(f) % 3];
		uint32_t uid = 1 + (uint32_t)(fixture_random(f) % 20);
		struct append_item item = {.content = 1, .size = (uint32_t)(fixture_random(f) % 1000)};
		fixture_begin(f);
		switch (fixture_random(f) % 4) {
		case 0: case 1:
			assert_int_equal(messages_append(f->account, to, &item, 1, &uid), STORE_OK);
			break;
		case 2:
			copy(f, from, uid, to, fixture_random(f) % 2);
			break;
		default: {
			struct uidset set = {0};
			uidset_append(&set, uid, uid + 5);
			assert_int_equal(messages_remove(f->account, from, &set), STORE_OK);
			uidset_finish(&set);
		}
		}
		assert_int_equal(account_end(f->account, fixture_random(f) % 5 != 0), STORE_OK);
		if (fixture_random(f) % 3 == 0)
			assert_int_equal(fixture_commit(f), STORE_OK);
		struct usage counted = usage_get(f->account);
		assert_int_equal(usage_load(f->account), STORE_OK);
		assert_usage(f, counted.bytes, counted.messages);
	}
	assert_int_equal(fixture_commit(f), STORE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_limits, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_random, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
