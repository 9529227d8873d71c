/* The output queue gives back what was put in, in order, however it was put in and is taken out: against one string. */
#include "server/outq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void put_text(struct outq *q, struct buf *all, unsigned *seed, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = (char)rand_r(seed);
		buf_add_char(outq_tail(q), c);
		buf_add_char(all, c);
	}
}

static void put_chunk(struct outq *q, struct buf *all, unsigned *seed, size_t len)
{
	struct buf chunk;
	buf_init(&chunk, 1 << 20);
	for (size_t i = 0; i < len; i++)
		buf_add_char(&chunk, (char)rand_r(seed));
	buf_add_span(all, buf_span(&chunk));
	outq_move(q, &chunk);
	assert_int_equal(chunk.len, 0);
	buf_finish(&chunk);
}

static size_t take(struct outq *q, struct buf *got, size_t want)
{
	struct span slices[3];
	size_t n = outq_peek(q, slices, 3), took = 0;
	for (size_t i = 0; i < n && took < want; i++) {
		size_t part = slices[i].len < want - took ? slices[i].len : want - took;
		buf_add(got, slices[i].ptr, part);
		took += part;
	}
	outq_drop(q, took);
	return took;
}

static void test_order(void **state)
{
	(void)state;
	for (unsigned start = 1; start < 40; start++) {
		unsigned seed = start;
		struct outq q;
		struct buf all, got;
		outq_init(&q);
		buf_init(&all, 1 << 24);
		buf_init(&got, 1 << 24);
		for (int i = 0; i < 200; i++) {
			int what = rand_r(&seed) % 4;
			size_t len = (size_t)(rand_r(&seed) % 9000);
			if (what == 0)
				put_text(&q, &all, &seed, len % 300);
			else if (what == 1)
				put_chunk(&q, &all, &seed, len);
			else
				take(&q, &got, len);
			assert_int_equal(outq_bytes(&q), all.len - got.len);
		}
		struct chunk *left = outq_take(&q);
		assert_int_equal(outq_bytes(&q), 0);
		for (struct chunk *c = left; c; c = c->next)
			buf_add(&got, c->data + c->at, c->len - c->at);
		chunks_free(left);
		assert_true(span_equal(buf_span(&got), buf_span(&all)));
		buf_finish(&all);
		buf_finish(&got);
		outq_finish(&q);
	}
}

/* A chunk is moved, not copied. */
static void test_moves(void **state)
{
	(void)state;
	struct outq q;
	struct buf chunk;
	struct span slice;
	outq_init(&q);
	buf_init(&chunk, 1 << 20);
	assert_non_null(buf_reserve(&chunk, 100000));
	memset(chunk.data, 'x', 100000);
	chunk.len = 100000;
	const char *data = chunk.data;
	outq_move(&q, &chunk);
	assert_int_equal(outq_peek(&q, &slice, 1), 1);
	assert_ptr_equal(slice.ptr, data);
	outq_finish(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
