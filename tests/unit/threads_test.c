/* Threads from bare numbers: shapes that no mail need be made for, and those that are as deep as they can be. */
#include "server/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { DEEP = 200000, IDS = 40 };

/* Messages with IDs and the IDs they refer to, as a table of links. */
struct mail {
	struct threads_message *v;
	uint32_t n;
	uint32_t *links, links_n;
	uint32_t ids_max;
};

static void mail_init(struct mail *m, uint32_t n, uint32_t links_cap)
{
	*m = (struct mail){.v = xcalloc(n, sizeof(*m->v)), .links = xcalloc(links_cap, sizeof(*m->links)), .links_n = 1};
}

static void mail_finish(struct mail *m)
{
	free(m->v);
	free(m->links);
}

static struct threads_message *add(struct mail *m, uint32_t own, const uint32_t *refs, uint32_t n)
{
	struct threads_message *message = &m->v[m->n];
	*message = (struct threads_message){.sent_s = m->n, .arrived_s = m->n, .links = m->links_n};
	m->n++;
	m->links[m->links_n++] = n;
	m->links[m->links_n++] = own;
	m->ids_max = own > m->ids_max ? own : m->ids_max;
	for (uint32_t i = 0; i < n; i++) {
		m->links[m->links_n++] = refs[i];
		m->ids_max = refs[i] > m->ids_max ? refs[i] : m->ids_max;
	}
	return message;
}

static uint32_t number(void *ctx, uint32_t message)
{
	(void)ctx;
	return message + 1;
}

/* In slices that are over at once, told in pieces of a few bytes. */
static void tell(const struct mail *m, enum thread_algorithm algorithm, bool hurried, struct buf *out)
{
	struct threads t;
	struct slice slice;
	buf_init(out, SIZE_MAX);
	threads_init(&t, algorithm, m->v, m->n, m->ids_max, 9);
	slice_begin(&slice);
	while (!threads_run(&t, m->links, &slice)) {
		slice_begin(&slice);
		if (hurried)
			slice.until_us = slice_now_us() + 50;
	}
	for (size_t full = hurried ? 1 : 65536; !threads_write(&t, full, number, NULL, out);)
		full = out->len + (hurried ? 1 : 65536);
	threads_finish(&t);
	threads_finish(&t);
}

static void check(const struct mail *m, enum thread_algorithm algorithm, const char *want)
{
	for (int hurried = 0; hurried < 2; hurried++) {
		struct buf out;
		tell(m, algorithm, hurried, &out);
		buf_add_char(&out, '\0');
		assert_string_equal(out.data, want);
		buf_finish(&out);
	}
}

static void test_none(void **state)
{
	struct mail m;
	(void)state;
	mail_init(&m, 1, 1);
	check(&m, THREAD_ORDEREDSUBJECT, "");
	check(&m, THREAD_REFERENCES, "");
	check(&m, THREAD_REFS, "");
	mail_finish(&m);
}

static void test_subjects(void **state)
{
	struct mail m;
	(void)state;
	mail_init(&m, 8, 64);
	for (uint32_t i = 0; i < 6; i++)
		add(&m, 0, NULL, 0)->subject = (uint32_t[]){1, 2, 1, 0, 0, 1}[i];
	m.v[0].is_reply = true;
	check(&m, THREAD_ORDEREDSUBJECT, " (1 (3)(6))(2)(4 5)");
	check(&m, THREAD_REFERENCES, " (2)((3 1)(6))(4)(5)");
	m.v[5].is_reply = true;
	check(&m, THREAD_REFERENCES, " (2)(3 (1)(6))(4)(5)");
	m.v[2].arrived_s = 99;
	check(&m, THREAD_REFS, " (1)(2)(4)(5)(6)(3)");
	mail_finish(&m);
}

/* Dummies above dummies: chains of them go, only those at the root stay, and only with several children. */
static void test_dummies(void **state)
{
	struct mail m;
	(void)state;
	mail_init(&m, 8, 64);
	add(&m, 1, (uint32_t[]){10, 11, 12}, 3);
	add(&m, 2, (uint32_t[]){10, 11, 13}, 3);
	add(&m, 3, (uint32_t[]){20, 21}, 2);
	add(&m, 4, (uint32_t[]){3, 22, 23}, 3);
	add(&m, 5, (uint32_t[]){22, 24}, 2);
	check(&m, THREAD_REFERENCES, " ((1)(2))(3 (4)(5))");
	check(&m, THREAD_REFS, " ((1)(2))(3 (4)(5))");
	mail_finish(&m);
}

