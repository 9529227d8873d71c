/* storage/fulltext: the index never loses a content that holds the needle, and survives whatever happens to its file. */
#include "storage/fulltext.h"

#include "tests/unit/account_fixture.h"

#include <errno.h>
#include <fcntl.h>

enum { LAST_ID = 1 << 30, TEXT_MAX = 60 };

struct dropped {
	unsigned n;
	char why[300];
};

struct fixture {
	struct account_fixture base; /* first: the account's helpers take it */
	struct dropped dropped;
};

static void on_dropped(void *ctx, const char *dir, const char *why)
{
	struct fixture *f = ctx;
	(void)dir;
	f->dropped.n++;
	snprintf(f->dropped.why, sizeof(f->dropped.why), "%s", why);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->base.dir);
	f->base.now_s = 1000000000;
	f->base.fail_at = STORE_POINTS;
	f->base.random = 88172645463325252u;
	f->base.env = (struct store_env){.now_s = fixture_now, .point = fixture_point, .ctx = f, .boot_id = 1,
					 .search_dropped = on_dropped};
	fixture_open(&f->base);
	char sql[100];
	snprintf(sql, sizeof(sql), "INSERT INTO sqlite_sequence VALUES('content', %d)", LAST_ID);
	assert_int_equal(db_exec(&f->base.account->db, sql), STORE_OK);
	*state = f;
	return 0;
}

static size_t text_grams(const char *text, uint64_t *out)
{
	size_t n = 0;
	const uint32_t end = FULLTEXT_GRAM_END;
	for (size_t i = 0; text[i]; i++) {
		uint32_t next = text[i + 1] ? (unsigned char)text[i + 1] : end;
		out[n++] = fulltext_gram((unsigned char)text[i], next, next != end && text[i + 2] ? (unsigned char)text[i + 2] : end);
	}
	return n;
}

static enum store_err add_grams(struct account *a, enum fulltext_which w, int64_t id, const uint64_t *grams, size_t n, bool whole)
{
	struct fulltext_piece piece = {.grams = grams, .n = n, .last = true, .whole = whole};
	return fulltext_add(a, w, id, &piece);
}

static enum store_err add(struct fixture *f, int64_t id, const char *text)
{
	uint64_t grams[TEXT_MAX];
	return add_grams(f->base.account, FULLTEXT_NOW, id, grams, text_grams(text, grams), true);
}

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){text, strlen(text)};
}

/* All of the answer, asked for `step` at a time. */
static size_t ask(struct fixture *f, const char *needle, size_t step, int64_t *ids, size_t max)
{
	struct fulltext_query q;
	size_t n = 0, got;
	bool done = false;
	assert_int_equal(fulltext_query_init(&q, bytes_of(needle), 0), STORE_OK);
	while (!done) {
		assert_true(n + step <= max);
		assert_int_equal(fulltext_query_next(&q, f->base.account, ids + n, step, &got, &done), STORE_OK);
		assert_true(got <= step);
		n += got;
	}
	for (size_t i = 1; i < n; i++)
		assert_true(ids[i] > ids[i - 1]);
	fulltext_query_finish(&q);
	return n;
}

