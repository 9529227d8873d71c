/* Every item comes out in its second, whatever was put off, brought forward or removed: against a plain array. */
#include "server/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { ITEMS = 200, SECONDS = 20000 };

struct model {
	struct wheel_item item; /* first: an item is found by it */
	uint64_t due_s;
	bool in;
};

static void test_order(void **state)
{
	(void)state;
	struct wheel *w = xcalloc(1, sizeof(*w));
	struct wheel_item a = {0}, b = {0};
	wheel_init(w, 100);
	wheel_set(w, &a, 110);
	wheel_set(w, &b, 105);
	assert_null(wheel_next_due(w, 104));
	assert_ptr_equal(wheel_next_due(w, 105), &b);
	assert_null(wheel_next_due(w, 105));
	wheel_set(w, &a, 120); /* put off */
	assert_null(wheel_next_due(w, 119));
	wheel_set(w, &b, 3); /* past: due in the next second */
	assert_null(wheel_next_due(w, 119));
	assert_non_null(wheel_next_due(w, 120));
	assert_non_null(wheel_next_due(w, 120));
	assert_null(wheel_next_due(w, 120));
	assert_int_equal(w->n, 0);
	free(w);
}

static void test_against_model(void **state)
{
	(void)state;
	struct wheel *w = xcalloc(1, sizeof(*w));
	struct model *items = xcalloc(ITEMS, sizeof(*items));
	unsigned seed = 7;
	wheel_init(w, 0);
	for (uint64_t now = 1; now < SECONDS; now += 1 + (uint64_t)(rand_r(&seed) % 40 == 0) * 3000) {
		struct wheel_item *item;
		while ((item = wheel_next_due(w, now))) {
			struct model *m = (struct model *)item;
			assert_true(m->in && m->due_s <= now);
			m->in = false;
		}
		for (int i = 0; i < ITEMS; i++)
			assert_false(items[i].in && items[i].due_s <= now);
		for (int i = 0; i < 3; i++) {
			struct model *m = &items[rand_r(&seed) % ITEMS];
			if (rand_r(&seed) % 8 == 0) {
				wheel_remove(w, &m->item);
				m->in = false;
				continue;
			}
			m->due_s = now + 1 + (uint64_t)(rand_r(&seed) % 5000);
			m->in = true;
			wheel_set(w, &m->item, m->due_s);
		}
	}
	free(items);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_against_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
