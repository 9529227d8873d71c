/* A segment's bytes: every width of column there and back, and nothing damaged passes. */
#include "storage/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct columns {
	uint32_t uid[SEGMENT_MESSAGES], flagset[SEGMENT_MESSAGES], size[SEGMENT_MESSAGES];
	uint64_t modseq[SEGMENT_MESSAGES];
	int64_t internal_date[SEGMENT_MESSAGES], save_date[SEGMENT_MESSAGES], content[SEGMENT_MESSAGES];
	int16_t zone_min[SEGMENT_MESSAGES];
};

static struct roster_slice slice_of(const struct columns *c, uint32_t n)
{
	return (struct roster_slice){.n = n, .uid = c->uid, .flagset = c->flagset, .size = c->size, .modseq = c->modseq,
				     .internal_date = c->internal_date, .save_date = c->save_date,
				     .content = c->content, .zone_min = c->zone_min};
}

static struct message_columns into(struct columns *c)
{
	return (struct message_columns){.uid = c->uid, .flagset = c->flagset, .size = c->size, .modseq = c->modseq,
					.internal_date = c->internal_date, .save_date = c->save_date,
					.content = c->content, .zone_min = c->zone_min};
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t with_bits(uint64_t *seed, unsigned bits)
{
	return bits ? next_random(seed) >> (64 - bits) : 0;
}

static void fill(struct columns *c, uint32_t n, unsigned bits, uint64_t *seed)
{
	unsigned narrow = bits < 32 ? bits : 32;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t gap = bits > 23 ? 1 : 1 + (uint32_t)with_bits(seed, bits);
		c->uid[i] = (i ? c->uid[i - 1] : 1000) + gap;
		c->flagset[i] = (uint32_t)with_bits(seed, narrow);
		c->size[i] = (uint32_t)with_bits(seed, narrow);
		c->modseq[i] = with_bits(seed, bits);
		c->internal_date[i] = (int64_t)with_bits(seed, bits) - (bits < 63 ? 1000 : 0);
		c->save_date[i] = bits < 64 ? INT64_MIN + (int64_t)with_bits(seed, bits) : (int64_t)next_random(seed);
		c->content[i] = (int64_t)(with_bits(seed, bits) >> 1);
		c->zone_min[i] = (int16_t)(-720 + (int)with_bits(seed, bits < 10 ? bits : 10));
	}
}

static void assert_same(const struct columns *a, const struct columns *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(a->uid[i], b->uid[i]);
		assert_int_equal(a->flagset[i], b->flagset[i]);
		assert_int_equal(a->size[i], b->size[i]);
		assert_int_equal(a->modseq[i], b->modseq[i]);
		assert_int_equal(a->internal_date[i], b->internal_date[i]);
		assert_int_equal(a->save_date[i], b->save_date[i]);
		assert_int_equal(a->content[i], b->content[i]);
		assert_int_equal(a->zone_min[i], b->zone_min[i]);
	}
}

/* Packed bytes in a block of exactly their length, so that a sanitizer sees a read beyond. */
static unsigned char *pack(const struct columns *c, uint32_t n, size_t *len)
{
	unsigned char *room = xmalloc(SEGMENT_BYTES_MAX);
	struct roster_slice slice = slice_of(c, n);
	*len = segment_pack(&slice, room);
	assert_true(*len <= SEGMENT_BYTES_MAX);
	unsigned char *exact = xmalloc(*len);
	memcpy(exact, room, *len);
	free(room);
	return exact;
}

static void test_every_width(void **state)
{
	(void)state;
	static const uint32_t counts[] = {1, 2, 3, 7, 8, 9, 100, 255, 256};
	uint64_t seed = 7;
	struct columns *c = xcalloc(1, sizeof(*c)), *back = xcalloc(1, sizeof(*back));
	for (unsigned bits = 0; bits <= 64; bits++) {
		for (size_t k = 0; k < countof(counts); k++) {
			uint32_t n = counts[k], got = 0;
			size_t len;
			fill(c, n, bits, &seed);
			unsigned char *data = pack(c, n, &len);
			assert_int_equal(segment_count((struct bytes){data, len}, &got), STORE_OK);
			assert_int_equal(got, n);
			struct message_columns to = into(back);
			assert_int_equal(segment_unpack((struct bytes){data, len}, &to), STORE_OK);
			assert_same(c, back, n);
			free(data);
		}
	}
	free(c);
	free(back);
}

/* Neighbours without gaps, delivered in order, flags alike: that is what mail looks like, and takes little. */
static void test_size_of_plain_mail(void **state)
{
	(void)state;
	struct columns *c = xcalloc(1, sizeof(*c));
	for (uint32_t i = 0; i < SEGMENT_MESSAGES; i++) {
		c->uid[i] = 1000 + i;
		c->flagset[i] = i % 3;
		c->size[i] = 2000 + i * 97 % 60000;
		c->modseq[i] = 70000 + i;
		c->internal_date[i] = c->save_date[i] = 1700000000 + i * 300;
		c->content[i] = 5000 + i;
		c->zone_min[i] = 60;
	}
	size_t len;
	free(pack(c, SEGMENT_MESSAGES, &len));
	assert_in_range(len, 1, 10 * SEGMENT_MESSAGES);
	free(c);
}

static void test_damage(void **state)
{
	(void)state;
	uint64_t seed = 3;
	struct columns *c = xcalloc(1, sizeof(*c));
	fill(c, 50, 12, &seed);
	size_t len;
	uint32_t n;
	unsigned char *data = pack(c, 50, &len);
	for (size_t i = 0; i < len; i++) {
		unsigned char *copy = xmalloc(len);
		memcpy(copy, data, len);
		copy[i] ^= (unsigned char)(1u << (i % 8));
		assert_int_equal(segment_count((struct bytes){copy, len}, &n), STORE_CORRUPT);
		free(copy);
	}
	for (size_t cut = 0; cut < len; cut++) {
		unsigned char *copy = xmalloc(cut);
		memcpy(copy, data, cut);
		assert_int_equal(segment_count((struct bytes){copy, cut}, &n), STORE_CORRUPT);
		free(copy);
	}
	free(data);
	free(c);
}

/* A sound checksum over nonsense: UIDs that do not ascend, or start at 0. */
static void test_order_of_uids(void **state)
{
	(void)state;
	static const uint32_t bad[][2] = {{0, 5}, {5, 5}, {6, 5}};
	struct columns *c = xcalloc(1, sizeof(*c));
	for (size_t k = 0; k < countof(bad); k++) {
		size_t len;
		uint32_t n;
		memcpy(c->uid, bad[k], sizeof(bad[k]));
		unsigned char *data = pack(c, 2, &len);
		struct message_columns to = into(c);
		assert_int_equal(segment_count((struct bytes){data, len}, &n), STORE_OK);
		assert_int_equal(segment_unpack((struct bytes){data, len}, &to), STORE_CORRUPT);
		free(data);
	}
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_width),
		cmocka_unit_test(test_size_of_plain_mail),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_order_of_uids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
