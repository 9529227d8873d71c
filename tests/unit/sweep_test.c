/* storage/sweep, live: what nobody names goes, what anybody names stays, whatever happens in between. */
#include "storage/sweep.h"

#include "storage/blob.h"
#include "storage/copy.h"
#include "tests/unit/account_fixture.h"

#include <errno.h>

static struct sweep_counts sweep(struct account_fixture *f, bool thorough)
{
	bool more = true;
	sweep_start(f->account, SWEEP_RETENTION_S, thorough);
	for (int steps = 0; more; steps++) {
		assert_true(steps < 10000);
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		fixture_end(f);
	}
	return sweep_result(f->account);
}

static bool exists(struct account_fixture *f, int64_t content)
{
	struct content_row row;
	return content_get(f->account, content, &row) == STORE_OK;
}

static bool has_file(struct account_fixture *f, int64_t id)
{
	return access(fixture_blob(f, id), F_OK) == 0;
}

static int64_t store(struct account_fixture *f, size_t len)
{
	char *message = fixture_message(f, len, false);
	int64_t id = fixture_store(f, message, len, 10);
	free(message);
	return id;
}

static void test_what_is_expunged_stays_until_retention_ends(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "INBOX"), kept = store(f, 1000), small = store(f, 2000), large = store(f, 300000);
	fixture_publish(f, box, kept, 1000);
	uint32_t a = fixture_publish(f, box, small, 2000), b = fixture_publish(f, box, large, 300000);
	fixture_remove(f, box, a, a);
	fixture_remove(f, box, b, b);
	assert_int_equal(sweep(f, true).contents, 0);
	f->now_s += SWEEP_RETENTION_S - 10;
	assert_int_equal(sweep(f, false).contents, 0);
	assert_true(exists(f, small) && has_file(f, large));
	f->now_s += 20;
	struct sweep_counts counts = sweep(f, false);
	assert_int_equal(counts.contents, 2);
	assert_true(exists(f, kept) && !exists(f, small) && !exists(f, large) && !has_file(f, large));
	assert_int_equal(sweep(f, true).files, 0);
}

static void test_a_deleted_mailbox_is_a_candidate(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "Lists"), content = store(f, 1000);
	fixture_publish(f, box, content, 1000);
	fixture_begin(f);
	assert_int_equal(mailbox_delete(f->account, "Lists"), STORE_OK);
	fixture_end(f);
	assert_int_equal(sweep(f, false).contents, 0);
	f->now_s += SWEEP_RETENTION_S + 1;
	assert_int_equal(sweep(f, false).contents, 1);
	assert_false(exists(f, content));
}

/* Without candidates there is nothing to look for; a thorough one finds what was stored and never published. */
static void test_what_was_never_published(void **state)
{
	struct account_fixture *f = *state;
	int64_t never = store(f, 1000), never_file = store(f, 300000);
	assert_int_equal(sweep(f, false).contents, 0);
	assert_true(exists(f, never));
	assert_int_equal(sweep(f, true).contents, 2);
	assert_true(!exists(f, never) && !has_file(f, never_file));
}

static void test_a_writer_that_lives_holds_its_content(void **state)
{
	struct account_fixture *f = *state;
	char *message = fixture_message(f, 5000, false);
	struct content_meta meta = fixture_meta(message, 5000, 10);
	struct content_writer *w = content_writer_create(f->account);
	int64_t id;
	assert_int_equal(content_writer_write(w, message, 5000), STORE_OK);
	fixture_begin(f);
	assert_int_equal(content_writer_finish(w, &meta, &id), STORE_OK);
	fixture_end(f);
	assert_int_equal(sweep(f, true).contents, 0);
	fixture_publish(f, fixture_mailbox(f, "INBOX"), id, 5000);
	content_writer_destroy(w);
	assert_int_equal(sweep(f, true).contents, 0);
	assert_true(exists(f, id));
	free(message);
}

static void make_file(const char *path)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
}

static void test_files_without_rows(void **state)
{
	struct account_fixture *f = *state;
	int64_t small = store(f, 1000), large = store(f, 300000), last = store(f, 300001);
	fixture_publish(f, fixture_mailbox(f, "INBOX"), small, 1000);
	fixture_publish(f, fixture_mailbox(f, "INBOX"), large, 300000);
	fixture_publish(f, fixture_mailbox(f, "INBOX"), last, 300001);
	char dir[64];
	snprintf(dir, sizeof(dir), "account/blob/%02x", (unsigned)small);
	mkdir(scratch_path(&f->dir, dir), 0700);
	make_file(fixture_blob(f, small)); /* its body is in the database: what a rolled back op left */
	snprintf(dir, sizeof(dir), "account/blob/%02x", (unsigned)(last + 1));
	mkdir(scratch_path(&f->dir, dir), 0700);
	make_file(fixture_blob(f, last + 1)); /* may be on its way in */
	make_file(scratch_path(&f->dir, "account/blob/02/not-ours"));
	assert_int_equal(sweep(f, true).files, 1);
	assert_true(!has_file(f, small) && has_file(f, large) && has_file(f, last) && has_file(f, last + 1));
	assert_int_equal(access(scratch_path(&f->dir, "account/blob/02/not-ours"), F_OK), 0);
}

