#include "protocol/imap/objectid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_round_trip(void **state)
{
	static const unsigned char digest[OBJECTID_EMAIL_BYTES] = {0, 1, 0x7f, 0x80, 0xff, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xab};
	static const uint64_t threads[] = {0, 1, 0x0123456789abcdefu, UINT64_MAX};
	unsigned char read[OBJECTID_EMAIL_BYTES];
	uint64_t thread;
	struct buf b;
	(void)state;
	buf_init(&b, 64);
	objectid_write_email(&b, digest);
	assert_true(span_equal(buf_span(&b), span_of("M00017f80ff05060708090a0b0c0d0eab")));
	assert_true(objectid_read_email(buf_span(&b), read));
	assert_memory_equal(read, digest, sizeof(digest));
	assert_false(objectid_read_thread(buf_span(&b), &thread));
	for (size_t i = 0; i < countof(threads); i++) {
		buf_reset(&b);
		objectid_write_thread(&b, threads[i]);
		assert_int_equal(b.len, 17);
		assert_true(objectid_read_thread(buf_span(&b), &thread));
		assert_true(thread == threads[i]);
		assert_false(objectid_read_email(buf_span(&b), read));
	}
	assert_true(span_equal(buf_span(&b), span_of("Tffffffffffffffff")));
	buf_finish(&b);
}

/* They compare by octets: what we would not have written names nothing. */
static void test_foreign(void **state)
{
	static const char *const foreign[] = {"", "T", "T0123456789abcde", "T0123456789abcdef0", "t0123456789abcdef",
					      "T0123456789ABCDEF", "T0123456789abcdeg", "M0123456789abcdef"};
	uint64_t thread;
	unsigned char digest[OBJECTID_EMAIL_BYTES];
	(void)state;
	for (size_t i = 0; i < countof(foreign); i++)
		assert_false(objectid_read_thread(span_of(foreign[i]), &thread));
	assert_false(objectid_read_email(span_of("M00017F80ff05060708090a0b0c0d0eab"), digest));
	assert_false(objectid_read_email(span_of("T00017f80ff05060708090a0b0c0d0eab"), digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_foreign)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
