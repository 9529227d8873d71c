/* Sets of UIDs as ranges, against one flag a UID. */
#include "storage/uidset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { SPAN = 300 };

static void assert_normal(const struct uidset *s, const bool *has)
{
	uint64_t count = 0;
	for (size_t i = 0; i < s->n; i++) {
		assert_true(s->v[i].lo <= s->v[i].hi);
		assert_true(i == 0 || s->v[i - 1].hi + 1 < s->v[i].lo);
	}
	for (uint32_t uid = 0; uid < SPAN; uid++) {
		assert_int_equal(uidset_has(s, uid), has[uid]);
		count += has[uid];
	}
	assert_int_equal(uidset_count(s), count);
}

static void test_any_order(void **state)
{
	(void)state;
	uint32_t seed = 1;
	for (int round = 0; round < 500; round++) {
		struct uidset s = {0};
		bool has[SPAN] = {0};
		uint32_t n = (seed = seed * 1664525 + 1013904223) >> 28, at = 1;
		for (; n; n--) {
			uint32_t lo = 1 + ((seed = seed * 1664525 + 1013904223) >> 8) % 250, width = (seed >> 28);
			if (round % 3 == 0) /* in order, as they mostly come */
				lo = at;
			uint32_t hi = lo + width < SPAN ? lo + width : SPAN - 1;
			at = hi < 200 ? hi + seed % 3 : at;
			uidset_add_any(&s, lo, hi);
			memset(has + lo, 1, hi - lo + 1);
		}
		uidset_normalise(&s);
		assert_normal(&s, has);
		uidset_finish(&s);
		assert_null(s.v);
	}
}

static void test_append_joins(void **state)
{
	(void)state;
	struct uidset s = {0};
	bool has[SPAN] = {0};
	for (uint32_t uid = 1; uid < 200; uid++) {
		if (uid % 7 == 0)
			continue;
		uidset_append(&s, uid, uid);
		has[uid] = true;
	}
	assert_int_equal(s.n, 29);
	assert_normal(&s, has);
	uidset_finish(&s);
}

static void test_widest(void **state)
{
	(void)state;
	struct uidset s = {0};
	uidset_add_any(&s, 5, UINT32_MAX);
	uidset_add_any(&s, UINT32_MAX, UINT32_MAX);
	uidset_add_any(&s, 1, 3);
	uidset_normalise(&s);
	assert_int_equal(s.n, 2);
	assert_true(uidset_has(&s, UINT32_MAX));
	assert_false(uidset_has(&s, 4));
	assert_int_equal(uidset_count(&s), (uint64_t)UINT32_MAX - 1);
	uidset_add_any(&s, 4, 4);
	uidset_normalise(&s);
	assert_int_equal(s.n, 1);
	uidset_finish(&s);
}

/* Both operations against one flag a UID. */
static void test_combined(void **state)
{
	(void)state;
	uint32_t seed = 7;
	for (int round = 0; round < 1000; round++) {
		struct uidset sets[2] = {0}, both = {0}, rest = {0};
		bool has[2][SPAN] = {0}, want_both[SPAN], want_rest[SPAN];
		for (int k = 0; k < 2; k++) {
			for (uint32_t n = (seed = seed * 1664525 + 1013904223) >> 28; n; n--) {
				uint32_t lo = 1 + ((seed = seed * 1664525 + 1013904223) >> 8) % 250, hi = lo + (seed >> 27);
				uidset_add_any(&sets[k], lo, hi);
				memset(has[k] + lo, 1, hi - lo + 1);
			}
			uidset_normalise(&sets[k]);
		}
		for (int uid = 0; uid < SPAN; uid++) {
			want_both[uid] = has[0][uid] && has[1][uid];
			want_rest[uid] = has[0][uid] && !has[1][uid];
		}
		uidset_intersect(&sets[0], &sets[1], &both);
		uidset_subtract(&sets[0], &sets[1], &rest);
		assert_normal(&both, want_both);
		assert_normal(&rest, want_rest);
		for (int k = 0; k < 2; k++)
			uidset_finish(&sets[k]);
		uidset_finish(&both);
		uidset_finish(&rest);
	}
	struct uidset all = {0}, last = {0}, out = {0};
	uidset_append(&all, 1, UINT32_MAX);
	uidset_append(&last, UINT32_MAX, UINT32_MAX);
	uidset_subtract(&all, &last, &out);
	assert_int_equal(uidset_count(&out), (uint64_t)UINT32_MAX - 1);
	uidset_finish(&all);
	uidset_finish(&last);
	uidset_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_append_joins),
		cmocka_unit_test(test_widest),
		cmocka_unit_test(test_combined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