static void test_an_unlink_that_fails_is_made_up_for(void **state)
{
	struct account_fixture *f = *state;
	int64_t large = store(f, 300000);
	f->fail_at = POINT_BLOB_UNLINK;
	f->fail_with = EIO;
	assert_int_equal(sweep(f, true).contents, 1);
	assert_true(has_file(f, large));
	f->fail_at = STORE_POINTS;
	assert_int_equal(sweep(f, true).files, 1);
	assert_false(has_file(f, large));
}

/* The file goes when the deletion of its row is on disk, and not before. */
static void test_a_deletion_that_is_undone_keeps_its_file(void **state)
{
	struct account_fixture *f = *state;
	int64_t large = store(f, 300000);
	bool more = true;
	sweep_start(f->account, SWEEP_RETENTION_S, true);
	while (more && f->account->unlinks_n == 0) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		if (f->account->unlinks_n == 0)
			fixture_end(f);
	}
	assert_int_equal(f->account->unlinks_n, 1);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	assert_true(exists(f, large) && has_file(f, large));
	sweep_start(f->account, SWEEP_RETENTION_S, true);
	f->fail_at = POINT_COMMIT_SYNC;
	f->fail_with = EIO;
	for (enum store_err err = STORE_OK; !err;) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		assert_int_equal(account_end(f->account, true), STORE_OK);
		err = fixture_commit(f);
	}
	assert_true(has_file(f, large));
	f->fail_at = STORE_POINTS;
	assert_int_equal(account_reopen(&f->account), STORE_OK);
	sweep(f, true);
	assert_true(!exists(f, large) && !has_file(f, large));
}

static void test_free_pages_are_given_back(void **state)
{
	struct account_fixture *f = *state;
	for (int i = 0; i < 200; i++)
		store(f, 60000);
	struct stat before, after;
	assert_int_equal(account_idle(f->account), STORE_OK);
	assert_int_equal(stat(scratch_path(&f->dir, "account/index.db"), &before), 0);
	assert_true(sweep(f, true).pages > 100);
	assert_int_equal(account_idle(f->account), STORE_OK);
	assert_int_equal(stat(scratch_path(&f->dir, "account/index.db"), &after), 0);
	assert_true(after.st_size < before.st_size / 4);
}

static void test_when_it_is_due(void **state)
{
	struct account_fixture *f = *state;
	assert_true(sweep_is_due(f->account));
	sweep(f, false);
	assert_false(sweep_is_due(f->account));
	f->now_s += SWEEP_EVERY_S;
	assert_true(sweep_is_due(f->account));
	sweep_start(f->account, SWEEP_RETENTION_S, false);
	assert_false(sweep_is_due(f->account));
	sweep_stop(f->account);
}

/* --- other ops between the steps --- */

/* Steps a thorough sweep until nothing is left but to delete: all named contents are marked. */
static void step(struct account_fixture *f, int steps)
{
	for (bool more; steps; steps--) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		fixture_end(f);
		assert_true(more);
	}
}

static void finish_sweep(struct account_fixture *f)
{
	for (bool more = true; more;) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		fixture_end(f);
	}
}

/* Nobody names it when its mailbox is looked at; then the same bytes arrive again. */
static void test_a_content_that_comes_back_to_life(void **state)
{
	struct account_fixture *f = *state;
	char *message = fixture_message(f, 700, false);
	int64_t first = store(f, 100), id = fixture_store(f, message, 700, 10);
	fixture_publish(f, fixture_mailbox(f, "INBOX"), first, 100);
	sweep_start(f->account, SWEEP_RETENTION_S, true);
	step(f, 4); /* history; segments and their end; graveyard */
	assert_int_equal(fixture_store(f, message, 700, 10), id);
	fixture_publish(f, fixture_mailbox(f, "INBOX"), id, 700);
	finish_sweep(f);
	assert_int_equal(sweep_result(f->account).contents, 0);
	assert_true(exists(f, id));
	free(message);
}

/* A segment that was not looked at joins one that was. */
static void test_segments_that_join_behind_the_pass(void **state)
{
	enum { BEFORE = 63, IN_ONE = 256, MORE = 20 };
	struct account_fixture *f = *state;
	int64_t box, contents[IN_ONE + MORE];
	for (int i = 0; i < BEFORE; i++) {
		char name[16];
		snprintf(name, sizeof(name), "a%d", i);
		box = fixture_mailbox(f, name);
		fixture_publish(f, box, store(f, 100), 100);
	}
	box = fixture_mailbox(f, "last");
	for (int i = 0; i < IN_ONE + MORE; i++) {
		contents[i] = store(f, 110);
		fixture_publish(f, box, contents[i], 110);
	}
	sweep_start(f->account, SWEEP_RETENTION_S, true);
	step(f, 2); /* history, 64 segments */
	fixture_remove(f, box, 1, IN_ONE - 10);
	struct roster *r = fixture_roster(f, box);
	assert_int_equal(r->segments_n, 1);
	finish_sweep(f);
	for (int i = 0; i < IN_ONE + MORE; i++)
		assert_true(exists(f, contents[i]));
}