static bool has(const int64_t *ids, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static void test_no_index(void **state)
{
	struct fixture *f = *state;
	int64_t ids[10];
	assert_int_equal(fulltext_watermark(f->base.account), 0);
	assert_int_equal(ask(f, "ABC", 10, ids, 10), 0);
	assert_int_equal(access(scratch_path(&f->base.dir, "account/search.db"), F_OK), -1);
	struct fulltext_query q;
	assert_int_equal(fulltext_query_init(&q, bytes_of("AN"), 0), STORE_CANNOT);
	assert_int_equal(fulltext_query_init(&q, (struct bytes){"A\0NE", 4}, 0), STORE_CANNOT);
	assert_int_equal(fulltext_query_init(&q,
					     bytes_of("\xc3\xa9"
						      "E"),
					     0),
			 STORE_CANNOT);
	bool more = true;
	assert_int_equal(fulltext_merge(f->base.account, FULLTEXT_NOW, &more), STORE_OK);
	assert_false(more);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	fulltext_close(f->base.account);
}

/* Random texts of few letters, over three blocks with gaps: every text with the needle in it is named, and none without
 * all of its grams. */
static void test_same_as_a_scan(void **state)
{
	struct fixture *f = *state;
	enum { TEXTS = 3000, NEEDLES = 150 };
	static char texts[TEXTS][TEXT_MAX + 1];
	static int64_t ids[TEXTS], found[TEXTS + 100];
	static const char letters[] = "AB\"C \n'(";
	int64_t id = 0;
	for (size_t i = 0; i < TEXTS; i++) {
		id += i % 1000 == 999 ? 70000 : 1 + (int64_t)(fixture_random(&f->base) % 3);
		ids[i] = id;
		size_t len = fixture_random(&f->base) % TEXT_MAX;
		for (size_t k = 0; k < len; k++)
			texts[i][k] = letters[fixture_random(&f->base) % (sizeof(letters) - 1)];
		assert_int_equal(add(f, id, texts[i]), STORE_OK);
		if (i % 700 == 0) {
			assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
			assert_int_equal(fulltext_watermark(f->base.account), id);
		}
	}
	assert_int_equal(fulltext_pending(f->base.account, FULLTEXT_NOW), TEXTS - 1 - 700 * 4);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	for (size_t round = 0; round < NEEDLES; round++) {
		char needle[12] = "";
		size_t len = 3 + fixture_random(&f->base) % 8;
		for (size_t k = 0; k < len; k++)
			needle[k] = letters[fixture_random(&f->base) % (sizeof(letters) - 1)];
		size_t n = ask(f, needle, 1 + fixture_random(&f->base) % 50, found, countof(found)), at = 0;
		for (size_t i = 0; i < TEXTS; i++) {
			bool named = at < n && found[at] == ids[i], all = true;
			at += named;
			for (size_t k = 0; k + 2 < len && all; k++)
				all = strstr(texts[i], (char[]){needle[k], needle[k + 1], needle[k + 2], 0}) != NULL;
			assert_int_equal(named, all);
			assert_true(named || !strstr(texts[i], needle));
		}
		assert_int_equal(at, n);
		if (round == NEEDLES / 2) {
			bool more = true;
			while (more)
				assert_int_equal(fulltext_merge(f->base.account, FULLTEXT_NOW, &more), STORE_OK);
			fulltext_close(f->base.account);
			fixture_close(&f->base);
			fixture_open(&f->base);
		}
	}
	assert_int_equal(f->dropped.n, 0);
}

/* One character or two: every text that has them is named, and no other; of letters that most texts have nothing is asked. */
static void test_short_needles(void **state)
{
	struct fixture *f = *state;
	enum { TEXTS = 5000 };
	static const uint32_t letters[] = {'Q', 'Z', 'J', 0x9e21, 0x820d, 0x4e00, 'E'};
	static const char *const names[] = {"Q", "Z", "J", "\xe9\xb8\xa1", "\xe8\x88\x8d", "\xe4\xb8\x80", "E"};
	static uint32_t texts[TEXTS][4];
	static int64_t found[TEXTS + FULLTEXT_PORTION_MAX];
	for (int64_t i = 0; i < TEXTS; i++) {
		uint64_t grams[3];
		for (size_t k = 0; k < 3; k++)
			texts[i][k] = letters[fixture_random(&f->base) % countof(letters)];
		texts[i][3] = FULLTEXT_GRAM_END;
		for (size_t k = 0; k < 3; k++)
			grams[k] = fulltext_gram(texts[i][k], texts[i][k + 1], k == 0 ? texts[i][2] : FULLTEXT_GRAM_END);
		assert_int_equal(add_grams(f->base.account, FULLTEXT_NOW, i + 1, grams, 3, true), STORE_OK);
	}
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	for (size_t a = 0; a < countof(letters); a++) {
		for (size_t b = 0; b <= countof(letters); b++) {
			bool one = b == countof(letters), asked = one ? letters[a] > 0x80 : a != 6 || b != 6;
			char needle[8];
			struct fulltext_query q;
			snprintf(needle, sizeof(needle), "%s%s", names[a], one ? "" : names[b]);
			assert_int_equal(fulltext_query_init(&q, bytes_of(needle), 0), asked ? STORE_OK : STORE_CANNOT);
			size_t n = asked ? ask(f, needle, FULLTEXT_PORTION_MAX, found, countof(found)) : 0, at = 0;
			for (int64_t i = 0; i < TEXTS && asked; i++) {
				const uint32_t *t = texts[i];
				bool has_it = false;
				for (size_t k = 0; k < 3; k++)
					has_it = has_it || (t[k] == letters[a] && (one || t[k + 1] == letters[b]));
				assert_int_equal(has_it, at < n && found[at] == i + 1);
				at += has_it;
			}
			assert_int_equal(at, n);
		}
	}
}

/* Several needles with a NUL between them: all must be there; the short ones say nothing beside longer ones. */
static void test_several_needles(void **state)
{
	struct fixture *f = *state;
	int64_t ids[8];
	bool done;
	size_t n;
	struct fulltext_query q;
	assert_int_equal(add(f, 1, "ONE TWO"), STORE_OK);
	assert_int_equal(add(f, 2, "TWO ONE"), STORE_OK);
	assert_int_equal(add(f, 3, "ONE"), STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	assert_int_equal(fulltext_query_init(&q, (struct bytes){"ONE\0A\0TWO", 9}, 0), STORE_OK);
	assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 8, &n, &done), STORE_OK);
	assert_true(n == 2 && ids[0] == 1 && ids[1] == 2);
	fulltext_query_finish(&q);
}

