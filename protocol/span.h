/* A span is a read-only slice of bytes owned by somebody else; never NUL-terminated. */
#ifndef PROTOCOL_SPAN_H
#define PROTOCOL_SPAN_H

#include "protocol/base.h"

#include <string.h>
#include <strings.h>

struct span {
	const char *ptr; /* NULL means "absent" (IMAP NIL); an empty span has ptr != NULL */
	size_t len;
};

static inline struct span span_make(const char *ptr, size_t len)
{
	return (struct span){ptr, len};
}

static inline struct span span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive. */
static inline bool span_iequal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
	return span_iequal(a, span_of(text));
}

/* The bytes from `from` (clipped) to the end. */
static inline struct span span_after(struct span a, size_t from)
{
	return from >= a.len ? span_make(a.ptr + a.len, 0) : span_make(a.ptr + from, a.len - from);
}

/* What a hexadecimal digit counts, of either case; -1 for another character. */
static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