enum { BOXES = 90, ROUNDS = 48 };

struct traffic {
	struct account_fixture *f;
	int64_t boxes[BOXES];
	int64_t contents[4000]; /* every one that was ever published */
	char *bytes[4000];
	size_t n;
};

static void arrive(struct traffic *t)
{
	struct account_fixture *f = t->f;
	size_t len = 200 + fixture_random(f) % 100;
	/* Now and then the same bytes again: they may be those of a content nobody names any more. */
	bool again = t->n && fixture_random(f) % 3 == 0;
	size_t at = again ? fixture_random(f) % t->n : t->n;
	char *message = again ? t->bytes[at] : fixture_message(f, len, false);
	if (!again) {
		*(uint32_t *)(void *)message = (uint32_t)len;
		t->bytes[at] = message;
	}
	len = *(uint32_t *)(void *)message;
	struct content_meta meta = fixture_meta(message, len, 10);
	struct content_writer *w = content_writer_create(f->account);
	struct append_item item = {.size = (uint32_t)len};
	uint32_t uid;
	assert_int_equal(content_writer_write(w, message, len), STORE_OK);
	fixture_begin(f);
	assert_int_equal(content_writer_finish(w, &meta, &item.content), STORE_OK);
	assert_int_equal(messages_append(f->account, t->boxes[fixture_random(f) % BOXES], &item, 1, &uid), STORE_OK);
	content_writer_destroy(w);
	fixture_end(f);
	t->contents[at] = item.content;
	t->n += !again;
}

static void something(struct traffic *t)
{
	struct account_fixture *f = t->f;
	int64_t from = t->boxes[fixture_random(f) % BOXES], to = t->boxes[fixture_random(f) % BOXES];
	struct uidset all = {0};
	struct copy_result result = {0};
	uidset_append(&all, 1 + (uint32_t)(fixture_random(f) % 5), UINT32_MAX);
	switch (fixture_random(f) % 6) {
	case 0:
		fixture_begin(f);
		assert_int_equal(messages_copy(f->account, from, &all, to, &result), STORE_OK);
		fixture_end(f);
		break;
	case 1:
	case 2:
		fixture_begin(f);
		assert_int_equal(messages_move(f->account, from, &all, to, &result), STORE_OK);
		fixture_end(f);
		break;
	case 3:
		fixture_begin(f);
		assert_int_equal(messages_remove(f->account, from, &all), STORE_OK);
		fixture_end(f);
		break;
	default:
		arrive(t);
	}
	copy_result_finish(&result);
	uidset_finish(&all);
}

/* Every message of every mailbox, and all the graveyard holds, can be read. */
static size_t check_all(struct traffic *t)
{
	struct account_fixture *f = t->f;
	size_t n = 0;
	for (int i = 0; i < BOXES; i++) {
		struct roster *r;
		struct roster_slice s;
		assert_int_equal(roster_get(f->account, t->boxes[i], &r), STORE_OK);
		for (uint32_t at = 0; roster_slice_at(r, at, &s); at = s.index + s.n) {
			for (uint32_t j = 0; j < s.n; j++) {
				char got[400];
				assert_int_equal(content_read(f->account, s.content[j], 0, s.size[j], got), STORE_OK);
				n++;
			}
		}
	}
	return n;
}

static void test_other_ops_between_the_steps(void **state)
{
	struct account_fixture *f = *state;
	struct traffic *t = xcalloc(1, sizeof(*t));
	t->f = f;
	for (int i = 0; i < BOXES; i++) {
		char name[16];
		snprintf(name, sizeof(name), "box%d", i);
		t->boxes[i] = fixture_mailbox(f, name);
	}
	for (int i = 0; i < 3 * BOXES; i++)
		arrive(t);
	uint64_t swept = 0;
	for (int round = 0; round < ROUNDS; round++) {
		bool more = true;
		f->now_s += SWEEP_RETENTION_S / 3;
		/* Retention of nothing at times: what moves while the sweep runs has no graveyard to lie in. */
		sweep_start(f->account, round % 2 ? SWEEP_RETENTION_S : 0, true);
		while (more) {
			fixture_begin(f);
			assert_int_equal(sweep_step(f->account, &more), STORE_OK);
			fixture_end(f);
			for (uint64_t k = fixture_random(f) % 3; k; k--)
				something(t);
		}
		swept += sweep_result(f->account).contents;
		check_all(t);
	}
	assert_true(swept > 50);
	for (size_t i = 0; i < t->n; i++)
		free(t->bytes[i]);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_expunged_stays_until_retention_ends, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_deleted_mailbox_is_a_candidate, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_what_was_never_published, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_writer_that_lives_holds_its_content, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_files_without_rows, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_an_unlink_that_fails_is_made_up_for, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_deletion_that_is_undone_keeps_its_file, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_free_pages_are_given_back, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_when_it_is_due, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_content_that_comes_back_to_life, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_segments_that_join_behind_the_pass, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_other_ops_between_the_steps, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