/* What stands in a field is found there, whatever stands elsewhere. */
static void test_fields(void **state)
{
	struct fixture *f = *state;
	uint64_t grams[TEXT_MAX];
	int64_t ids[8];
	static const uint64_t marks[] = {0, FULLTEXT_GRAM_FROM, 0, FULLTEXT_GRAM_SUBJECT};
	for (int64_t id = 1; id <= 4; id++) {
		size_t n = text_grams("HELLO", grams);
		for (size_t i = 0; i < n; i++)
			grams[i] |= marks[id - 1];
		assert_int_equal(add_grams(f->base.account, FULLTEXT_NOW, id, grams, n, true), STORE_OK);
	}
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	static const char *const needles[] = {"HELLO", "LLO", "LO", "EL"};
	for (size_t i = 0; i < 2 * countof(needles); i++) {
		struct fulltext_query q;
		size_t n;
		bool done, subject = i % 2;
		assert_int_equal(fulltext_query_init(&q, bytes_of(needles[i / 2]), marks[subject ? 3 : 1]), STORE_OK);
		assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 8, &n, &done), STORE_OK);
		assert_true(n == 1 && ids[0] == (subject ? 4 : 2));
		fulltext_query_finish(&q);
	}
	assert_int_equal(ask(f, "HELLO", 1, ids, 8), 2);
	assert_int_equal(fulltext_query_init(&(struct fulltext_query){0}, bytes_of("E"), FULLTEXT_GRAM_FROM),
			 STORE_CANNOT);
}

static void test_any_character(void **state)
{
	struct fixture *f = *state;
	static const uint32_t points[] = {1, 0x7f, 0x80, 0x7ff, 0x800, 0x20ac, 0xd7a3, 0xffff, 0x10000, 0x1f600, 0x10ffff};
	int64_t ids[4];
	for (size_t i = 0; i < countof(points); i++) {
		uint64_t gram = fulltext_gram('"', points[i], 'X');
		assert_int_equal(add_grams(f->base.account, FULLTEXT_NOW, (int64_t)i + 1, &gram, 1, true), STORE_OK);
	}
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	static const char *const needles[] = {"\"\x01X", "\"\x7fX", "\"\xc2\x80X", "\"\xdf\xbfX", "\"\xe0\xa0\x80X",
					      "\"\xe2\x82\xacX", "\"\xed\x9e\xa3X", "\"\xef\xbf\xbfX", "\"\xf0\x90\x80\x80X",
					      "\"\xf0\x9f\x98\x80X", "\"\xf4\x8f\xbf\xbfX"};
	for (size_t i = 0; i < countof(needles); i++) {
		assert_int_equal(ask(f, needles[i], 4, ids, 4), 1);
		assert_int_equal(ids[0], i + 1);
	}
}

