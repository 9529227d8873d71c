#include "protocol/imap/objectid.h"

enum { THREAD_BYTES = 8 };

static void write_id(struct buf *out, char kind, const unsigned char *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char *to = buf_reserve(out, 1 + 2 * n);
	if (!to)
		return;
	*to++ = kind;
	for (size_t i = 0; i < n; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 15];
	}
	out->len += 1 + 2 * n;
}

static int value_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_id(struct span s, char kind, unsigned char *bytes, size_t n)
{
	if (s.len != 1 + 2 * n || s.ptr[0] != kind)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = value_of(s.ptr[1 + 2 * i]), lo = value_of(s.ptr[2 + 2 * i]);
		if (hi < 0 || lo < 0)
			return false;
		bytes[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}

void objectid_write_email(struct buf *out, const unsigned char digest[OBJECTID_EMAIL_BYTES])
{
	write_id(out, 'M', digest, OBJECTID_EMAIL_BYTES);
}

void objectid_write_thread(struct buf *out, uint64_t thread)
{
	unsigned char bytes[THREAD_BYTES];
	for (size_t i = 0; i < THREAD_BYTES; i++)
		bytes[i] = (unsigned char)(thread >> (8 * (THREAD_BYTES - 1 - i)) & 0xff);
	write_id(out, 'T', bytes, sizeof(bytes));
}

bool objectid_read_email(struct span s, unsigned char digest[OBJECTID_EMAIL_BYTES])
{
	return read_id(s, 'M', digest, OBJECTID_EMAIL_BYTES);
}

bool objectid_read_thread(struct span s, uint64_t *thread)
{
	unsigned char bytes[THREAD_BYTES];
	if (!read_id(s, 'T', bytes, sizeof(bytes)))
		return false;
	*thread = 0;
	for (size_t i = 0; i < THREAD_BYTES; i++)
		*thread = *thread << 8 | bytes[i];
	return true;
}
