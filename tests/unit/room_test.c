/* server/room: how much of a disk is kept back, and what is there to see of a real one. */
#include "server/room.h"

#include "server/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void check(uint64_t size_bytes, uint64_t free_bytes, int64_t want, bool want_gone)
{
	bool gone;
	assert_int_equal(room_left(size_bytes, free_bytes, &gone), want);
	assert_int_equal(gone, want_gone);
}

static void test_reserve(void **state)
{
	const uint64_t all = LIMIT_DISK_RESERVE_BYTES, large = 1ULL << 40, small = 1 << 20, part = small / LIMIT_DISK_RESERVE_PART;
	(void)state;
	check(large, large, (int64_t)(large - all), false);
	check(large, all, 0, false);
	check(large, all - 1, -1, false);
	check(large, all / 4, -(int64_t)(all - all / 4), false);
	check(large, all / 4 - 1, -(int64_t)(all - all / 4 + 1), true);
	check(large, 0, -(int64_t)all, true);
	check(small, part, 0, false);
	check(small, 0, -(int64_t)part, true);
}

static void test_disk(void **state)
{
	struct room r;
	(void)state;
	room_init(&r, "/nowhere/at/all");
	assert_true(room_has(&r, 1ULL << 60));
	assert_false(room_is_gone(&r));
	room_init(&r, "/");
	assert_false(room_has(&r, 1ULL << 62));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_reserve), cmocka_unit_test(test_disk)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
