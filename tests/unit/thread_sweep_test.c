/* storage/thread_sweep: rows of threads go when no message has their ID or refers to it, and not before. */
#include "storage/thread_sweep.h"

#include "storage/sweep.h"
#include "storage/thread.h"
#include "tests/unit/account_fixture.h"

enum { IDS = 8 };

/* A message whose own ID and those it refers to, nearest first, are the words of `text`; returns its UID. */
static uint32_t deliver(struct account_fixture *f, int64_t box, const char *text)
{
	struct bytes ids[IDS];
	size_t n = 0, len = strlen(text);
	for (const char *at = text; *at;) {
		size_t word = strcspn(at, " ");
		ids[n++] = (struct bytes){at, word};
		at += word + (at[word] == ' ');
	}
	struct content_meta meta = fixture_meta(text, len, 0);
	meta.keys.ids = ids;
	meta.keys.ids_n = n;
	meta.keys.has_id = true;
	return fixture_publish(f, box, fixture_store_meta(f, text, len, &meta), (uint32_t)len);
}

static int64_t number(struct account_fixture *f, const char *sql, int64_t argument)
{
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_prepare_v2(f->account->db.handle, sql, -1, &stmt, NULL), SQLITE_OK);
	if (sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, 1, argument);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static bool knows(struct account_fixture *f, const char *id)
{
	return number(f, "SELECT count(*) FROM thread WHERE key=?", thread_key((struct bytes){id, strlen(id)})) == 1;
}

static void sweep(struct account_fixture *f, bool thorough, void (*meanwhile)(struct account_fixture *f))
{
	bool more = true;
	f->now_s += SWEEP_RETENTION_S + 1;
	sweep_start(f->account, SWEEP_RETENTION_S, thorough);
	while (more) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		fixture_end(f);
		if (meanwhile)
			meanwhile(f);
	}
}

static void test_what_is_referred_to_stays(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "INBOX");
	uint32_t a = deliver(f, box, "a"), other = deliver(f, box, "other"), reply = deliver(f, box, "other-c other");
	int64_t thread = number(f, "SELECT thread_id FROM content ORDER BY id DESC LIMIT 1", 0);
	deliver(f, box, "b a");
	fixture_remove(f, box, a, a);
	fixture_remove(f, box, other, reply);
	sweep(f, false, NULL); /* three that went are not worth it */
	assert_true(knows(f, "a") && knows(f, "b") && knows(f, "other") && knows(f, "other-c"));
	sweep(f, true, NULL);
	assert_true(knows(f, "a") && knows(f, "b"));
	assert_false(knows(f, "other") || knows(f, "other-c"));
	/* An answer to the one that went finds what is left of its thread. */
	deliver(f, box, "answer a");
	assert_int_equal(number(f, "SELECT count(DISTINCT thread_id) FROM content", 0), 1);
	/* RFC 8474 5.2: the same bytes have the same thread, although nobody knows it any more. */
	deliver(f, box, "other-c other");
	assert_int_equal(number(f, "SELECT thread_id FROM content ORDER BY id DESC LIMIT 1", 0), thread);
}

static void add_loose(struct account_fixture *f, int64_t rows)
{
	char sql[200];
	snprintf(sql, sizeof(sql), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%lld)"
				   " INSERT INTO thread SELECT i*1000000000000037, i FROM n", (long long)rows);
	fixture_execute(f, sql);
}

/* It is remembered from sweep to sweep what went. */
static void test_when_it_is_worth_it(void **state)
{
	struct account_fixture *f = *state;
	int64_t box = fixture_mailbox(f, "INBOX");
	add_loose(f, 8000);
	fixture_execute(f, "INSERT INTO meta VALUES('threads_loose', 4998)");
	for (int i = 0; i < 2; i++) {
		char id[8];
		snprintf(id, sizeof(id), "id-%d", i);
		uint32_t uid = deliver(f, box, id);
		fixture_remove(f, box, uid, uid);
		sweep(f, false, NULL);
		int64_t rows = number(f, "SELECT count(*) FROM thread", 0);
		assert_true(i == 0 ? rows == 8001 : rows < 200); /* some are marked by chance */
		assert_int_equal(number(f, "SELECT value FROM meta WHERE key='threads_loose'", 0), i == 0 ? 4999 : 0);
	}
}

static void arrive(struct account_fixture *f)
{
	char text[60];
	int64_t box = fixture_mailbox(f, "INBOX"), n = number(f, "SELECT count(*) FROM content", 0);
	snprintf(text, sizeof(text), "new-%lld old-%lld", (long long)n, (long long)n);
	deliver(f, box, text);
}

static void test_what_comes_meanwhile_stays(void **state)
{
	struct account_fixture *f = *state;
	char id[30];
	/* These are at the end of the table and at its beginning, and known before they are referred to. */
	for (int i = 0; i < 40; i++) {
		struct bytes old = {id, (size_t)snprintf(id, sizeof(id), "old-%d", i)};
		uint64_t thread;
		fixture_begin(f);
		assert_int_equal(thread_join(f->account, &old, 1, &thread), STORE_OK);
		fixture_end(f);
	}
	add_loose(f, 9000);
	sweep(f, true, arrive);
	int64_t n = number(f, "SELECT count(*) FROM content", 0), lost = 0;
	assert_true(n > 15 && number(f, "SELECT count(*) FROM thread", 0) < 400);
	for (int64_t i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "new-%lld", (long long)i);
		assert_true(knows(f, id));
		snprintf(id, sizeof(id), "old-%lld", (long long)i);
		lost += !knows(f, id);
	}
	assert_int_equal(lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_referred_to_stays, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_when_it_is_worth_it, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_what_comes_meanwhile_stays, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
