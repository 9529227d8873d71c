/* storage/fulltext_text: what was made of attachments is kept as it was given, found by its grams, and never half. */
#include "storage/fulltext.h"

#include "tests/unit/account_fixture.h"

enum { LAST_ID = 1 << 20, CONTENT = 3, CONVERTERS = 77 };

static int set_up(void **state)
{
	char sql[100];
	fixture_set_up(state);
	struct account_fixture *f = *state;
	snprintf(sql, sizeof(sql), "INSERT INTO sqlite_sequence VALUES('content', %d)", LAST_ID);
	assert_int_equal(db_exec(&f->account->db, sql), STORE_OK);
	return 0;
}

/* An index of contents 1 to `last`, which have one gram, some of them twice. */
static void fill(struct account *a, int64_t last)
{
	const uint64_t gram = fulltext_gram('O', 'L', 'D');
	for (int64_t id = fulltext_added(a, FULLTEXT_NOW) + 1; id <= last; id++) {
		struct fulltext_piece piece = {.grams = &gram, .n = 1, .whole = true, .last = id % 3 != 0};
		assert_int_equal(fulltext_add(a, FULLTEXT_NOW, id, &piece), STORE_OK);
		piece.number = 1;
		if (!piece.last) {
			piece.last = true;
			assert_int_equal(fulltext_add(a, FULLTEXT_NOW, id, &piece), STORE_OK);
		}
	}
	assert_int_equal(fulltext_commit(a, FULLTEXT_NOW), STORE_OK);
}

static enum store_err add(struct account *a, int64_t id, uint32_t piece, const char *text, bool ends)
{
	return fulltext_text_add(a, id, piece, (struct bytes){text, strlen(text)}, ends);
}

static enum store_err add_grams(struct account *a, int64_t id, const uint64_t *grams, size_t n, bool whole)
{
	size_t at = 0;
	enum store_err err = STORE_OK;
	do
		err = fulltext_text_grams(a, id, grams, n, whole, &at);
	while (!err && at < n);
	return err;
}

static void assert_piece(struct account *a, int64_t id, uint32_t piece, const char *text, bool ends)
{
	char got[FULLTEXT_TEXT_BYTES];
	size_t len;
	bool got_ends;
	assert_int_equal(fulltext_text_get(a, id, piece, got, &len, &got_ends), STORE_OK);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(got, text, len);
	assert_int_equal(got_ends, ends);
}

static void assert_no_piece(struct account *a, int64_t id, uint32_t piece)
{
	char got[FULLTEXT_TEXT_BYTES];
	size_t len;
	bool ends;
	assert_int_equal(fulltext_text_get(a, id, piece, got, &len, &ends), STORE_NOTFOUND);
}

/* The first content that may hold the needle; 0: none. */
static int64_t first_with(struct account *a, const char *needle)
{
	struct fulltext_query q;
	int64_t ids[8];
	size_t n = 0;
	bool done = false;
	assert_int_equal(fulltext_query_init(&q, (struct bytes){needle, strlen(needle)}, false), STORE_OK);
	while (!done && !n)
		assert_int_equal(fulltext_query_next(&q, a, ids, 8, &n, &done), STORE_OK);
	fulltext_query_finish(&q);
	return n ? ids[0] : 0;
}

