/* Bytes packed by zlib's and Zstandard's own calls come out the same, whatever they are cut into, one behind the other too. */
#include "server/unpack.h"

#include "protocol/buf.h"

#include <zlib.h>
#include <zstd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { PLAIN_BYTES = 300000 };

static void make_plain(struct buf *out)
{
	unsigned x = 1;
	buf_init(out, SIZE_MAX);
	while (out->len < PLAIN_BYTES) {
		x = x * 1103515245 + 12345;
		buf_add_char(out, x >> 30 ? (char)('a' + (x >> 16) % 26) : (char)(x >> 16));
	}
}

static void pack(enum packing packing, struct span plain, struct buf *out)
{
	size_t room = plain.len + plain.len / 2 + 1000;
	char *packed = xmalloc(room);
	if (packing == PACKING_ZSTD) {
		buf_add(out, packed, ZSTD_compress(packed, room, plain.ptr, plain.len, 3));
	} else {
		z_stream z = {0};
		assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
		z.next_in = (z_const Bytef *)plain.ptr;
		z.avail_in = (uInt)plain.len;
		z.next_out = (Bytef *)packed;
		z.avail_out = (uInt)room;
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		buf_add(out, packed, room - z.avail_out);
		deflateEnd(&z);
	}
	free(packed);
}

/* Gives `in` in pieces, takes in pieces; false: it is damaged.  *out_left: what was not for unpacking. */
static bool unpack_all(enum packing packing, struct span in, size_t give, size_t take, struct buf *out, bool *out_whole, size_t *out_left)
{
	struct unpacker *u = unpacker_create(packing);
	char *room = xmalloc(take);
	struct span piece = span_make(in.ptr, 0);
	int64_t n = 0;
	buf_init(out, SIZE_MAX);
	for (;;) {
		n = unpacker_step(u, &piece, room, take);
		if (n > 0)
			buf_add(out, room, (size_t)n);
		if (n < 0 || (n == 0 && (piece.len || !in.len)))
			break;
		if (n == 0) {
			piece = span_make(in.ptr, give < in.len ? give : in.len);
			in = span_after(in, piece.len);
		}
	}
	*out_whole = unpacker_is_whole(u);
	*out_left = piece.len + in.len;
	unpacker_destroy(u);
	free(room);
	return n == 0;
}

static const enum packing packings[] = {PACKING_GZIP, PACKING_ZSTD};

static void test_pieces(void **state)
{
	static const size_t sizes[][2] = {{1, 65536}, {65536, 1}, {7, 3}, {1 << 20, 1 << 20}, {4096, 4096}};
	struct buf plain;
	(void)state;
	make_plain(&plain);
	for (size_t i = 0; i < countof(packings); i++) {
		struct buf packed, got;
		const char *name;
		bool whole;
		size_t left;
		buf_init(&packed, SIZE_MAX);
		pack(packings[i], buf_span(&plain), &packed);
		pack(packings[i], span_of(""), &packed);
		pack(packings[i], span_of("and more"), &packed);
		assert_int_equal(packing_of(buf_span(&packed), &name), packings[i]);
		for (size_t k = 0; k < countof(sizes); k++) {
			assert_true(unpack_all(packings[i], buf_span(&packed), sizes[k][0], sizes[k][1], &got, &whole, &left));
			assert_true(whole && left == 0 && got.len == plain.len + 8);
			assert_memory_equal(got.data, plain.data, plain.len);
			assert_memory_equal(got.data + plain.len, "and more", 8);
			buf_finish(&got);
		}
		buf_finish(&packed);
	}
	buf_finish(&plain);
}

static void test_cut_off_and_damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(packings); i++) {
		struct buf packed, got;
		bool whole;
		size_t left;
		buf_init(&packed, SIZE_MAX);
		pack(packings[i], span_of("a message, or what is left of it"), &packed);
		for (size_t len = 1; len < packed.len; len++) {
			assert_true(unpack_all(packings[i], span_make(packed.data, len), 65536, 65536, &got, &whole, &left));
			assert_false(whole);
			buf_finish(&got);
		}
		packed.data[packed.len - 1] = (char)(packed.data[packed.len - 1] ^ 0x55);
		bool ok = unpack_all(packings[i], buf_span(&packed), 65536, 65536, &got, &whole, &left);
		assert_true(!ok || packings[i] == PACKING_ZSTD); /* which has no checksum unless it is asked for */
		buf_finish(&got);
		packed.data[5] = (char)0xff;
		packed.data[4] = (char)0xff;
		packed.data[3] = (char)0xff;
		assert_false(unpack_all(packings[i], buf_span(&packed), 65536, 65536, &got, &whole, &left));
		buf_finish(&got);
		buf_finish(&packed);
	}
}

static void test_what_follows(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(packings); i++) {
		struct buf packed, got;
		bool whole;
		size_t left;
		buf_init(&packed, SIZE_MAX);
		pack(packings[i], span_of("all of it"), &packed);
		buf_add(&packed, "\0\0\0\0", 4);
		assert_true(unpack_all(packings[i], buf_span(&packed), 65536, 65536, &got, &whole, &left));
		assert_true(whole && left == 4 && got.len == 9);
		buf_finish(&got);
		buf_finish(&packed);
	}
}

static void test_names(void **state)
{
	const char *name;
	(void)state;
	assert_int_equal(packing_of(span_of("From alice"), &name), PACKING_NONE);
	assert_null(name);
	assert_int_equal(packing_of(span_of(""), &name), PACKING_NONE);
	assert_int_equal(packing_of(span_of("BZh91AY"), &name), PACKING_OTHER);
	assert_string_equal(name, "bzip2");
	assert_int_equal(packing_of(span_of("\x1f\x8b\x08..."), &name), PACKING_GZIP);
	assert_string_equal(name, "gzip");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut_off_and_damaged),
		cmocka_unit_test(test_what_follows),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
