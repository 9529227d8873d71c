/* Sets in pieces: each message is in one of them, in order, and no piece has more than was asked for. */
#include "server/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MESSAGES = 1000 };

/* Every third UID from 3 on is a message's. */
static void fill(struct uids *u)
{
	*u = (struct uids){0};
	for (uint32_t i = 1; i <= MESSAGES; i++)
		uids_append(u, 3 * i);
}

static uint32_t count(const struct uidset *set, const struct uids *u)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < u->n; i++)
		n += uidset_has(set, uids_at(u, i));
	return n;
}

static void check(const struct uidset *set, const struct uids *u, uint32_t n)
{
	struct batch b;
	struct uidset piece = {0}, all = {0};
	uint32_t left = count(set, u), last = 0;
	batch_init(&b, set);
	assert_int_equal(batch_is_over(&b), set->n == 0);
	while (batch_next(&b, u, n, &piece)) {
		uint32_t here = count(&piece, u);
		assert_true(piece.v[0].lo > last);
		assert_int_equal(here, left < n ? left : n);
		left -= here;
		last = piece.v[piece.n - 1].hi;
		for (size_t i = 0; i < piece.n; i++)
			uidset_append(&all, piece.v[i].lo, piece.v[i].hi);
	}
	assert_true(batch_is_over(&b));
	assert_int_equal(b.given, batch_total(&b, u));
	assert_int_equal(piece.n, 0);
	assert_int_equal(left, 0);
	assert_int_equal(all.n, set->n);
	for (size_t i = 0; i < set->n; i++)
		assert_true(all.v[i].lo == set->v[i].lo && all.v[i].hi == set->v[i].hi);
	uidset_finish(&piece);
	uidset_finish(&all);
}

static void test_pieces(void **state)
{
	static const uint32_t sizes[] = {1, 2, 7, 100, 499, 500, 501, 1000, 1001, UINT32_MAX};
	static const struct {
		uint32_t lo, hi, step; /* ranges of two UIDs' width, or one range */
	} sets[] = {{1, 3000, 0}, {3, 3, 0}, {1, 2, 0}, {1, UINT32_MAX, 0}, {1, 3000, 6}, {2, 2900, 30}, {2900, 9000, 50}};
	struct uids u;
	(void)state;
	fill(&u);
	for (size_t i = 0; i < countof(sets); i++) {
		struct uidset set = {0};
		if (!sets[i].step)
			uidset_append(&set, sets[i].lo, sets[i].hi);
		for (uint32_t lo = sets[i].lo; sets[i].step && lo <= sets[i].hi; lo += sets[i].step)
			uidset_append(&set, lo, lo + 2);
		for (size_t k = 0; k < countof(sizes); k++)
			check(&set, &u, sizes[k]);
		uidset_finish(&set);
	}
	uids_release(&u);
}

static void test_nothing(void **state)
{
	struct uids none = {0};
	struct uidset set = {0};
	(void)state;
	check(&set, &none, 5);
	uidset_append(&set, 1, 10);
	check(&set, &none, 5);
	uidset_finish(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces), cmocka_unit_test(test_nothing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
