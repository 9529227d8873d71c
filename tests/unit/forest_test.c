#include "server/forest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { NODES = 60, STEPS = 200000, DEEP = 300000 };

static uint64_t next_random(uint64_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return *r;
}

static uint32_t top_of(const uint32_t *parent, uint32_t node)
{
	while (parent[node])
		node = parent[node];
	return node;
}

/* What comes of joining and cutting at random, beside plain parents. */
static void test_random(void **state)
{
	uint32_t parent[NODES] = {0};
	struct forest f;
	uint64_t r = 88172645463325252u;
	(void)state;
	for (uint32_t i = 2; i < NODES / 2; i++)
		parent[i] = i % 3 ? i - 1 : 0;
	forest_init(&f, parent, NODES / 2);
	while (f.n < NODES)
		forest_add(&f);
	for (int i = 0; i < STEPS; i++) {
		uint32_t node = 1 + (uint32_t)(next_random(&r) % (NODES - 1)), other = 1 + (uint32_t)(next_random(&r) % (NODES - 1));
		if (next_random(&r) % 4 == 0) {
			parent[node] = 0;
			forest_cut(&f, node);
		}
		assert_int_equal(forest_top(&f, other), top_of(parent, other));
		if (!parent[node] && top_of(parent, other) != node) {
			parent[node] = other;
			forest_link(&f, node, other);
		}
		assert_int_equal(forest_top(&f, node), top_of(parent, node));
	}
	forest_finish(&f);
	forest_finish(&f);
}

/* A chain that is asked at its end again and again. */
static void test_deep(void **state)
{
	uint32_t *parent = xcalloc(DEEP, sizeof(*parent));
	struct forest f;
	(void)state;
	for (uint32_t i = 2; i < DEEP; i++)
		parent[i] = i - 1;
	forest_init(&f, parent, DEEP);
	for (uint32_t i = 0; i < DEEP; i++)
		assert_int_equal(forest_top(&f, DEEP - 1 - i % 1000), 1);
	forest_cut(&f, DEEP / 2);
	assert_int_equal(forest_top(&f, DEEP - 1), DEEP / 2);
	assert_int_equal(forest_top(&f, DEEP / 2 - 1), 1);
	forest_finish(&f);
	free(parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_deep)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
