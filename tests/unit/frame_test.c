/* storage/frame: the stored form is fixed; the shipped dictionary is what it was. */
#include "storage/bits.h"
#include "storage/checksum.h"
#include "storage/dictionary.h"
#include "storage/frame.h"
#include "storage/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A dictionary that has shipped never changes: with another one, users' mail cannot be read. */
static void test_the_dictionary_is_the_one_that_shipped(void **state)
{
	(void)state;
	struct bytes d = dictionary_bytes(1);
	assert_int_equal(d.len, 112640);
	assert_true(checksum64(d.ptr, d.len, 0) == 0xb2fcd75efa501d22u);
	assert_null(dictionary_bytes(0).ptr);
	assert_null(dictionary_bytes(DICTIONARY_NEWEST + 1).ptr);
}

static void test_a_stored_frame_of_each_method_can_be_read(void **state)
{
	(void)state;
	static const char text[] = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n"
				   "Content-Transfer-Encoding: quoted-printable\r\nPrecedence: list\r\n";
	struct scratch *s = scratch_create();
	char stored[sizeof(text)], got[sizeof(text)];
	unsigned char table[FRAME_ENTRY_BYTES];
	struct frame f;
	size_t n = frame_pack(s, text, sizeof(text), 0, 0, stored, table);
	assert_true(n < sizeof(text) * 3 / 4); /* the dictionary knows such lines */
	assert_int_equal(frame_find((struct bytes){table, sizeof(table)}, 0, &f), STORE_OK);
	assert_int_equal(f.method, FRAME_DICTIONARY);
	assert_int_equal(f.end, n);
	assert_int_equal(f.raw, sizeof(text));
	assert_int_equal(frame_unpack(s, &f, stored, got), STORE_OK);
	assert_memory_equal(got, text, sizeof(text));
	/* A dictionary of a later roost. */
	f.dictionary = DICTIONARY_NEWEST + 1;
	assert_int_equal(frame_unpack(s, &f, stored, got), STORE_CORRUPT);

	/* zstd without a dictionary. */
	char packed[256];
	n = ZSTD_compress(packed, sizeof(packed), text, sizeof(text), 3);
	assert_false(ZSTD_isError(n));
	f = (struct frame){.index = 3, .begin = 10, .end = 10 + (uint32_t)n, .raw = sizeof(text), .method = FRAME_ZSTD,
			   .checksum = checksum64(packed, n, 3)};
	assert_int_equal(frame_unpack(s, &f, packed, got), STORE_OK);
	assert_memory_equal(got, text, sizeof(text));
	f.raw--;
	assert_int_equal(frame_unpack(s, &f, packed, got), STORE_CORRUPT);
	f.raw++;
	f.index = 2; /* sound bytes in another's place */
	assert_int_equal(frame_unpack(s, &f, packed, got), STORE_CORRUPT);
	scratch_destroy(s);
}

static void test_what_does_not_shrink_is_kept_as_it_is(void **state)
{
	(void)state;
	struct scratch *s = scratch_create();
	char raw[1000], stored[1000], got[1000];
	unsigned char table[FRAME_ENTRY_BYTES];
	uint64_t h = 1;
	for (size_t i = 0; i < sizeof(raw); i++) {
		h = h * 6364136223846793005u + 1442695040888963407u;
		raw[i] = (char)(h >> 56);
	}
	assert_int_equal(frame_pack(s, raw, sizeof(raw), 0, 0, stored, table), sizeof(raw));
	assert_memory_equal(stored, raw, sizeof(raw));
	static const unsigned char entry[8] = {0xe8, 3, 0, 0, 0xe7, 3, FRAME_RAW, 0};
	assert_memory_equal(table, entry, sizeof(entry));
	assert_true(get_u64(table + 8) == checksum64(raw, sizeof(raw), 0));
	struct frame f;
	assert_int_equal(frame_find((struct bytes){table, sizeof(table)}, 0, &f), STORE_OK);
	assert_int_equal(frame_unpack(s, &f, stored, got), STORE_OK);
	assert_memory_equal(got, raw, sizeof(raw));
	stored[500] ^= 1;
	assert_int_equal(frame_unpack(s, &f, stored, got), STORE_CORRUPT);
	scratch_destroy(s);
}

static void test_numbers_are_little_endian(void **state)
{
	(void)state;
	unsigned char bytes[8];
	put_u64(bytes, 0x0102030405060708u);
	static const unsigned char expected[8] = {8, 7, 6, 5, 4, 3, 2, 1};
	assert_memory_equal(bytes, expected, 8);
	assert_true(get_u64(bytes) == 0x0102030405060708u);
	assert_int_equal(get_u32(bytes), 0x05060708);
	assert_int_equal(get_u16(bytes), 0x0708);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_dictionary_is_the_one_that_shipped),
		cmocka_unit_test(test_a_stored_frame_of_each_method_can_be_read),
		cmocka_unit_test(test_what_does_not_shrink_is_kept_as_it_is),
		cmocka_unit_test(test_numbers_are_little_endian),
	};
	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
