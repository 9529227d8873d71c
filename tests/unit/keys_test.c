/* What SORT and THREAD compare, in the store: rows, pages that are read when they are asked for, ranks. */
#include "storage/keys.h"
#include "storage/sweep.h"
#include "storage/thread.h"

#include "tests/unit/account_fixture.h"

enum { MESSAGES = 700, POOL = 5000 };

static int64_t store(struct account_fixture *f, const char *text, const struct content_keys *keys)
{
	struct content_meta meta = fixture_meta(text, strlen(text), 0);
	meta.keys = *keys;
	struct content_writer *w = content_writer_create(f->account);
	int64_t id = 0;
	assert_int_equal(content_writer_write(w, text, strlen(text)), STORE_OK);
	fixture_begin(f);
	assert_int_equal(content_writer_finish(w, &meta, &id), STORE_OK);
	fixture_end(f);
	content_writer_destroy(w);
	return id;
}

static int64_t store_subject(struct account_fixture *f, int i, const char *subject)
{
	char text[32];
	struct content_keys keys = {.sent_s = i, .string[KEYS_SUBJECT] = {subject, strlen(subject)}};
	snprintf(text, sizeof(text), "message %d", i);
	return store(f, text, &keys);
}

static void test_row(void **state)
{
	struct account_fixture *f = *state;
	const struct bytes ids[] = {{"own@x", 5}, {"parent@x", 8}, {"eldest@x", 8}};
	struct content_keys keys = {.sent_s = -5, .is_reply = true, .has_id = true, .ids = ids, .ids_n = countof(ids),
				    .string = {[KEYS_SUBJECT] = {"SUBJECT", 7}, [KEYS_CC] = {"SUBJECT", 7}}};
	int64_t first = store(f, "first", &keys);
	keys = (struct content_keys){.sent_s = KEYS_NO_DATE, .ids = ids + 1, .ids_n = 1};
	int64_t second = store(f, "second", &keys), at = first % KEYS_PAGE;
	const struct keys_page *page;
	assert_int_equal(keys_page(f->account, first, 1 << KEYS_SUBJECT | 1 << KEYS_TO | KEYS_LINKS, &page), STORE_OK);
	const struct keys *k = keys_get(f->account);
	assert_int_equal(page->sent_s[at], -5);
	assert_true(page->is_reply[at / 64] >> (at % 64) & 1);
	assert_true(page->string[KEYS_SUBJECT][at] > 0 && page->string[KEYS_TO][at] == 0);
	assert_null(page->string[KEYS_CC]);
	const uint32_t *links = k->links + page->links[at];
	assert_int_equal(links[0], 2);
	assert_true(links[1] && links[2] && links[3] && links[1] != links[2] && links[2] != links[3]);
	uint32_t parent = links[3];
	assert_int_equal(keys_page(f->account, second, KEYS_LINKS, &page), STORE_OK);
	links = k->links + page->links[second % KEYS_PAGE];
	assert_int_equal(links[0], 1);
	assert_int_equal(links[1], 0);
	assert_int_equal(links[2], parent);
	assert_true(page->sent_s[second % KEYS_PAGE] == KEYS_NO_DATE);
}

/* A column that is asked for later, and contents that come later, are read then; the numbers stay. */
static void test_later(void **state)
{
	struct account_fixture *f = *state;
	const struct keys_page *page;
	int64_t a = store_subject(f, 1, "ONE"), b;
	assert_int_equal(keys_page(f->account, a, 0, &page), STORE_OK);
	assert_null(keys_page_loaded(keys_get(f->account), a, 1 << KEYS_SUBJECT));
	assert_int_equal(keys_page(f->account, a, 1 << KEYS_SUBJECT, &page), STORE_OK);
	assert_ptr_equal(keys_page_loaded(keys_get(f->account), a, 1 << KEYS_SUBJECT), page);
	uint32_t one = page->string[KEYS_SUBJECT][a % KEYS_PAGE];
	b = store_subject(f, 2, "ONE");
	assert_null(keys_page_loaded(keys_get(f->account), b, 0));
	assert_int_equal(keys_page(f->account, b, 0, &page), STORE_OK);
	assert_int_equal(page->string[KEYS_SUBJECT][b % KEYS_PAGE], one);
	assert_int_equal(page->string[KEYS_SUBJECT][a % KEYS_PAGE], one);
	assert_int_equal(page->sent_s[b % KEYS_PAGE], 2);
	/* What has no row is told to be empty, and is not looked for again. */
	assert_int_equal(keys_page(f->account, b + 5, 0, &page), STORE_OK);
	assert_true(page->sent_s[(b + 5) % KEYS_PAGE] == KEYS_NO_DATE);
	assert_ptr_equal(keys_page_loaded(keys_get(f->account), b + 5, 0), page);
	assert_int_equal(keys_page(f->account, -1, 0, &page), STORE_CORRUPT);
	assert_int_equal(keys_page(f->account, INT64_MAX, 0, &page), STORE_CORRUPT);
	assert_true(keys_bytes(f->account) > sizeof(struct keys));
}

