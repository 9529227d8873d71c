/* The PROXY protocol's headers: whole, torn at every byte, and broken. */
#include "protocol/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* Every beginning of a whole header asks for more, and what stands behind it changes nothing. */
static enum proxy_status parse(const char *bytes, size_t len, struct proxy_header *out)
{
	enum proxy_status status = proxy_parse(span_make(bytes, len), out);
	for (size_t i = 0; i < len && status == PROXY_WHOLE; i++) {
		struct proxy_header torn;
		char *exact = malloc(i + 1); /* so that a sanitizer sees what reads beyond */
		assert_non_null(exact);
		memcpy(exact, bytes, i);
		assert_int_equal(proxy_parse(span_make(exact, i), &torn), i < out->size ? PROXY_MORE : PROXY_WHOLE);
		free(exact);
	}
	return status;
}

#define PARSE(text, out) parse(text, sizeof(text) - 1, out)

static const unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7};
static const unsigned char six[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};

static void test_text(void **state)
{
	struct proxy_header h;
	(void)state;
	assert_int_equal(PARSE("PROXY TCP4 192.0.2.7 198.51.100.1 40000 143\r\na LOGIN", &h), PROXY_WHOLE);
	assert_true(h.has_source);
	assert_memory_equal(h.source, mapped, 16);
	assert_int_equal(h.port, 40000);
	assert_int_equal(h.size, 45);
	assert_int_equal(PARSE("PROXY TCP6 2001:db8::9 ::1 1 65535\r\n", &h), PROXY_WHOLE);
	assert_memory_equal(h.source, six, 16);
	assert_int_equal(PARSE("PROXY UNKNOWN\r\n", &h), PROXY_WHOLE);
	assert_false(h.has_source);
	assert_int_equal(PARSE("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", &h), PROXY_WHOLE);
	assert_false(h.has_source);
}

static void test_broken_text(void **state)
{
	static const char *const bad[] = {
		"a LOGIN\r\n", "PROXI", "PROXY TCP4 192.0.2.7 198.51.100.1 40000 143\n", "PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 40000 65536\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
		"PROXY TCP4 192.0.2.7  198.51.100.1 40000 143\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 40000 143 \r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 -1 143\r\n", "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n", "PROXY \r\n",
		"\r\n\r\nX", "PROXY TCP4 192.0.2.7 198.51.100.1 40000 143 extra\r\n"};
	struct proxy_header h;
	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(proxy_parse(span_of(bad[i]), &h), PROXY_BAD);
	char longest[PROXY_V1_MAX + 1];
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_parse(span_make(longest, PROXY_V1_MAX - 1), &h), PROXY_MORE);
	assert_int_equal(proxy_parse(span_make(longest, PROXY_V1_MAX), &h), PROXY_BAD);
	memcpy(longest + PROXY_V1_MAX - 2, "\r\n", 2);
	assert_int_equal(proxy_parse(span_make(longest, PROXY_V1_MAX), &h), PROXY_WHOLE);
}

static void test_binary(void **state)
{
	struct proxy_header h;
	(void)state;
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\x40\x00\x8f" "rest", &h), PROXY_WHOLE);
	assert_memory_equal(h.source, mapped, 16);
	assert_int_equal(h.port, 40000);
	assert_int_equal(h.size, 28);
	assert_int_equal(PARSE(SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
				"\x00\x01\x00\x8f", &h), PROXY_WHOLE);
	assert_memory_equal(h.source, six, 16);
	/* LOCAL, of no family, and of a family nobody knows; UNSPEC. */
	assert_int_equal(PARSE(SIGNATURE "\x20\x00\x00\x00", &h), PROXY_WHOLE);
	assert_false(h.has_source);
	assert_int_equal(PARSE(SIGNATURE "\x20\xf1\x00\x03" "abc", &h), PROXY_WHOLE);
	assert_false(h.has_source);
	assert_int_equal(PARSE(SIGNATURE "\x21\x00\x00\x00", &h), PROXY_WHOLE);
	assert_false(h.has_source);
	/* A TLV (the name the client asked for), and an empty one. */
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x15\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\x40\x00\x8f\x02\x00\x03" "a.b\x04\x00\x00",
			       &h), PROXY_WHOLE);
	assert_int_equal(h.size, 37);
}

/* The checksum covers the header with zeros in its place. */
static void test_checksum(void **state)
{
	static const char good[] = SIGNATURE "\x21\x00\x00\x07\x03\x00\x04";
	char header[23];
	struct proxy_header h;
	unsigned tried = 0;
	(void)state;
	memcpy(header, good, sizeof(good) - 1);
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < sizeof(header); i++) {
		crc ^= i < 19 ? (unsigned char)header[i] : 0;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	crc = ~crc;
	for (int i = 0; i < 4; i++)
		header[19 + i] = (char)(crc >> (24 - 8 * i));
	assert_int_equal(parse(header, sizeof(header), &h), PROXY_WHOLE);
	for (size_t i = 0; i < 4; i++, tried++) {
		header[19 + i] ^= 1;
		assert_int_equal(proxy_parse(span_make(header, sizeof(header)), &h), PROXY_BAD);
		header[19 + i] ^= 1;
	}
	assert_int_equal(tried, 4);
}

static void test_broken_binary(void **state)
{
	struct proxy_header h;
	(void)state;
	assert_int_equal(PARSE(SIGNATURE "\x11\x11\x00\x0c" "123456789012", &h), PROXY_BAD); /* version 1 */
	assert_int_equal(PARSE(SIGNATURE "\x22\x11\x00\x0c" "123456789012", &h), PROXY_BAD); /* no such command */
	assert_int_equal(PARSE(SIGNATURE "\x21\x12\x00\x0c" "123456789012", &h), PROXY_BAD); /* datagrams */
	assert_int_equal(PARSE(SIGNATURE "\x21\x41\x00\x0c" "123456789012", &h), PROXY_BAD); /* no such family */
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0b" "12345678901", &h), PROXY_BAD);  /* an address cut short */
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0e" "123456789012\x02\x00", &h), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x10" "123456789012\x02\x00\x02x", &h), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\xff\xff" "1", &h), PROXY_BAD); /* too large */
	assert_int_equal(PARSE("\r\n\r\n\0\r\nQUIX\n", &h), PROXY_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),   cmocka_unit_test(test_broken_text),   cmocka_unit_test(test_binary),
		cmocka_unit_test(test_checksum), cmocka_unit_test(test_broken_binary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