/* Each below the one before, and the other way round: nothing is called for each level. */
static void test_deep(void **state)
{
	(void)state;
	for (int upwards = 0; upwards < 2; upwards++) {
		struct mail m;
		struct buf out;
		mail_init(&m, DEEP, DEEP * 4);
		for (uint32_t i = 0; i < DEEP; i++) {
			uint32_t own = upwards ? DEEP - i : i + 1, parent = own - 1;
			add(&m, own, &parent, parent ? 1 : 0);
		}
		tell(&m, upwards ? THREAD_REFS : THREAD_REFERENCES, false, &out);
		assert_int_equal(out.data[1], '(');
		assert_null(memchr(out.data + 2, '(', out.len - 2));
		assert_ptr_equal(memchr(out.data, ')', out.len), out.data + out.len - 1);
		buf_finish(&out);
		mail_finish(&m);
	}
}

/* Two children at each level: as many parentheses as levels. */
static void test_deep_forks(void **state)
{
	struct mail m;
	struct buf out;
	size_t opened = 0;
	(void)state;
	mail_init(&m, DEEP, DEEP * 4);
	for (uint32_t i = 0; i < DEEP; i++) {
		uint32_t parent = i % 2 ? i - 1 : i - 2;
		add(&m, i + 1, (uint32_t[]){parent + 1}, i ? 1 : 0);
	}
	tell(&m, THREAD_REFERENCES, false, &out);
	for (size_t i = 0; i < out.len; i++)
		opened += out.data[i] == '(';
	assert_int_equal(opened, DEEP - 1); /* the last has no brother */
	buf_finish(&out);
	mail_finish(&m);
}

/* Whatever the links, each message is told once, and parentheses are closed. */
static void test_any(void **state)
{
	uint64_t r = 4711;
	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct mail m;
		struct buf out;
		uint32_t n = (uint32_t)round % 60, depth = 0, seen = 0;
		mail_init(&m, 60, 60 * 12);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t refs[8], refs_n = (uint32_t)(r >> 20) % 8;
			for (uint32_t k = 0; k < refs_n; k++) {
				r = r * 6364136223846793005u + 1442695040888963407u;
				refs[k] = 1 + (uint32_t)(r >> 33) % IDS;
			}
			r = r * 6364136223846793005u + 1442695040888963407u;
			struct threads_message *message = add(&m, (uint32_t)(r >> 35) % IDS, refs, refs_n);
			message->subject = (uint32_t)(r >> 50) % 6;
			message->is_reply = r >> 60 & 1;
			message->sent_s = (int64_t)(r >> 40 & 15) - 8;
			message->arrived_s = (int64_t)(r >> 44 & 15) - 8;
			if (i % 9 == 8)
				message->links = 0;
		}
		m.ids_max = IDS;
		tell(&m, (enum thread_algorithm)(round % 3), round % 2, &out);
		for (size_t i = 0; i < out.len; i++) {
			depth += out.data[i] == '(';
			depth -= out.data[i] == ')';
			bool digit = out.data[i] >= '0' && out.data[i] <= '9';
			seen += digit && !(i && out.data[i - 1] >= '0' && out.data[i - 1] <= '9');
		}
		assert_int_equal(depth, 0);
		assert_int_equal(seen, n);
		buf_finish(&out);
		mail_finish(&m);
	}
}

/* A message that refers to many below one another, and many that are put below the last of these, each with a child already
 * and most of them elsewhere before: is it above itself?  A walk for each would take minutes. */
static void test_many_far_below(void **state)
{
	enum { MANY = 60000, FIRST_ID = DEEP + 1 };
	uint32_t *chain = xcalloc(DEEP, sizeof(*chain));
	struct mail m;
	struct buf out, want;
	(void)state;
	mail_init(&m, 2 * MANY + 1, 10 * MANY + 2 * DEEP);
	buf_init(&want, SIZE_MAX);
	for (uint32_t i = 0; i < DEEP; i++)
		chain[i] = i + 1;
	add(&m, 0, chain, DEEP);
	for (uint32_t i = 0; i < MANY; i++) /* the first child of each, by whom every other comes below an ID first */
		add(&m, 0, (uint32_t[]){1 + i, FIRST_ID + i}, 2);
	for (uint32_t i = 0; i < MANY; i++)
		add(&m, FIRST_ID + i, (uint32_t[]){DEEP}, 1);
	tell(&m, THREAD_REFS, false, &out);
	buf_add_text(&want, " ((1)");
	for (uint32_t i = 0; i < MANY; i++)
		buf_printf(&want, "(%u %u)", MANY + 2 + i, i + 2);
	buf_add_text(&want, ")");
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.data, want.data, want.len);
	buf_finish(&out);
	buf_finish(&want);
	mail_finish(&m);
	free(chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_dummies),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_deep_forks),
		cmocka_unit_test(test_many_far_below),
		cmocka_unit_test(test_any),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
