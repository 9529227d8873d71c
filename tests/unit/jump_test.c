/* storage/jump, and the mark of an unclean stop: modseqs never run backwards for a client. */
#include "storage/jump.h"

#include "storage/changes.h"
#include "storage/store.h"
#include "tests/unit/account_fixture.h"

#include <errno.h>

static void set_flags(struct account_fixture *f, int64_t box, uint32_t flags)
{
	struct uidset all = {0}, changed = {0};
	struct flag_spec spec = {flags, ""};
	uidset_append(&all, 1, 5);
	fixture_begin(f);
	assert_int_equal(messages_store(f->account, box, &all, FLAG_SET, &spec, &changed), STORE_OK);
	fixture_end(f);
	uidset_finish(&all);
	uidset_finish(&changed);
}

static int64_t make_mail(struct account_fixture *f)
{
	int64_t box = fixture_mailbox(f, "Lists");
	for (uint32_t i = 0; i < 300; i++)
		fixture_publish(f, box, fixture_store(f, "some bytes", 10, 0), 10);
	fixture_remove(f, box, 10, 20);
	return box;
}

static void kill_and_start(struct account_fixture *f, uint64_t boot_id)
{
	f->account->db.broken = true; /* closed as it is, the log left behind */
	fixture_close(f);
	f->env.boot_id = boot_id;
	fixture_open(f);
}

static void test_everything_is_restamped(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = make_mail(f);
	struct roster *r;
	struct roster_slice s;
	assert_int_equal(roster_get(f->account, box, &r), STORE_OK);
	struct mailbox_info before = r->info;
	uint64_t told = f->account->modseq;
	assert_int_equal(account_jump(f->account, told, false), STORE_OK);
	assert_true(f->account->modseq > told + JUMP_MODSEQS);
	assert_int_equal(roster_get(f->account, box, &r), STORE_OK);
	assert_int_equal(r->info.uidvalidity, before.uidvalidity);
	assert_int_equal(r->info.uidnext, before.uidnext);
	assert_int_equal(r->info.messages, before.messages);
	assert_true(r->info.modseq == f->account->modseq && r->info.floor == f->account->modseq);
	for (uint32_t at = 0; roster_slice_at(r, at, &s); at = s.index + s.n)
		for (uint32_t i = 0; i < s.n; i++)
			assert_true(s.modseq[i] == f->account->modseq);
	struct uidset expunged = {0}, changed = {0};
	assert_int_equal(changes_since(f->account, box, told, before.uidnext, &expunged, &changed), STORE_LIMIT);
	assert_int_equal(uidset_count(&changed), before.messages);
	uidset_finish(&expunged);
	uidset_finish(&changed);
	fixture_check(f);
	uint64_t jumped = f->account->modseq;
	set_flags(f, box, FLAG_SEEN);
	assert_true(f->account->modseq == jumped + 1);
	fixture_close(f);
	fixture_open(f);
	assert_true(f->account->modseq == jumped + 1);
	fixture_check(f);
}

static void test_uids_leap_after_a_restore(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = make_mail(f), full = fixture_mailbox(f, "Full");
	struct mailbox_info before, after;
	roster_drop_all(f->account);
	char sql[80];
	snprintf(sql, sizeof(sql), "UPDATE mailbox SET uidnext=4294967000 WHERE id=%lld", (long long)full);
	fixture_execute(f, sql);
	assert_int_equal(mailbox_info(f->account, full, &before), STORE_OK);
	assert_int_equal(account_jump(f->account, 0, true), STORE_OK);
	assert_int_equal(mailbox_info(f->account, box, &after), STORE_OK);
	assert_int_equal(after.uidnext, 301 + JUMP_UIDS);
	assert_int_equal(mailbox_info(f->account, full, &after), STORE_OK);
	assert_true(after.uidvalidity > before.uidvalidity);
	assert_int_equal(fixture_publish(f, box, fixture_store(f, "new", 3, 0), 3), 301 + JUMP_UIDS);
	assert_true(fixture_mailbox(f, "New") > JUMP_UIDS);
	fixture_check(f);
}

static void test_when_the_account_jumps_by_itself(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = make_mail(f);
	set_flags(f, box, FLAG_SEEN);
	uint64_t told = f->account->modseq;
	kill_and_start(f, 1); /* the process died, the machine did not */
	assert_true(f->account->modseq == told);
	kill_and_start(f, 2);
	assert_true(f->account->modseq > told + JUMP_MODSEQS);
	told = f->account->modseq;
	kill_and_start(f, 2); /* once is enough */
	assert_true(f->account->modseq == told);
	set_flags(f, box, FLAG_DRAFT);
	told = f->account->modseq;
	fixture_close(f); /* cleanly */
	f->env.boot_id = 3;
	fixture_open(f);
	assert_true(f->account->modseq == told);
	kill_and_start(f, 4); /* nothing was written under 3 */
	assert_true(f->account->modseq == told);
	set_flags(f, box, FLAG_SEEN);
	kill_and_start(f, 5);
	assert_true(f->account->modseq > told + JUMP_MODSEQS);
	fixture_check(f);
}

/* The mark itself must be on disk before commits that are not. */
static void test_the_first_commit_is_synced(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = make_mail(f);
	fixture_close(f);
	fixture_open(f);
	f->passed[POINT_COMMIT_SYNC] = 0;
	set_flags(f, box, FLAG_SEEN);
	assert_int_equal(f->passed[POINT_COMMIT_SYNC], 1);
	set_flags(f, box, FLAG_DRAFT);
	assert_int_equal(f->passed[POINT_COMMIT_SYNC], 1);
	f->env.fsync_always = true;
	set_flags(f, box, FLAG_SEEN);
	assert_int_equal(f->passed[POINT_COMMIT_SYNC], 2);
}

static void test_a_reopening_that_lost_what_was_told(void **state)
{
	struct account_fixture *f = *state;
	make_mail(f);
	uint64_t told = f->account->modseq;
	assert_int_equal(account_reopen(&f->account), STORE_OK);
	assert_true(f->account->modseq == told);
	f->account->modseq_committed += 7; /* flag changes that did not reach the disk */
	assert_int_equal(account_reopen(&f->account), STORE_OK);
	assert_true(f->account->modseq > told + 7 + JUMP_MODSEQS);
	fixture_check(f);
}

static void test_a_jump_that_fails_changes_nothing(void **state)
{
	struct account_fixture *f = *state;
	static const enum store_point points[] = {POINT_BEGIN, POINT_COMMIT};
	make_mail(f);
	for (size_t i = 0; i < countof(points); i++) {
		uint64_t before = f->account->modseq;
		f->fail_at = points[i];
		f->fail_with = EIO;
		assert_int_equal(account_jump(f->account, 0, true), STORE_IO);
		f->fail_at = STORE_POINTS;
		assert_int_equal(account_reopen(&f->account), STORE_OK);
		assert_true(f->account->modseq == before);
		fixture_check(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_everything_is_restamped, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_uids_leap_after_a_restore, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_when_the_account_jumps_by_itself, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_the_first_commit_is_synced, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_reopening_that_lost_what_was_told, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_jump_that_fails_changes_nothing, fixture_set_up,
						fixture_tear_down),
	};
	return cmocka_run_group_tests_name("jump", tests, NULL, NULL);
}
