/* Shared UID maps against a plain array: whatever is appended, cut out and extended, old values stay as they were. */
#include "storage/uidmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*seed >> 33) % n);
}

struct plain {
	uint32_t *v;
	uint32_t n, cap;
};

static void plain_push(struct plain *p, uint32_t uid)
{
	if (p->n == p->cap) {
		p->cap = p->cap * 2 + 16;
		p->v = xrealloc(p->v, p->cap * sizeof(*p->v));
	}
	p->v[p->n++] = uid;
}

static struct plain plain_copy(const struct plain *p)
{
	struct plain copy = {xmalloc((p->n + 1) * sizeof(*p->v)), p->n, p->n + 1};
	if (p->n)
		memcpy(copy.v, p->v, p->n * sizeof(*p->v));
	return copy;
}

static uint32_t plain_lower(const struct plain *p, uint32_t uid)
{
	uint32_t i = 0;
	while (i < p->n && p->v[i] < uid)
		i++;
	return i;
}

static void assert_same(const struct uids *u, const struct plain *p)
{
	assert_int_equal(u->n, p->n);
	uint32_t at = 0;
	struct uids_run run;
	for (; uids_run(u, at, &run); at += run.n)
		assert_memory_equal(run.uid, p->v + at, run.n * sizeof(*p->v));
	assert_int_equal(at, p->n);
	assert_int_equal(uids_last(u), p->n ? p->v[p->n - 1] : 0);
}

static void append(struct uids *u, struct plain *p, uint32_t uid)
{
	uids_append(u, uid);
	plain_push(p, uid);
}

/* As a roster does it: whole nodes and chunks without a victim are shared, the others made anew. */
static void cut(struct uids *u, struct plain *p, const bool *victim)
{
	struct uids made = {0};
	for (uint32_t chunk = 0; chunk < uids_chunks(u);) {
		uint32_t first, end, node = uids_node(u, chunk, &first, &end);
		uint32_t from = uids_chunk_first(u, first), to = end < uids_chunks(u) ? uids_chunk_first(u, end) : u->n;
		bool whole = true;
		for (uint32_t i = from; i < to; i++)
			whole = whole && !victim[i];
		if (whole) {
			uids_share_node(&made, u, node);
			chunk = end;
			continue;
		}
		for (; chunk < end; chunk++) {
			uint32_t at = uids_chunk_first(u, chunk), kept[UIDMAP_CHUNK], n = 0, all = 0;
			struct uids_run run;
			assert_true(uids_run(u, at, &run));
			for (; all < run.n; all++)
				if (!victim[at + all])
					kept[n++] = run.uid[all];
			if (n == all)
				uids_share_chunk(&made, u, chunk);
			else if (n)
				memcpy(uids_add_chunk(&made, n, UIDMAP_CHUNK, kept[0]), kept, n * sizeof(*kept));
		}
	}
	uids_release(u);
	*u = made;
	uint32_t to = 0;
	for (uint32_t i = 0; i < p->n; i++)
		if (!victim[i])
			p->v[to++] = p->v[i];
	p->n = to;
}

static void assert_lookups(const struct uids *u, const struct plain *p, uint64_t *seed)
{
	for (int k = 0; k < 20 && p->n; k++) {
		uint32_t i = random_below(seed, p->n), index;
		assert_int_equal(uids_at(u, i), p->v[i]);
		assert_true(uids_find(u, p->v[i], &index));
		assert_int_equal(index, i);
		uint32_t uid = random_below(seed, p->v[p->n - 1] + 3);
		assert_int_equal(uids_lower(u, uid), plain_lower(p, uid));
		struct uids_run run;
		assert_true(uids_run(u, i, &run));
		assert_int_equal(uids_chunk_first(u, run.chunk) + run.offset, i);
	}
}

static void assert_difference(const struct uids *old, const struct plain *before, const struct uids *now,
			      const struct plain *after)
{
	struct uids_diff d;
	uint32_t index, uid, at = 0;
	uids_diff_init(&d, old, now);
	for (uint32_t i = 0; i < before->n; i++) {
		while (at < after->n && after->v[at] < before->v[i])
			at++;
		if (at < after->n && after->v[at] == before->v[i])
			continue;
		assert_true(uids_diff_next(&d, &index, &uid));
		assert_int_equal(index, i);
		assert_int_equal(uid, before->v[i]);
	}
	assert_false(uids_diff_next(&d, &index, &uid));
}

