/* Writing where the room is known to suffice: each returns the place behind what it wrote. */
#ifndef PROTOCOL_PUT_H
#define PROTOCOL_PUT_H

#include "protocol/span.h"

enum { PUT_U64_MAX = 20 /* bytes of the longest number */ };

static inline char *put_bytes(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

static inline char *put_span(char *to, struct span s)
{
	return put_bytes(to, s.ptr, s.len);
}

/* A string literal: its length is known to the compiler. */
#define put_text(to, literal) put_bytes((to), (literal), sizeof(literal) - 1)

static inline char *put_char(char *to, char c)
{
	*to = c;
	return to + 1;
}

/* Two digits of n < 100. */
static inline char *put_two(char *to, unsigned n)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	to[0] = pairs[2 * n];
	to[1] = pairs[2 * n + 1];
	return to + 2;
}

static inline unsigned put_digits(uint64_t n)
{
	unsigned digits = 1;
	for (; n >= 10000; n /= 10000)
		digits += 4;
	return digits + (n >= 10) + (n >= 100) + (n >= 1000);
}

static inline char *put_u64(char *to, uint64_t n)
{
	char *end = to + put_digits(n), *at = end;
	while (n >= 100) {
		at -= 2;
		put_two(at, (unsigned)(n % 100));
		n /= 100;
	}
	if (n >= 10)
		put_two(at - 2, (unsigned)n);
	else
		at[-1] = (char)('0' + n);
	return end;
}

#endif
