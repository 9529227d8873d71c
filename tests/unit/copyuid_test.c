/* COPYUID in chunks of any size is COPYUID written at once (RFC 4315 3), and packed ranges are what went in. */
#include "server/copyuid.h"

#include "protocol/imap/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void check(const struct copy_result *result, size_t step)
{
	struct copyuid code;
	struct buf want, got;
	buf_init(&want, UINT32_MAX);
	buf_init(&got, UINT32_MAX);
	buf_printf(&want, "COPYUID %u ", result->uidvalidity);
	for (size_t i = 0; i < result->source.n; i++)
		response_range(&want, i == 0, result->source.v[i].lo, result->source.v[i].hi);
	buf_add_char(&want, ' ');
	response_range(&want, true, result->first, result->first + result->n - 1);
	copyuid_init(&code, result);
	for (size_t before = 0; !copyuid_write(&code, &got, before + step); before = got.len)
		assert_true(got.len >= before + step);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	copyuid_finish(&code);
	assert_int_equal(code.n, 0);
	buf_finish(&want);
	buf_finish(&got);
}

static void test_sets(void **state)
{
	(void)state;
	static const struct uidrange sets[][4] = {
		{{1, 1}}, {{1, UINT32_MAX}}, {{UINT32_MAX, UINT32_MAX}}, {{5, 7}, {9, 9}},
		{{127, 127}, {255, 255}, {384, 511}, {4000000000, 4294967294}},
	};
	for (size_t i = 0; i < countof(sets); i++) {
		struct copy_result result = {.uidvalidity = 7, .first = 20};
		for (size_t k = 0; k < 4 && sets[i][k].lo; k++)
			uidset_append(&result.source, sets[i][k].lo, sets[i][k].hi);
		result.n = (uint32_t)uidset_count(&result.source);
		for (size_t step = 1; step < 40; step++)
			check(&result, step);
		copy_result_finish(&result);
	}
}

static void test_many(void **state)
{
	(void)state;
	struct copy_result result = {.uidvalidity = UINT32_MAX, .first = 1};
	uint32_t seed = 5, uid = 0;
	for (int i = 0; i < 50000; i++) {
		seed = seed * 1103515245 + 12345;
		uint32_t lo = uid + 2 + (seed >> 16) % (i % 50 ? 4 : 20000), hi = lo + (seed >> 8) % 3;
		uidset_append(&result.source, lo, hi);
		uid = hi;
	}
	result.n = (uint32_t)uidset_count(&result.source);
	check(&result, 1000);
	check(&result, SIZE_MAX / 2);
	struct copyuid code;
	copyuid_init(&code, &result);
	assert_true(code.packed.cap < 3 * result.source.n);
	copyuid_finish(&code);
	copy_result_finish(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sets), cmocka_unit_test(test_many)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