static void run_seed(uint64_t seed, uint32_t batch, int steps)
{
	struct uids u = {0};
	struct plain p = {0};
	uint32_t next = 1;
	struct {
		struct uids uids;
		struct plain plain;
	} held[8] = {0};
	for (int step = 0; step < steps; step++) {
		for (uint32_t n = random_below(&seed, batch); n; n--)
			append(&u, &p, next += 1 + random_below(&seed, 3));
		bool *victim = xcalloc(p.n + 1, 1);
		uint32_t kind = random_below(&seed, 4), from = random_below(&seed, p.n + 1);
		for (uint32_t i = 0; i < p.n; i++)
			victim[i] = (kind == 1 && random_below(&seed, 50) == 0) || (kind == 2 && i == from) ||
				    (kind == 3 && i >= from && i < from + batch / 2);
		if (kind)
			cut(&u, &p, victim);
		free(victim);
		assert_same(&u, &p);
		assert_lookups(&u, &p, &seed);
		for (size_t k = 0; k < countof(held); k++) {
			assert_same(&held[k].uids, &held[k].plain);
			assert_difference(&held[k].uids, &held[k].plain, &u, &p);
		}
		/* One follows by extension only, so it keeps what was cut. */
		uint32_t told = uids_last(&held[0].uids) + 1;
		for (uint32_t i = plain_lower(&p, told); i < p.n; i++)
			plain_push(&held[0].plain, p.v[i]);
		uids_extend(&held[0].uids, &u, told);
		assert_same(&held[0].uids, &held[0].plain);
		size_t k = 1 + random_below(&seed, countof(held) - 1);
		uids_release(&held[k].uids);
		free(held[k].plain.v);
		held[k].uids = uids_acquire(&u);
		held[k].plain = plain_copy(&p);
	}
	for (size_t k = 0; k < countof(held); k++) {
		uids_release(&held[k].uids);
		free(held[k].plain.v);
	}
	uids_release(&u);
	free(p.v);
}

static void test_against_plain_array(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		run_seed(seed, 20, 60);
		run_seed(seed, 600, 40);
	}
	run_seed(7, 30000, 8); /* several nodes */
}

static void test_empty(void **state)
{
	(void)state;
	struct uids u = {0}, other = uids_acquire(&u);
	struct uids_run run;
	uint32_t index, uid;
	assert_false(uids_run(&u, 0, &run));
	assert_int_equal(uids_lower(&u, 5), 0);
	assert_int_equal(uids_last(&u), 0);
	assert_false(uids_find(&u, 1, &index));
	struct uids_diff d;
	uids_diff_init(&d, &u, &other);
	assert_false(uids_diff_next(&d, &index, &uid));
	uids_extend(&u, &other, 1);
	assert_int_equal(u.n, 0);
	uids_release(&u);
	uids_release(&other);
}

/* A view that is not told yet keeps what is gone, also when nothing it knows is left. */
static void test_extend_keeps_what_is_gone(void **state)
{
	(void)state;
	struct uids old = {0}, now = {0};
	for (uint32_t uid = 1; uid <= 5; uid++)
		uids_append(&old, uid);
	for (uint32_t uid = 6; uid <= 8; uid++)
		uids_append(&now, uid);
	uids_extend(&old, &now, 6);
	assert_int_equal(old.n, 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(uids_at(&old, i), i + 1);
	uids_release(&old);
	uids_release(&now);
}

/* An append does not show in values taken before, though they share its chunk. */
static void test_append_is_not_seen(void **state)
{
	(void)state;
	struct uids u = {0};
	for (uint32_t uid = 1; uid <= 300; uid++) {
		struct uids before = uids_acquire(&u);
		uids_append(&u, uid);
		assert_int_equal(before.n, uid - 1);
		assert_int_equal(uids_last(&before), uid - 1);
		assert_int_equal(uids_last(&u), uid);
		uids_release(&before);
	}
	uids_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_append_is_not_seen),
		cmocka_unit_test(test_extend_keeps_what_is_gone),
		cmocka_unit_test(test_against_plain_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