static void test_kept(void **state)
{
	struct account_fixture *f = *state;
	struct account *a = f->account;
	const uint64_t grams[] = {fulltext_gram('N', 'E', 'W'), fulltext_gram('E', 'W', 'S')};
	char longest[FULLTEXT_TEXT_BYTES + 1];
	int64_t done = -1, id;
	for (size_t i = 0; i < FULLTEXT_TEXT_BYTES; i++)
		longest[i] = (char)('A' + i * 7 % 26);
	longest[FULLTEXT_TEXT_BYTES] = '\0';
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_NOTFOUND);
	assert_int_equal(fulltext_text_begin(a, CONTENT), STORE_NOTFOUND);
	assert_no_piece(a, CONTENT, 0);
	fill(a, 10);
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	assert_int_equal(done, 0);
	assert_int_equal(fulltext_text_begin(a, CONTENT), STORE_OK);
	assert_int_equal(add(a, CONTENT, 0, longest, false), STORE_OK);
	assert_int_equal(add(a, CONTENT, 1, "NEWS", true), STORE_OK);
	assert_int_equal(add(a, CONTENT, 2, "", true), STORE_OK);
	assert_int_equal(add_grams(a, CONTENT, grams, 2, true), STORE_OK);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, 0, CONTENT), STORE_OK);
	for (int again = 0; again < 2; again++) {
		assert_piece(a, CONTENT, 0, longest, false);
		assert_piece(a, CONTENT, 1, "NEWS", true);
		assert_piece(a, CONTENT, 2, "", true);
		assert_no_piece(a, CONTENT, 3);
		assert_no_piece(a, CONTENT + 1, 0);
		assert_int_equal(first_with(a, "NEWS"), CONTENT);
		assert_int_equal(first_with(a, "OLD"), 1);
		assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
		assert_int_equal(done, CONTENT);
		fulltext_close(a);
	}
	/* Other converters begin at the start, and replace what there is. */
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS + 1, &done), STORE_OK);
	assert_int_equal(done, 0);
	assert_int_equal(fulltext_texts_next(a, 0, &id), STORE_OK);
	assert_int_equal(id, CONTENT);
	assert_int_equal(fulltext_texts_next(a, CONTENT, &id), STORE_OK);
	assert_int_equal(id, 0);
	assert_int_equal(fulltext_text_begin(a, CONTENT), STORE_OK);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS + 1, 0, 10), STORE_OK);
	assert_no_piece(a, CONTENT, 0);
}

/* Whatever takes back what was begun, nothing of it counts, and it is told. */
static void test_taken_back(void **state)
{
	struct account_fixture *f = *state;
	struct account *a = f->account;
	const uint64_t gram = fulltext_gram('N', 'E', 'W');
	int64_t done;
	fill(a, 10);
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	assert_int_equal(add(a, CONTENT, 0, "NEW", true), STORE_BUSY);
	assert_int_equal(fulltext_text_begin(a, CONTENT), STORE_OK);
	assert_int_equal(add(a, CONTENT, 0, "NEW", true), STORE_OK);
	assert_int_equal(add(a, CONTENT + 1, 0, "NEW", true), STORE_BUSY);
	fulltext_close(a);
	assert_int_equal(add_grams(a, CONTENT, &gram, 1, true), STORE_BUSY);
	assert_no_piece(a, CONTENT, 0);
	/* Another index in its place knows nothing of it. */
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	fulltext_drop(a, FULLTEXT_NOW, "test");
	fill(a, 10);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, 0, CONTENT), STORE_BUSY);
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	assert_int_equal(done, 0);
}

/* While contents are being added, too: both are there in the end. */
static void test_between_others(void **state)
{
	struct account_fixture *f = *state;
	struct account *a = f->account;
	const uint64_t old = fulltext_gram('O', 'L', 'D'), new = fulltext_gram('N', 'E', 'W');
	int64_t done;
	struct fulltext_piece piece = {.grams = &old, .n = 1, .whole = true, .last = true};
	fill(a, 10);
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	assert_int_equal(fulltext_add(a, FULLTEXT_NOW, 11, &piece), STORE_OK);
	assert_int_equal(fulltext_text_begin(a, CONTENT), STORE_OK);
	assert_int_equal(add(a, CONTENT, 0, "NEW", true), STORE_OK);
	assert_int_equal(add_grams(a, CONTENT, &new, 1, true), STORE_OK);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, 0, CONTENT), STORE_OK);
	assert_int_equal(fulltext_pending(a, FULLTEXT_NOW), 0);
	fill(a, 20);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(fulltext_watermark(f->account), 20);
	assert_int_equal(first_with(f->account, "NEW"), CONTENT);
	assert_piece(f->account, CONTENT, 0, "NEW", true);
}

