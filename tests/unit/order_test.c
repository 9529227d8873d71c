#include "server/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MANY = 20000 };

static uint64_t next_random(uint64_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return *r;
}

/* Slices that are over as soon as they may be. */
static void sort_all(struct order *o)
{
	struct slice over = {0};
	unsigned turns = 0;
	while (!order_sort(o, &over)) {
		slice_begin(&over);
		if (turns++ % 2)
			over.until_us = slice_now_us() + 20;
	}
}

static void narrow_all(struct order *o, uint32_t want, bool greatest)
{
	struct slice slice = {0};
	while (!order_narrow(o, want, greatest, &slice))
		slice_begin(&slice);
}

static void fill(struct order *o, uint64_t *r, uint64_t mask)
{
	for (uint32_t i = 0; i < MANY; i++)
		o->values[i] = next_random(r) & mask;
}

/* Equal ones keep their order, whatever the range of the values. */
static void test_sort(void **state)
{
	static const uint64_t masks[] = {0, 1, 0x7ff, 0x800, 0xffffffff, UINT64_MAX, (uint64_t)1 << 63};
	uint64_t r = 88172645463325252u;
	(void)state;
	for (size_t m = 0; m < countof(masks); m++) {
		struct order o;
		order_init(&o, MANY);
		fill(&o, &r, masks[m]);
		sort_all(&o);
		for (uint32_t i = 1; i < MANY; i++) {
			uint64_t a = o.values[o.items[i - 1]], b = o.values[o.items[i]];
			assert_true(a < b || (a == b && o.items[i - 1] < o.items[i]));
		}
		order_finish(&o);
	}
}

static void test_two_keys(void **state)
{
	uint64_t r = 7, *first = xmalloc(MANY * sizeof(*first));
	struct order o;
	(void)state;
	order_init(&o, MANY);
	fill(&o, &r, 3);
	memcpy(first, o.values, MANY * sizeof(*first));
	fill(&o, &r, 15);
	sort_all(&o);
	uint64_t *second = o.values;
	o.values = first;
	sort_all(&o);
	for (uint32_t i = 1; i < MANY; i++) {
		uint32_t a = o.items[i - 1], b = o.items[i];
		assert_true(first[a] < first[b] ||
			    (first[a] == first[b] && (second[a] < second[b] || (second[a] == second[b] && a < b))));
	}
	free(second);
	order_finish(&o);
}

/* The wanted ones are there, in the order that they would have among all. */
static void test_narrow(void **state)
{
	static const uint64_t masks[] = {0, 7, 0xffff, 0xffffffffff, UINT64_MAX};
	static const uint32_t wants[] = {1, 50, 9999, MANY, MANY * 2};
	uint64_t r = 99;
	(void)state;
	for (size_t m = 0; m < countof(masks) * countof(wants) * 2; m++) {
		struct order all, some;
		uint32_t want = wants[m % countof(wants)];
		bool greatest = m / countof(wants) % 2;
		order_init(&all, MANY);
		order_init(&some, MANY);
		fill(&all, &r, masks[m / countof(wants) / 2]);
		if (m % 3 == 0)
			all.values[5] = UINT64_MAX; /* one that is far off */
		memcpy(some.values, all.values, MANY * sizeof(*all.values));
		sort_all(&all);
		narrow_all(&some, want, greatest);
		sort_all(&some);
		assert_true(some.n >= (want < MANY ? want : MANY) && some.n <= MANY);
		assert_memory_equal(some.items, all.items + (greatest ? MANY - some.n : 0), some.n * sizeof(*all.items));
		order_finish(&all);
		order_finish(&some);
	}
}

static void test_none(void **state)
{
	struct order o, never = {0};
	struct slice slice;
	(void)state;
	slice_begin(&slice);
	order_init(&o, 0);
	assert_true(order_sort(&o, &slice));
	assert_true(order_narrow(&o, 5, true, &slice));
	order_finish(&o);
	order_finish(&never);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_two_keys),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
