/* Words found as FUZZY wants them, in text that comes in any pieces, and the scores of that. */
#include "protocol/mime/fuzzy.h"
#include "protocol/mime/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct buf folded(const char *text)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	mime_fold(span_of(text), &out);
	return out;
}

static struct buf words_of(const char *text)
{
	struct buf in = folded(text), out;
	buf_init(&out, 1 << 20);
	mime_fuzzy_words(buf_span(&in), &out);
	buf_finish(&in);
	return out;
}

static void expect_words(const char *text, const char *words, size_t len)
{
	struct buf out = words_of(text);
	assert_true(span_equal(buf_span(&out), span_make(words, len)));
	buf_finish(&out);
}

/* Whole characters, as strings.h has it. */
static size_t whole(struct span s, size_t len)
{
	while (len < s.len && ((unsigned char)s.ptr[len] & 0xc0) == 0x80)
		len++;
	return len < s.len ? len : s.len;
}

/* The score of a string of these folded bytes, which is the same whatever pieces it comes in. */
static unsigned score_bytes(struct span text, const char *asked, enum mime_fuzzy_place place, bool scored)
{
	static const size_t steps[] = {1, 2, 7, 4096, SIZE_MAX};
	struct buf words = words_of(asked);
	unsigned score = 0;
	for (size_t i = 0; i < countof(steps); i++) {
		struct mime_fuzzy f;
		bool more = true;
		mime_fuzzy_init(&f, buf_span(&words), scored);
		f.place = place;
		for (size_t at = 0; more;) {
			size_t len = whole(span_after(text, at), steps[i] < text.len - at ? steps[i] : text.len - at);
			more = mime_fuzzy_take(&f, MIME_STREAM_AS_IS, span_make(text.ptr + at, len), at + len == text.len);
			at += len;
			if (at == text.len)
				break;
		}
		assert_true(i == 0 || mime_fuzzy_score(&f) == score);
		score = mime_fuzzy_score(&f);
		mime_fuzzy_finish(&f);
	}
	buf_finish(&words);
	return score;
}

static unsigned score(const char *text, const char *asked)
{
	struct buf in = folded(text);
	unsigned out = score_bytes(buf_span(&in), asked, MIME_FUZZY_BODY, true);
	buf_finish(&in);
	return out;
}

static void test_words(void **state)
{
	(void)state;
	expect_words("Hello, w\xc3\xb6rld!", "HELLO\0WORLD", 11);
	expect_words(" -- ", "", 0);
	expect_words("user@example.org", "USER\0EXAMPLE\0ORG", 16);
	expect_words("\xff" "a\xff" "1b", "A\0" "1B", 4);
}

static void test_many_and_long_words(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 100; i++)
		buf_add_text(&text, "word ");
	buf_add_char(&text, '\0');
	struct buf out = words_of(text.data);
	assert_int_equal(out.len, MIME_FUZZY_WORDS * 5 - 1);
	buf_finish(&out);
	buf_reset(&text);
	for (int i = 0; i < 100; i++)
		buf_add_text(&text, "\xe6\x9d\xb1");
	buf_add_char(&text, '\0');
	out = words_of(text.data);
	assert_int_equal(out.len, MIME_FUZZY_WORD_BYTES / 3 * 3);
	buf_finish(&out);
	buf_finish(&text);
}

static void test_words_begin_words(void **state)
{
	(void)state;
	assert_true(score("the hens", "HEN"));
	assert_true(score("hens", "hen"));
	assert_false(score("kitchens", "hen"));
	assert_false(score("he n", "hen"));
	assert_true(score("kitchens, hens", "hen"));
	assert_true(score("news of the break", "break news"));
	assert_false(score("news of the day", "break news"));
	assert_true(score("x\xff" "hens", "hen"));                                   /* what is no text separates */
	assert_true(score("cafe", "caf\xc3\xa9") && score("CAF\xc3\x89s", "cafe"));
	assert_true(score("\xe4\xbb\x8a\xe6\x9d\xb1\xe4\xba\xac", "\xe6\x9d\xb1\xe4\xba\xac")); /* within a run of Han */
	assert_false(score("\xe6\x9d\xb1\xe4\xba\xac", "\xe4\xba\xac\xe6\x9d\xb1"));
	assert_false(score("", "hen"));
}

static void test_scores(void **state)
{
	(void)state;
	assert_int_equal(score("hen", "hen"), 31);
	assert_int_equal(score("hens", "hen"), 1 + 30 * 3 / 4);
	assert_int_equal(score("hens hen", "hen"), 36);
	assert_int_equal(score("hen hen hen hen hen hen hen hen hen hen", "hen"), 61);
	assert_int_equal(score("hen egg", "hen egg"), 31);
	struct buf seven = folded("hen hen hen hen hen hen hen"), one = folded("hen"), longer = folded("henhouse");
	assert_int_equal(score_bytes(buf_span(&seven), "hen", MIME_FUZZY_SUBJECT, true), 100);
	assert_int_equal(score_bytes(buf_span(&one), "hen", MIME_FUZZY_HEADER, true), 55);
	assert_int_equal(score_bytes(buf_span(&one), "hen", MIME_FUZZY_FIELD, true), 100);
	assert_int_equal(score_bytes(buf_span(&longer), "h", MIME_FUZZY_BODY, true), 1 + 30 / 8);
	assert_int_equal(score_bytes(buf_span(&longer), "h", MIME_FUZZY_BODY, false), 100);
	buf_finish(&seven);
	buf_finish(&one);
	buf_finish(&longer);
}

/* Where windows end does not matter, and neither does how long the text is. */
static void test_long_text(void **state)
{
	(void)state;
	for (size_t before = 16384 - 300; before < 16384 + 20; before += 7) {
		struct buf text;
		buf_init(&text, 1 << 20);
		for (size_t i = 0; i < before; i++)
			buf_add_char(&text, 'X');
		buf_add_text(&text, " HENS");
		for (size_t i = 0; i < 16384; i++)
			buf_add_char(&text, i % 50 ? 'X' : '\xff');
		assert_int_equal(score_bytes(buf_span(&text), "hen", MIME_FUZZY_BODY, true), 1 + 30 * 3 / 4);
		assert_int_equal(score_bytes(buf_span(&text), "en", MIME_FUZZY_BODY, true), 0);
		buf_finish(&text);
	}
}

/* Nothing is looked through for nothing. */
static void test_done(void **state)
{
	(void)state;
	struct buf words = words_of("hen");
	struct mime_fuzzy f;
	mime_fuzzy_init(&f, buf_span(&words), false);
	assert_false(mime_fuzzy_take(&f, MIME_STREAM_AS_IS, span_of("HEN"), true));
	mime_fuzzy_finish(&f);
	mime_fuzzy_init(&f, buf_span(&words), true);
	assert_true(mime_fuzzy_take(&f, MIME_STREAM_AS_IS, span_of("HEN"), true));
	bool more = true;
	size_t fed = 0;
	for (; more && fed < 1 << 20; fed += 9)
		more = mime_fuzzy_take(&f, MIME_STREAM_AS_IS, span_of("XXXXXXXX "), false);
	assert_in_range(fed, MIME_FUZZY_SCORED, 2 * MIME_FUZZY_SCORED);
	mime_fuzzy_finish(&f);
	buf_finish(&words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words), cmocka_unit_test(test_many_and_long_words),
		cmocka_unit_test(test_words_begin_words), cmocka_unit_test(test_scores), cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