static void test_too_much_text_is_always_named(void **state)
{
	struct fixture *f = *state;
	enum { MANY = FULLTEXT_GRAMS_MAX + 1 };
	uint64_t *grams = xcalloc(MANY, sizeof(*grams));
	int64_t ids[8];
	for (uint32_t i = 0; i < MANY; i++)
		grams[i] = fulltext_gram('A', 1 + i % 1000, 1000 + i / 1000);
	assert_int_equal(add(f, 1, "NOTHING"), STORE_OK);
	assert_int_equal(add_grams(f->base.account, FULLTEXT_NOW, 2, grams, MANY - 1, true), STORE_OK);
	assert_int_equal(add_grams(f->base.account, FULLTEXT_NOW, 3, grams, MANY, true), STORE_OK);
	assert_int_equal(add_grams(f->base.account, FULLTEXT_NOW, 4, grams, 1, false), STORE_OK);
	assert_int_equal(add_grams(f->base.account, FULLTEXT_NOW, 5, grams, 0, true), STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	assert_int_equal(fulltext_watermark(f->base.account), 5);
	size_t n = ask(f, "XYZ", 8, ids, 8);
	assert_int_equal(n, 2);
	assert_true(has(ids, n, 3) && has(ids, n, 4));
	n = ask(f, "THING", 8, ids, 8);
	assert_int_equal(n, 3);
	assert_true(has(ids, n, 1));
	free(grams);
}

/* A content with more pieces than are told apart is always named; the numbers of what comes behind it are right. */
static void test_too_many_pieces(void **state)
{
	struct fixture *f = *state;
	const uint64_t gram = fulltext_gram('A', 'B', 'C');
	const uint32_t last = FULLTEXT_PIECES_MAX + 1;
	int64_t ids[8];
	assert_int_equal(add(f, 1, "NOTHING"), STORE_OK);
	for (uint32_t i = 0; i <= last; i++) {
		struct fulltext_piece piece = {.grams = &gram, .n = 1, .number = i, .last = i == last, .whole = true};
		assert_int_equal(fulltext_add(f->base.account, FULLTEXT_NOW, 2, &piece), STORE_OK);
	}
	assert_int_equal(add(f, 3, "XYZ"), STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	size_t n = ask(f, "XYZ", 8, ids, 8);
	assert_int_equal(n, 2);
	assert_true(ids[0] == 2 && ids[1] == 3);
	n = ask(f, "THING", 8, ids, 8);
	assert_int_equal(n, 2);
	assert_true(ids[0] == 1 && ids[1] == 2);
}

/* A query stops at the watermark it began with; what is not committed is not there yet. */
static void test_watermark(void **state)
{
	struct fixture *f = *state;
	struct fulltext_query q;
	int64_t ids[4];
	size_t n;
	bool done;
	for (int64_t id = 1; id <= 6; id++)
		assert_int_equal(add(f, id, "HOUSE"), STORE_OK);
	assert_int_equal(fulltext_watermark(f->base.account), 0);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	assert_int_equal(fulltext_query_init(&q, bytes_of("HOUSE"), 0), STORE_OK);
	assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 4, &n, &done), STORE_OK);
	assert_int_equal(n, 4);
	assert_false(done);
	assert_int_equal(add(f, 7, "HOUSE"), STORE_OK);
	assert_int_equal(fulltext_query_until(&q), 6);
	while (!done) {
		assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 4, &n, &done), STORE_OK);
		assert_int_equal(n, done ? n : 2);
		assert_true(n == 0 || ids[n - 1] == 6);
	}
	fixture_close(&f->base); /* takes 7 back */
	fixture_open(&f->base);
	assert_int_equal(fulltext_watermark(f->base.account), 6);
	assert_int_equal(add(f, 8, "HOUSE"), STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	assert_int_equal(ask(f, "HOUSE", 4, (int64_t[12]){0}, 12), 7);
	/* One that was thrown away and filled less far answers no question begun before. */
	assert_int_equal(fulltext_query_init(&q, bytes_of("HOUSE"), 0), STORE_OK);
	assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 4, &n, &done), STORE_OK);
	fulltext_drop(f->base.account, FULLTEXT_NOW, "test");
	assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 4, &n, &done), STORE_NOTFOUND);
	assert_int_equal(add(f, 1, "HOUSE"), STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 4, &n, &done), STORE_NOTFOUND);
}

/* A text of several pieces, each `step` characters further on than the one before and FULLTEXT_OVERLAP longer; those from
 * `number` on. */
