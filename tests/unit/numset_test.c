/* Sets: normalising agrees with counting one by one, and never looks at the width. */
#include "protocol/imap/numset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct numset parse(struct arena *a, const char *text)
{
	struct lexer lx;
	struct numset set;
	lexer_init(&lx, a, span_of(text), DIALECT_REV1);
	numset_parse(&lx, &set);
	lexer_end(&lx);
	assert_false(lexer_failed(&lx));
	return set;
}

static void check(const char *text, uint32_t star, const char *expected)
{
	struct arena a;
	arena_init(&a);
	struct numset set = parse(&a, text);
	numset_normalise(&set, star);
	char printed[200] = "";
	size_t at = 0;
	for (size_t i = 0; i < set.n; i++)
		at += (size_t)snprintf(printed + at, sizeof(printed) - at, "%s%u:%u", i ? "," : "", set.v[i].lo, set.v[i].hi);
	assert_string_equal(printed, expected);
	arena_finish(&a);
}

static void test_normalise(void **state)
{
	(void)state;
	check("1", 10, "1:1");
	check("4:2", 10, "2:4");
	check("*", 10, "10:10");
	check("559:*", 10, "10:559"); /* RFC 9051 6.4.9: the last message is in it whatever its number */
	check("*:3", 10, "3:10");
	check("5,1,3", 10, "1:1,3:3,5:5");
	check("2,2,1:3", 10, "1:3");
	check("1:2,3:4", 10, "1:4");
	check("6:9,1:4,5", 10, "1:9");
	check("1:4294967295,4294967295", 10, "1:4294967295");
	check("4294967295,1:4294967294", 10, "1:4294967295");
	check("*", 0, "");
	check("*:*", 0, "");
	check("5:*", 0, "1:5");
	check("*,7", 0, "7:7");
}

/* Random sets over a small range against an array of booleans. */
static void test_against_counting(void **state)
{
	enum { TOP = 40 };
	unsigned seed = 7;
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct numrange ranges[12];
		struct numset set = {.v = ranges, .n = round % 12};
		bool in[TOP + 1] = {false};
		uint32_t star = round % 3 ? 1 + round % TOP : 0;
		for (size_t i = 0; i < set.n; i++) {
			seed = seed * 1103515245 + 12345;
			ranges[i] = (struct numrange){(seed >> 8) % (TOP + 1), (seed >> 20) % (TOP + 1)};
			uint32_t lo = ranges[i].lo ? ranges[i].lo : star, hi = ranges[i].hi ? ranges[i].hi : star;
			for (uint32_t n = lo < hi ? lo : hi; n <= (lo < hi ? hi : lo); n++)
				in[n] = true;
		}
		numset_normalise(&set, star);
		for (uint32_t n = 1; n <= TOP; n++)
			assert_int_equal(numset_has(&set, n), in[n]);
		for (size_t i = 1; i < set.n; i++)
			assert_true(set.v[i].lo > set.v[i - 1].hi + 1);
	}
}

/* RFC 9394 3.1: places beyond the list are left out; a range of none of them is empty; its ends may be swapped. */
static void test_partial(void **state)
{
	(void)state;
	uint64_t first, last;
	const struct {
		struct partial range;
		uint64_t total, first, last; /* last 0: none */
	} cases[] = {
		{{1, 5, false}, 10, 1, 5}, {{5, 1, false}, 10, 1, 5}, {{8, 12, false}, 10, 8, 10}, {{11, 12, false}, 10, 0, 0},
		{{1, 1, false}, 0, 0, 0}, {{1, 3, true}, 10, 8, 10}, {{3, 1, true}, 10, 8, 10}, {{9, 20, true}, 10, 1, 2},
		{{11, 20, true}, 10, 0, 0}, {{10, 10, true}, 10, 1, 1}, {{1, UINT32_MAX, true}, 3, 1, 3},
		{{UINT32_MAX, UINT32_MAX, false}, UINT32_MAX, UINT32_MAX, UINT32_MAX},
	};
	for (size_t i = 0; i < countof(cases); i++) {
		bool any = partial_places(&cases[i].range, cases[i].total, &first, &last);
		assert_int_equal(any, cases[i].last != 0);
		if (any) {
			assert_int_equal(first, cases[i].first);
			assert_int_equal(last, cases[i].last);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalise),
		cmocka_unit_test(test_against_counting),
		cmocka_unit_test(test_partial),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
