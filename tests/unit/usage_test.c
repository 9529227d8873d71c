/* What an account takes, as messages come and go, and what a failed op, a crash and a limit leave of that. */
#include "storage/usage.h"

#include "storage/copy.h"
#include "tests/unit/account_fixture.h"

#include <pthread.h>

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
}

static bool room_for_100(void *ctx, uint64_t bytes)
{
	(void)ctx;
	return bytes <= 100;
}

static bool no_room(void *ctx, uint64_t bytes)
{
	(void)ctx;
	(void)bytes;
	return false;
}

/* On a disk with little room nothing is added, whoever adds it; all else goes on. */
static void test_little_room(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), box = fixture_mailbox(f, "box");
	fixture_publish(f, inbox, 1, 100);
	f->env.has_room = room_for_100;
	assert_int_equal(usage_check_room(f->account, 100), STORE_OK);
	assert_int_equal(usage_check_room(f->account, 101), STORE_FULL);
	f->env.has_room = no_room;
	fixture_begin(f);
	copy(f, inbox, 1, box, false);
	assert_int_equal(usage_check(f->account), STORE_FULL);
	f->account->beyond_quota = true;
	assert_int_equal(usage_check(f->account), STORE_FULL);
	f->account->beyond_quota = false;
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	fixture_begin(f);
	copy(f, inbox, 1, box, true);
	assert_int_equal(usage_check(f->account), STORE_OK);
	fixture_end(f);
	f->env.has_room = NULL;
	assert_usage(f, 100, 1);
}

/* Others have 300 of the 500 that all may have together. */
static void test_pool(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), box = fixture_mailbox(f, "box");
	const struct quota shared = {.pool_bytes = 500};
	struct usage_pool pool = {300}, other = {1000};
	struct usage_share share = {&pool, 0};
	fixture_publish(f, inbox, 1, 100);
	usage_set_share(f->account, &share);
	usage_set_quota(f->account, &shared);
	assert_int_equal(usage_pool_bytes(f->account), 400);
	assert_int_equal(usage_check_room(f->account, 100), STORE_OK);
	assert_int_equal(usage_check_room(f->account, 101), STORE_OVERQUOTA);
	/* What an op takes is gone for others at once; when it fails, it is there again. */
	fixture_begin(f);
	copy(f, inbox, 1, box, false);
	assert_int_equal(usage_check(f->account), STORE_OK);
	assert_int_equal(pool.bytes, 500);
	copy(f, inbox, 1, box, false);
	assert_int_equal(usage_check(f->account), STORE_OVERQUOTA);
	assert_int_equal(pool.bytes, 500);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	assert_int_equal(pool.bytes, 400);
	/* Others fill it meanwhile: MOVE goes on, and who may go beyond is counted. */
	pool.bytes += 150;
	fixture_begin(f);
	copy(f, inbox, 1, box, true);
	assert_int_equal(usage_check(f->account), STORE_OK);
	fixture_end(f);
	fixture_begin(f);
	copy(f, box, 1, inbox, false);
	assert_int_equal(usage_check(f->account), STORE_OVERQUOTA);
	f->account->beyond_quota = true;
	assert_int_equal(usage_check(f->account), STORE_OK);
	f->account->beyond_quota = false;
	fixture_end(f);
	assert_int_equal(pool.bytes, 650);
	/* The share outlives the account. */
	fixture_close(f);
	assert_int_equal(pool.bytes, 650);
	fixture_open(f);
	usage_set_share(f->account, &share);
	assert_int_equal(pool.bytes, 650);
	/* Another pool, where 150 are known of already. */
	usage_share_move(&share, &other, 150);
	assert_int_equal(pool.bytes, 600);
	assert_int_equal(other.bytes, 1050);
	usage_set_share(f->account, NULL);
	assert_int_equal(usage_pool_bytes(f->account), 0);
}

struct taker {
	struct account account;
	struct usage_share share;
	int64_t taken;
};

/* Takes a byte again and again, as ops of an account of its own would. */
static void *take_all(void *arg)
{
	struct taker *t = arg;
	t->account.share = &t->share;
	t->account.quota.pool_bytes = 200000;
	t->account.in_op = true;
	do {
		t->account.before.usage = t->account.usage;
		t->account.usage.bytes++;
	} while (usage_check(&t->account) == STORE_OK);
	t->account.usage.bytes--;
	t->taken = (int64_t)t->account.usage.bytes;
	return NULL;
}

/* However many take at once, together they take what there is. */
static void test_pool_at_once(void **state)
{
	struct usage_pool pool = {0};
	struct taker *takers = xcalloc(4, sizeof(*takers));
	pthread_t threads[4];
	int64_t sum = 0;
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		takers[i].share.pool = &pool;
		assert_int_equal(pthread_create(&threads[i], NULL, take_all, &takers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		sum += takers[i].taken;
	}
	assert_int_equal(sum, 200000);
	assert_int_equal(pool.bytes, 200000);
	free(takers);
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
		cmocka_unit_test_setup_teardown(test_little_room, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_pool, fixture_set_up, fixture_tear_down),
		cmocka_unit_test(test_pool_at_once),
		cmocka_unit_test_setup_teardown(test_random, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