static enum store_err add_pieces(struct fixture *f, int64_t id, const char *text, size_t step, uint32_t number)
{
	size_t len = strlen(text);
	enum store_err err = STORE_OK;
	for (size_t at = number * step; !err && at < len; at += step, number++) {
		char part[TEXT_MAX + 1];
		uint64_t grams[TEXT_MAX];
		snprintf(part, step + FULLTEXT_OVERLAP + 1, "%s", text + at);
		struct fulltext_piece piece = {.grams = grams,
					       .n = text_grams(part, grams),
					       .number = number,
					       .last = at + step >= len,
					       .whole = true};
		err = fulltext_add(f->base.account, FULLTEXT_NOW, id, &piece);
	}
	return err;
}

/* Texts of one piece and of many, over several blocks: each that has the needle is named, once and in order, and no long one
 * that has its parts far from one another. */
static void test_pieces(void **state)
{
	struct fixture *f = *state;
	enum { STEP = 20, TEXTS = 1500, LONG_MAX = 400 };
	static char texts[TEXTS][LONG_MAX + 1];
	static int64_t ids[TEXTS], found[TEXTS + 100];
	static const char letters[] = "ABCDEFGH";
	int64_t id = 0;
	for (size_t i = 0; i < TEXTS; i++) {
		id += i % 500 == 499 ? 40000 : 1 + (int64_t)(fixture_random(&f->base) % 2);
		ids[i] = id;
		size_t len = 1 + fixture_random(&f->base) % (i % 7 ? TEXT_MAX - 1 : LONG_MAX);
		for (size_t k = 0; k < len; k++)
			texts[i][k] = letters[fixture_random(&f->base) % (sizeof(letters) - 1)];
		assert_int_equal(i % 7 ? add(f, id, texts[i]) : add_pieces(f, id, texts[i], STEP, 0), STORE_OK);
		if (i % 400 == 0)
			assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	}
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	for (size_t round = 0; round < 200; round++) {
		bool more = round == 100; /* half of them when all is one segment */
		while (more)
			assert_int_equal(fulltext_merge(f->base.account, FULLTEXT_NOW, &more), STORE_OK);
		const char *from = texts[fixture_random(&f->base) % TEXTS];
		char needle[LONG_MAX + 1];
		size_t len = strlen(from), at = fixture_random(&f->base) % len, max = round % 2 ? 8 : LONG_MAX;
		size_t take = 1 + fixture_random(&f->base) % (len - at < max ? len - at : max);
		snprintf(needle, take + 1, "%s", from + at);
		struct fulltext_query q;
		if (fulltext_query_init(&q, bytes_of(needle), 0) == STORE_CANNOT)
			continue;
		size_t n = ask(f, needle, 1 + fixture_random(&f->base) % 50, found, countof(found));
		for (size_t i = 0; i < TEXTS; i++)
			if (strstr(texts[i], needle))
				assert_true(has(found, n, ids[i]));
	}
	assert_int_equal(f->dropped.n, 0);
	/* Of several needles one stands in a piece without the others. */
	char apart[] =
		"XYZ ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB QRS";
	assert_int_equal(add_pieces(f, id + 1, apart, STEP, 0), STORE_OK);
	assert_int_equal(add(f, id + 2, "QRS XYZ"), STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	struct fulltext_query q;
	size_t n = 0, got;
	bool done = false;
	assert_int_equal(fulltext_query_init(&q, (struct bytes){"XYZ\0QRS", 7}, 0), STORE_OK);
	for (; !done; n += got)
		assert_int_equal(fulltext_query_next(&q, f->base.account, found + n, 8, &got, &done), STORE_OK);
	assert_true(n == 2 && found[0] == id + 1 && found[1] == id + 2);
	assert_int_equal(ask(f, "XYZ ABABABABABABABABABAB QRS", 8, found, 100), 0);
}

/* What was cut off is begun anew, at the same places, and an index that takes another's place is asked for the rest. */
static void test_pieces_cut_off(void **state)
{
	struct fixture *f = *state;
	static const char text[] =
		"ONE OF THE LONG TEXTS, WHICH IS LONGER THAN THOSE AND HAS ITS NEEDLE AT THE END, WHERE IT IS.";
	enum { STEP = 10 };
	int64_t ids[64];
	uint64_t grams[TEXT_MAX];
	struct fulltext_piece first = {.grams = grams, .n = text_grams("ONE OF THE", grams), .whole = true},
			      second = first;
	second.number = 1;
	assert_int_equal(add(f, 1, "NOTHING"), STORE_OK);
	assert_int_equal(fulltext_add(f->base.account, FULLTEXT_NOW, 2, &first), STORE_OK);
	assert_int_equal(fulltext_added(f->base.account, FULLTEXT_NOW), 1);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK); /* of 1, and of what 2 has so far */
	assert_int_equal(fulltext_add(f->base.account, FULLTEXT_NOW, 2, &second), STORE_OK);
	assert_int_equal(ask(f, "ONE OF THE", 8, ids, 64), 0);
	fixture_close(&f->base);
	fixture_open(&f->base);
	assert_int_equal(fulltext_watermark(f->base.account), 1);
	assert_int_equal(fulltext_add(f->base.account, FULLTEXT_NOW, 2, &second), STORE_CANNOT);
	assert_int_equal(add_pieces(f, 2, text, STEP, 0), STORE_OK);
	for (int64_t id = 3; id <= 40; id++)
		assert_int_equal(id % 3 ? add(f, id, "THE END") : add_pieces(f, id, text, STEP, 0), STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
	assert_int_equal(ask(f, "NEEDLE", 5, ids, 64), 14);
	assert_int_equal(ids[0], 2);
	assert_int_equal(ids[13], 39);
	assert_int_equal(ask(f, "THE END", 5, ids, 64), 39);
	/* Another one, in which pieces have other numbers. */
	struct fulltext_query q;
	size_t n, got;
	bool done;
	assert_int_equal(fulltext_query_init(&q, bytes_of("THE END"), 0), STORE_OK);
	assert_int_equal(fulltext_query_next(&q, f->base.account, ids, 20, &n, &done), STORE_OK);
	assert_true(n == 20 && ids[19] == 21);
	for (int64_t id = 2; id <= 41; id++)
		assert_int_equal(
			add_grams(f->base.account, FULLTEXT_NEXT, id, grams, text_grams("THE END", grams), true),
			STORE_OK);
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NEXT), STORE_OK);
	assert_int_equal(fulltext_swap(f->base.account), STORE_OK);
	for (; !done; n += got)
		assert_int_equal(fulltext_query_next(&q, f->base.account, ids + n, 8, &got, &done), STORE_OK);
	assert_true(n == 39 && ids[20] == 22 && ids[38] == 40); /* and not 41, which came later */
}