/* What would take too much memory is given up, and begins anew. */
static void test_too_much(void **state)
{
	struct account_fixture *f = *state;
	const struct keys_page *page;
	int64_t id = store_subject(f, 1, "ONE");
	uint64_t epoch = f->account->keys_epoch;
	keys_get(f->account)->bytes_max = sizeof(struct keys);
	assert_int_equal(keys_page(f->account, id, 1 << KEYS_SUBJECT, &page), STORE_LIMIT);
	assert_null(page);
	assert_true(f->account->keys_epoch > epoch);
	assert_int_equal(keys_bytes(f->account), 0);
	assert_int_equal(keys_page(f->account, id, 1 << KEYS_SUBJECT, &page), STORE_OK);
	assert_true(page->string[KEYS_SUBJECT][id % KEYS_PAGE] > 0);
}

/* Rows of contents that are swept away go with them; what was read is given up when most of it is of no use. */
static void test_swept(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), last = 0;
	const struct keys_page *page;
	for (int i = 0; i < MESSAGES; i++) {
		last = store_subject(f, i, i % 2 ? "ODD" : "EVEN");
		if (i == 0)
			fixture_publish(f, inbox, last, 9);
	}
	assert_int_equal(keys_page(f->account, last, 0, &page), STORE_OK);
	uint64_t epoch = f->account->keys_epoch;
	sweep_start(f->account, 0, true);
	for (bool more = true; more;) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		fixture_end(f);
	}
	assert_int_equal(sweep_result(f->account).contents, MESSAGES - 1);
	assert_int_equal(f->account->keys_epoch, epoch); /* they are few */
	sqlite3_stmt *stmt = db_prepare(&f->account->db, "SELECT count(*) FROM keys");
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(stmt, 0), 1);
	sqlite3_reset(stmt);
	keys_swept(f->account, 100000);
	assert_true(f->account->keys_epoch > epoch);
	assert_null(f->account->keys);
	keys_swept(f->account, 1);
}

/* ---- the pool ---- */

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All ids of the texts, in whatever steps the ranks are made, and with some that come in between. */
static void check_ranks(const char *const *texts, const uint32_t *ids, size_t n, struct keys_pool *p, uint32_t steps)
{
	while (!keys_pool_rank(p, steps))
		;
	const char **sorted = xmalloc(n * sizeof(*sorted));
	memcpy(sorted, texts, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_text);
	for (size_t i = 0; i < n; i++) {
		uint32_t id;
		assert_true(keys_pool_add(p, (struct bytes){texts[i], strlen(texts[i])}, &id));
		assert_int_equal(id, ids[i]);
	}
	for (size_t i = 1; i < n; i++) {
		uint32_t left, right;
		assert_true(keys_pool_add(p, (struct bytes){sorted[i - 1], strlen(sorted[i - 1])}, &left));
		assert_true(keys_pool_add(p, (struct bytes){sorted[i], strlen(sorted[i])}, &right));
		int order = strcmp(sorted[i - 1], sorted[i]);
		assert_true(order ? keys_pool_rank_of(p, left) < keys_pool_rank_of(p, right) : left == right);
	}
	free(sorted);
}

static void test_pool(void **state)
{
	struct account_fixture *f = *state;
	struct keys_pool p = {0};
	static char room[POOL][24];
	const char *texts[POOL];
	uint32_t ids[POOL];
	for (size_t i = 0; i < POOL; i++) {
		uint64_t r = fixture_random(f);
		/* Many begin alike; some are equal, some empty. */
		snprintf(room[i], sizeof(room[i]), "%s%.*s", r % 5 ? "THE SAME " : "", (int)(r >> 8) % 4,
			 (const char *[]){"ABC", "\xff\x01Z", "A", "\x80QQ"}[(r >> 16) % 4]);
		if (r % 3 == 0)
			snprintf(room[i] + strlen(room[i]), 12, "%u", (unsigned)(r >> 32) % 9999);
		texts[i] = room[i];
		assert_true(keys_pool_add(&p, (struct bytes){texts[i], strlen(texts[i])}, &ids[i]));
		assert_true((ids[i] == 0) == (texts[i][0] == '\0'));
		if (i == 0 || i == 1 || i == 9 || i == 1000 || i == 1001 || i == POOL / 2)
			check_ranks(texts, ids, i + 1, &p, (uint32_t)(r >> 40) % 300 + 1);
		else if (r % 16 == 1)
			(void)!keys_pool_rank(&p, (uint32_t)(r >> 40) % 500);
	}
	check_ranks(texts, ids, POOL, &p, 7);
	assert_true(keys_pool_bytes(&p) > 0);
	keys_pool_finish(&p);
	keys_pool_finish(&p);
}

static void test_pool_long(void **state)
{
	(void)state;
	struct keys_pool p = {0};
	static char text[KEYS_STRING_MAX * 2];
	uint32_t cut, whole, id = 0;
	memset(text, 'x', sizeof(text));
	assert_true(keys_pool_add(&p, (struct bytes){text, KEYS_STRING_MAX}, &cut));
	assert_true(keys_pool_add(&p, (struct bytes){text, sizeof(text)}, &whole));
	assert_int_equal(cut, whole);
	for (int i = 0; i < 40; i++) { /* several chunks */
		text[0] = (char)('0' + i);
		assert_true(keys_pool_add(&p, (struct bytes){text, KEYS_STRING_MAX}, &id));
	}
	assert_true(p.chunks_n > 1);
	while (!keys_pool_rank(&p, 3))
		;
	assert_int_equal(keys_pool_rank_of(&p, id), 40);
	assert_int_equal(keys_pool_rank_of(&p, cut), 41);
	keys_pool_finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_row, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_later, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_too_much, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_swept, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_pool, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_pool_long, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