/* More than an index should have of one content: it is always named. */
static void test_too_much(void **state)
{
	struct account_fixture *f = *state;
	struct account *a = f->account;
	const uint64_t gram = fulltext_gram('N', 'E', 'W');
	int64_t done;
	fill(a, 10);
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	assert_int_equal(fulltext_text_begin(a, CONTENT), STORE_OK);
	assert_int_equal(add_grams(a, CONTENT, &gram, 1, false), STORE_OK);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, 0, CONTENT), STORE_OK);
	assert_int_equal(first_with(a, "ANYTHING"), CONTENT);
}

/* Of those that are gone nothing stays. */
static void test_forgotten(void **state)
{
	struct account_fixture *f = *state;
	struct account *a = f->account;
	struct fulltext_status status;
	int64_t done;
	fill(a, 10);
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	for (int64_t id = 3; id <= 4; id++) {
		assert_int_equal(fulltext_text_begin(a, id), STORE_OK);
		assert_int_equal(add(a, id, 0, "NEW", true), STORE_OK);
		assert_int_equal(fulltext_texts_commit(a, CONVERTERS, id == 3 ? 0 : 3, id), STORE_OK);
	}
	assert_int_equal(fulltext_status(a, &status), STORE_OK);
	assert_int_equal(status.texts, 2);
	assert_int_equal(fulltext_texts_forget(a, 3), STORE_OK);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, 4, 4), STORE_OK);
	assert_no_piece(a, 3, 0);
	assert_piece(a, 4, 0, "NEW", true);
}

/* An index that is made anew has what the present one had when it was begun, and nothing is taken for converted that came later. */
static void test_carried(void **state)
{
	struct account_fixture *f = *state;
	struct account *a = f->account;
	const uint64_t old = fulltext_gram('O', 'L', 'D'), new = fulltext_gram('N', 'E', 'W');
	int64_t done;
	fill(a, 10);
	assert_int_equal(fulltext_texts_carry(a), STORE_OK);
	fulltext_drop(a, FULLTEXT_NEXT, "test");
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	assert_int_equal(fulltext_text_begin(a, CONTENT), STORE_OK);
	assert_int_equal(add(a, CONTENT, 0, "NEW", true), STORE_OK);
	assert_int_equal(add_grams(a, CONTENT, &new, 1, true), STORE_OK);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, 0, CONTENT), STORE_OK);
	assert_int_equal(fulltext_texts_carry(a), STORE_OK);
	for (int64_t id = 1; id <= 10; id++) {
		uint64_t grams[] = {old, new};
		struct fulltext_piece piece = {.grams = grams, .n = id == CONTENT ? 2 : 1, .last = true, .whole = true};
		assert_int_equal(fulltext_text_carry(a, id), STORE_OK);
		assert_int_equal(fulltext_add(a, FULLTEXT_NEXT, id, &piece), STORE_OK);
	}
	assert_int_equal(fulltext_commit(a, FULLTEXT_NEXT), STORE_OK);
	assert_int_equal(fulltext_text_begin(a, 5), STORE_OK);
	assert_int_equal(add(a, 5, 0, "LATE", true), STORE_OK);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, CONTENT, 5), STORE_OK);
	assert_int_equal(fulltext_swap(a), STORE_OK);
	assert_piece(a, CONTENT, 0, "NEW", true);
	assert_int_equal(first_with(a, "NEW"), CONTENT);
	assert_no_piece(a, 5, 0);
	assert_int_equal(fulltext_texts_commit(a, CONVERTERS, 5, 6), STORE_BUSY);
	assert_int_equal(fulltext_texts_begin(a, CONVERTERS, &done), STORE_OK);
	assert_int_equal(done, CONTENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_taken_back, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_between_others, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_too_much, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_forgotten, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_carried, set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
