/* storage/undelete, storage/history and storage/expire: what was deleted can be had back while retention keeps it. */
#include "storage/undelete.h"

#include "storage/changes.h"
#include "storage/copy.h"
#include "storage/expire.h"
#include "storage/history.h"
#include "storage/sweep.h"
#include "tests/unit/account_fixture.h"

static const struct undelete_filter everything = {.since_s = INT64_MIN, .until_s = INT64_MAX};

static void fill(struct account_fixture *f, int64_t box, uint32_t n, char letter)
{
	for (uint32_t i = 0; i < n; i++) {
		char text[64];
		snprintf(text, sizeof(text), "%c message number %06u", letter, i);
		fixture_publish(f, box, fixture_store(f, text, strlen(text), 0), (uint32_t)strlen(text));
	}
}

static size_t count(struct account_fixture *f, const struct undelete_filter *filter)
{
	struct undelete_list list;
	assert_int_equal(undelete_find(f->account, filter, &list), STORE_OK);
	size_t n = list.n;
	undelete_list_finish(&list);
	return n;
}

static void restore(struct account_fixture *f, const struct undelete_filter *filter, const char *to)
{
	struct undelete_list list;
	assert_int_equal(undelete_find(f->account, filter, &list), STORE_OK);
	for (size_t at = 0; at < list.n; at += 100) {
		fixture_begin(f);
		assert_int_equal(undelete_apply(f->account, &list, at, 100, to), STORE_OK);
		fixture_end(f);
	}
	undelete_list_finish(&list);
}

static uint32_t messages_of(struct account_fixture *f, const char *name)
{
	int64_t box;
	struct mailbox_info info;
	assert_int_equal(mailbox_find(f->account, name, &box), STORE_OK);
	assert_int_equal(mailbox_info(f->account, box, &info), STORE_OK);
	return info.messages;
}

static void delete_mailbox(struct account_fixture *f, const char *name)
{
	fixture_begin(f);
	assert_int_equal(mailbox_delete(f->account, name), STORE_OK);
	fixture_end(f);
}

static void test_in_batches_and_from_deleted_mailboxes(void **state)
{
	struct account_fixture *f = *state;
	int64_t lists = fixture_mailbox(f, "Lists"), child = fixture_mailbox(f, "Top/Child");
	int64_t top = fixture_mailbox(f, "Top");
	fill(f, lists, 500, 'l');
	fill(f, child, 3, 'c');
	fill(f, top, 4, 't');
	fixture_remove(f, lists, 1, 450);
	assert_int_equal(count(f, &everything), 450);
	delete_mailbox(f, "Top"); /* leaves a name */
	delete_mailbox(f, "Top/Child"); /* and takes it along */
	assert_int_equal(count(f, &everything), 457);
	const struct undelete_filter of_top = {.mailbox = "Top", .since_s = INT64_MIN, .until_s = INT64_MAX};
	assert_int_equal(count(f, &of_top), 4);
	restore(f, &everything, NULL);
	assert_int_equal(messages_of(f, "Lists"), 500);
	assert_int_equal(messages_of(f, "Top"), 4);
	assert_int_equal(messages_of(f, "Top/Child"), 3);
	assert_int_equal(count(f, &everything), 0);
	fixture_check(f);
}

static void test_time_and_retention(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "Lists");
	fill(f, box, 20, 'l');
	fixture_remove(f, box, 1, 5);
	f->now_s += 1000;
	account_set_actor(f->account, "alice", "Laptop");
	fixture_remove(f, box, 6, 8);
	const struct undelete_filter late = {.since_s = f->now_s - 10, .until_s = INT64_MAX};
	const struct undelete_filter early = {.since_s = INT64_MIN, .until_s = f->now_s - 10};
	const struct undelete_filter laptop = {.since_s = INT64_MIN, .until_s = INT64_MAX, .who = "LAP"};
	assert_int_equal(count(f, &late), 3);
	assert_int_equal(count(f, &early), 5);
	assert_int_equal(count(f, &laptop), 3);
	/* Retention takes the older ones, with all that knew of them. */
	sweep_start(f->account, 500, true);
	for (bool more = true; more;) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		fixture_end(f);
	}
	assert_int_equal(count(f, &everything), 3);
	restore(f, &everything, "Back");
	assert_int_equal(messages_of(f, "Back"), 3);
	assert_int_equal(messages_of(f, "Lists"), 12);
	fixture_check(f);
}