static void fill(struct fixture *f, int64_t from, int64_t to)
{
	char text[40];
	for (int64_t id = from; id <= to; id++) {
		snprintf(text, sizeof(text), "MESSAGE %08lld OF MANY", (long long)id * 7919);
		assert_int_equal(add(f, id, text), STORE_OK);
	}
	assert_int_equal(fulltext_commit(f->base.account, FULLTEXT_NOW), STORE_OK);
}

static void overwrite(struct fixture *f, const char *name, off_t at, const void *bytes, size_t len, off_t size)
{
	int fd = open(scratch_path(&f->base.dir, name), O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	if (size >= 0)
		assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

/* Either everything is answered, or it was thrown away with a reason and can be filled again. */
static void look_at_damaged(struct fixture *f, int64_t last)
{
	static int64_t ids[3000];
	struct fulltext_query q;
	unsigned before = f->dropped.n;
	enum store_err err = STORE_OK;
	bool done = false;
	size_t n = 0, got;
	fixture_open(&f->base);
	assert_int_equal(fulltext_query_init(&q, bytes_of("MESSAGE"), 0), STORE_OK);
	while (!err && !done) {
		err = fulltext_query_next(&q, f->base.account, ids + n, 500, &got, &done);
		n += got;
	}
	if (f->dropped.n == before) {
		assert_int_equal(err, STORE_OK);
		assert_int_equal(n, last);
		return;
	}
	assert_true(f->dropped.why[0]);
	assert_int_equal(fulltext_watermark(f->base.account), 0);
	fill(f, 1, last);
	assert_int_equal(ask(f, "MESSAGE", 500, ids, 3000), last);
}

static enum store_err prove(struct fixture *f)
{
	int64_t at = 0;
	bool more = true;
	enum store_err err = STORE_OK;
	while (!err && more)
		err = fulltext_prove(f->base.account, &at, &more);
	return err;
}

/* One bit, anywhere: it is found out, or it is in a page that nobody reads. */
static void test_flipped_bits(void **state)
{
	struct fixture *f = *state;
	enum { LAST = 2000, FLIPS = 40 };
	static int64_t ids[3000];
	unsigned found = 0;
	assert_int_equal(prove(f), STORE_OK); /* there is none */
	fill(f, 1, LAST);
	assert_int_equal(prove(f), STORE_OK);
	fixture_close(&f->base);
	const char *path = scratch_path(&f->base.dir, "account/search.db");
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	static char whole[1 << 22];
	size_t len = fread(whole, 1, sizeof(whole), file);
	fclose(file);
	assert_in_range(len, 4 * DB_PAGE_BYTES, sizeof(whole) - 1);
	for (int i = 0; i < FLIPS; i++) {
		size_t at = fixture_random(&f->base) % len;
		char flipped = (char)(whole[at] ^ (1 << fixture_random(&f->base) % 8));
		overwrite(f, "account/search.db", 0, whole, len, (off_t)len);
		overwrite(f, "account/search.db", (off_t)at, &flipped, 1, -1);
		fixture_open(&f->base);
		enum store_err err = prove(f);
		bool is_dropped = fulltext_watermark(f->base.account) == 0; /* here, or when it was opened */
		assert_true(is_dropped || !err);
		if (!is_dropped)
			assert_int_equal(ask(f, "MESSAGE", 500, ids, 3000), LAST);
		found += is_dropped;
		fixture_close(&f->base);
	}
	assert_in_range(found, FLIPS / 2, FLIPS);
	assert_int_equal(f->dropped.n, found);
	fixture_open(&f->base);
}

static void test_damage(void **state)
{
	struct fixture *f = *state;
	enum { LAST = 2000 };
	char zeros[20000] = {0};
	fill(f, 1, LAST);
	for (int i = 0; i < 12; i++) {
		char garbage[3000];
		for (size_t k = 0; k < sizeof(garbage); k++)
			garbage[k] = (char)fixture_random(&f->base);
		fixture_close(&f->base);
		if (i == 0)
			overwrite(f, "account/search.db", 0, "", 0, 0); /* empty: as good as new */
		else if (i == 1)
			overwrite(f, "account/search.db", 0, "this is a letter to my aunt", 27, 27);
		else if (i == 2)
			overwrite(f, "account/search.db", 0, garbage, sizeof(garbage), -1);
		else if (i == 3)
			overwrite(f, "account/search.db", 0, "", 0, 40000);
		else if (i == 4)
			overwrite(f, "account/search.db-wal", 0, garbage, sizeof(garbage), -1);
		else if (i == 5)
			overwrite(f, "account/search.db", 16384, zeros, sizeof(zeros), -1);
		else
			overwrite(f, "account/search.db", 16384 * (i - 4) + 100, garbage, sizeof(garbage), -1);
		unsigned before = f->dropped.n;
		if (i == 0) {
			fixture_open(&f->base);
			assert_int_equal(fulltext_watermark(f->base.account), 0);
			fill(f, 1, LAST);
			continue;
		}
		look_at_damaged(f, LAST);
		if (i == 1 || i == 2 || i == 3 || i == 5)
			assert_int_equal(f->dropped.n, before + 1);
	}
}

/* A backup of index.db was put back, but search.db is of later. */
static void test_ahead_of_the_account(void **state)
{
	struct fixture *f = *state;
	fill(f, 1, 10);
	fixture_close(&f->base);
	fixture_open(&f->base);
	assert_int_equal(db_exec(&f->base.account->db, "UPDATE sqlite_sequence SET seq=9 WHERE name='content'"), STORE_OK);
	assert_int_equal(fulltext_watermark(f->base.account), 0);
	assert_int_equal(f->dropped.n, 1);
	fill(f, 1, 9);
	fixture_close(&f->base);
	fixture_open(&f->base);
	assert_int_equal(fulltext_watermark(f->base.account), 9);
}

/* A full disk takes back what was not committed, and no more; other failures throw the index away; neither touches the
 * account. */
static void test_failures(void **state)
{
	struct fixture *f = *state;
	static const enum store_point points[] = {POINT_SEARCH_BEGIN, POINT_SEARCH_COMMIT};
	fill(f, 1, 10);
	for (size_t i = 0; i < countof(points); i++) {
		f->base.fail_at = points[i];
		f->base.fail_with = ENOSPC;
		enum store_err err = add(f, 11, "MESSAGE");
		if (!err)
			err = fulltext_commit(f->base.account, FULLTEXT_NOW);
		assert_int_equal(err, STORE_FULL);
		assert_int_equal(fulltext_watermark(f->base.account), 10);
		assert_int_equal(fulltext_pending(f->base.account, FULLTEXT_NOW), 0);
		assert_int_equal(f->dropped.n, i);
		f->base.fail_with = EIO;
		err = add(f, 11, "MESSAGE");
		if (!err)
			err = fulltext_commit(f->base.account, FULLTEXT_NOW);
		assert_int_equal(err, STORE_IO);
		f->base.fail_at = STORE_POINTS;
		assert_int_equal(fulltext_watermark(f->base.account), 0);
		assert_int_equal(f->dropped.n, i + 1);
		fill(f, 1, 10);
	}
	/* One that cannot even be removed is left alone until the account is opened afresh. */
	f->base.fail_at = POINT_SEARCH_UNLINK;
	fulltext_drop(f->base.account, FULLTEXT_NOW, "test");
	assert_int_equal(add(f, 11, "MESSAGE"), STORE_NOTFOUND);
	f->base.fail_at = STORE_POINTS;
	fixture_close(&f->base);
	fixture_open(&f->base);
	assert_int_equal(fulltext_watermark(f->base.account), 10);
	assert_int_equal(ask(f, "MESSAGE", 20, (int64_t[20]){0}, 20), 10);
	assert_false(f->base.account->db.broken);
}

static void test_swap(void **state)
{
	struct fixture *f = *state;
	struct account *a = f->base.account;
	struct fulltext_status status;
	fill(f, 1, 3000);
	assert_int_equal(fulltext_status(a, &status), STORE_OK);
	assert_int_equal(status.contents, 3000);
	assert_int_equal(status.watermark, 3000);
	assert_true(status.bytes > 16384);
	assert_int_equal(fulltext_lag(a), LAST_ID - 3000);
	fulltext_note_dead(a, 1400);
	assert_false(fulltext_is_stale(a));
	fulltext_note_dead(a, 101);
	assert_true(fulltext_is_stale(a));
	/* The half that is left; meanwhile the other one answers. */
	assert_int_equal(fulltext_added(a, FULLTEXT_NEXT), 0);
	uint64_t grams[TEXT_MAX];
	for (int64_t id = 2; id <= 3002; id += 2)
		assert_int_equal(add_grams(a, FULLTEXT_NEXT, id, grams, text_grams("MESSAGE", grams), true), STORE_OK);
	assert_int_equal(ask(f, "MESSAGE", 1000, (int64_t[5000]){0}, 5000), 3000);
	assert_int_equal(fulltext_commit(a, FULLTEXT_NEXT), STORE_OK);
	assert_int_equal(fulltext_watermark(a), 3000);
	/* Left in the middle, it goes on where it was. */
	fixture_close(&f->base);
	fixture_open(&f->base);
	a = f->base.account;
	assert_true(fulltext_is_stale(a));
	assert_int_equal(fulltext_added(a, FULLTEXT_NEXT), 3002);
	assert_int_equal(fulltext_swap(a), STORE_OK);
	assert_false(fulltext_is_stale(a));
	assert_int_equal(fulltext_watermark(a), 3002);
	assert_int_equal(ask(f, "MESSAGE", 1000, (int64_t[5000]){0}, 5000), 1501);
	assert_int_equal(fulltext_status(a, &status), STORE_OK);
	assert_int_equal(status.contents, 1501);
	assert_int_equal(status.dead, 0);
	assert_int_equal(f->dropped.n, 0);
	fulltext_caught_up(a);
	assert_int_equal(fulltext_lag(a), 0);
	/* With nothing left at all. */
	fulltext_drop(a, FULLTEXT_NEXT, "test");
	assert_int_equal(fulltext_swap(a), STORE_OK);
	assert_int_equal(fulltext_watermark(a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_index, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_same_as_a_scan, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_short_needles, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_several_needles, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_fields, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_any_character, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_too_much_text_is_always_named, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_pieces, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_pieces, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_pieces_cut_off, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_watermark, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_flipped_bits, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_damage, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_ahead_of_the_account, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_swap, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_failures, set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
