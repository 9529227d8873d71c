/* server/expirer: what goes by age, by the rules of the account. */
#include "server/expirer.h"

#include "tests/unit/account_fixture.h"

static void deliver(struct account_fixture *f, const char *box, const char *text)
{
	fixture_publish(f, fixture_mailbox(f, box), fixture_store(f, text, strlen(text), 0), (uint32_t)strlen(text));
}

static uint32_t messages_of(struct account_fixture *f, const char *box)
{
	struct mailbox_info info;
	assert_int_equal(mailbox_info(f->account, fixture_mailbox(f, box), &info), STORE_OK);
	return info.messages;
}

static uint64_t expire(struct account_fixture *f, int trash_days, int junk_days)
{
	const struct expire_rules rules = {trash_days, junk_days};
	uint64_t removed = 0;
	for (bool more = true; more;) {
		fixture_begin(f);
		assert_int_equal(expire_step(f->account, &rules, &removed, &more), STORE_OK);
		fixture_end(f);
	}
	return removed;
}

static void test_by_use_and_not_by_name(void **state)
{
	struct account_fixture *f = *state;
	fixture_begin(f);
	assert_int_equal(mailbox_rename(f->account, "Trash", "Bin/Deleted"), STORE_OK);
	fixture_end(f);
	deliver(f, "Bin/Deleted", "old and deleted");
	deliver(f, "Junk", "old and unwanted");
	deliver(f, "INBOX", "old and kept");
	deliver(f, "Trash", "in a mailbox that is only called so");
	f->now_s += 10 * 86400;
	deliver(f, "Bin/Deleted", "deleted just now");
	assert_int_equal(expire(f, 0, 0), 0);
	assert_int_equal(expire(f, 11, 30), 0);
	assert_int_equal(expire(f, 9, 30), 1);
	assert_int_equal(messages_of(f, "Bin/Deleted"), 1);
	assert_int_equal(messages_of(f, "Junk"), 1);
	assert_int_equal(expire(f, 9, 9), 1);
	assert_int_equal(messages_of(f, "Junk"), 0);
	assert_int_equal(messages_of(f, "INBOX") + messages_of(f, "Trash"), 2);
}

static void test_many_in_steps(void **state)
{
	struct account_fixture *f = *state;
	int64_t trash = fixture_mailbox(f, "Trash"), content = fixture_store(f, "one for all", 11, 0);
	fixture_begin(f);
	for (int i = 0; i < 5000; i++) {
		const struct append_item item = {.content = content, .size = 11};
		uint32_t uid;
		assert_int_equal(messages_append(f->account, trash, &item, 1, &uid), STORE_OK);
	}
	fixture_end(f);
	f->now_s += 2 * 86400;
	assert_int_equal(expire(f, 1, 0), 5000);
	assert_int_equal(messages_of(f, "Trash"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_by_use_and_not_by_name, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_many_in_steps, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
