/* The bounded buffer latches at its limit; the arena keeps what it gave. */
#include "protocol/arena.h"
#include "protocol/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_buf_collects(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	buf_add_text(&b, "a");
	buf_add_u64(&b, UINT64_MAX);
	buf_add_u64(&b, 0);
	buf_printf(&b, "%s-%d", "x", 7);
	assert_true(span_equal(buf_span(&b), span_of("a184467440737095516150x-7")));
	buf_drop(&b, 21);
	assert_true(span_equal(buf_span(&b), span_of("0x-7")));
	assert_false(b.failed);
	buf_finish(&b);
}

static void test_numbers(void **state)
{
	(void)state;
	struct buf b;
	char want[32];
	buf_init(&b, 100);
	for (uint64_t power = 1;; power *= 10) {
		for (uint64_t n = power - 1; n <= power + 1; n++) {
			buf_reset(&b);
			buf_add_u64(&b, n);
			snprintf(want, sizeof(want), "%llu", (unsigned long long)n);
			assert_true(span_equal(buf_span(&b), span_of(want)));
		}
		if (power > UINT64_MAX / 10)
			break;
	}
	buf_finish(&b);
}

static void test_buf_latches_at_limit(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4);
	buf_add_text(&b, "abcd");
	assert_false(b.failed);
	buf_add_char(&b, 'e');
	assert_true(b.failed);
	buf_drop(&b, 4);
	buf_add_char(&b, 'f');
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	buf_add_char(&b, 'g');
	assert_int_equal(b.len, 1);
	buf_finish(&b);
}

static void test_arena_grows_arrays(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a);
	uint32_t *v = NULL;
	for (uint32_t n = 0; n < 10000; n++) {
		v = arena_grow(&a, v, n, sizeof(*v));
		v[n] = n;
	}
	for (uint32_t n = 0; n < 10000; n++)
		assert_int_equal(v[n], n);
	struct span copy = arena_copy(&a, span_of("kept"));
	assert_string_equal(copy.ptr, "kept");
	arena_finish(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_collects),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_buf_latches_at_limit),
		cmocka_unit_test(test_arena_grows_arrays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