static void test_moved_is_not_missing(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), trash = fixture_mailbox(f, "Trash");
	fill(f, inbox, 4, 'i');
	struct uidset two = {0};
	struct copy_result result;
	uidset_append(&two, 2, 3);
	fixture_begin(f);
	assert_int_equal(messages_move(f->account, inbox, &two, trash, &result), STORE_OK);
	fixture_end(f);
	copy_result_finish(&result);
	uidset_finish(&two);
	assert_int_equal(count(f, &everything), 0);
	fixture_remove(f, trash, 1, 1);
	assert_int_equal(count(f, &everything), 1);
	restore(f, &everything, NULL);
	assert_int_equal(messages_of(f, "INBOX"), 3); /* where it was before it was in Trash */
	assert_int_equal(messages_of(f, "Trash"), 1);
}

struct moved {
	struct account *a;
	int64_t to;
	unsigned rows;
};

static bool on_row(void *ctx, const struct history_row *row)
{
	struct moved *m = ctx;
	m->rows++;
	if (row->kinds & CHANGE_EXPUNGED)
		assert_int_equal(history_moved_to(m->a, row, &m->to), STORE_OK);
	return true;
}

static void test_history_goes_on_in_pieces(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), trash = fixture_mailbox(f, "Trash"), after;
	fill(f, inbox, 10, 'i');
	struct uidset one = {0};
	struct copy_result result;
	uidset_append(&one, 2, 2);
	f->now_s += 50;
	fixture_begin(f);
	assert_int_equal(messages_move(f->account, inbox, &one, trash, &result), STORE_OK);
	fixture_end(f);
	copy_result_finish(&result);
	uidset_finish(&one);
	struct moved m = {.a = f->account};
	bool more;
	assert_int_equal(history_each(f->account, 0, 4, on_row, &m, &more), STORE_OK);
	assert_true(more && m.rows == 4);
	assert_int_equal(history_each(f->account, 0, 1000, on_row, &m, &more), STORE_OK);
	assert_false(more);
	assert_int_equal(m.to, trash);
	assert_int_equal(history_find(f->account, f->now_s - 10, &after), STORE_OK);
	m.rows = 0;
	assert_int_equal(history_each(f->account, after, 1000, on_row, &m, &more), STORE_OK);
	assert_int_equal(m.rows, 2); /* INBOX and Trash */
}

static void test_expire_by_save_date(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "Trash");
	fill(f, box, 10, 'a');
	f->now_s += 100;
	fill(f, box, 5, 'b');
	uint32_t removed;
	bool more;
	fixture_begin(f);
	assert_int_equal(messages_expire(f->account, box, f->now_s - 200, 100, &removed, &more), STORE_OK);
	assert_true(removed == 0 && !more);
	assert_int_equal(messages_expire(f->account, box, f->now_s, 4, &removed, &more), STORE_OK);
	assert_true(removed == 4 && more);
	assert_int_equal(messages_expire(f->account, box, f->now_s, 100, &removed, &more), STORE_OK);
	assert_true(removed == 6 && !more);
	fixture_end(f);
	assert_int_equal(messages_of(f, "Trash"), 5);
	assert_int_equal(count(f, &everything), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_batches_and_from_deleted_mailboxes, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_time_and_retention, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_moved_is_not_missing, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_history_goes_on_in_pieces, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_expire_by_save_date, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
