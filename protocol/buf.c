#include "protocol/buf.h"

#include "protocol/put.h"

#include <stdarg.h>

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *b, size_t limit_bytes)
{
	*b = (struct buf){.limit = limit_bytes};
}

void buf_finish(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

char *buf_reserve(struct buf *b, size_t more)
{
	invariant(b->limit > 0);
	if (b->failed || more > b->limit - b->len) {
		b->failed = true;
		return NULL;
	}
	size_t need = b->len + more;
	if (need > b->cap) {
		size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
		while (cap < need)
			cap += cap / 2 + 1;
		if (cap > b->limit)
			cap = b->limit;
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	invariant(b->len + more <= b->cap || more == 0);
	return b->data ? b->data + b->len : NULL;
}

void buf_add_slow(struct buf *b, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	char *to = buf_reserve(b, len);
	if (!to)
		return;
	memcpy(to, bytes, len);
	b->len += len;
}

void buf_add_u64(struct buf *b, uint64_t n)
{
	char digits[PUT_U64_MAX];
	buf_add(b, digits, (size_t)(put_u64(digits, n) - digits));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	invariant(len >= 0);
	char *to = buf_reserve(b, (size_t)len + 1); /* vsnprintf writes a NUL */
	if (to) {
		vsnprintf(to, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
}

void buf_drop(struct buf *b, size_t n)
{
	invariant(n <= b->len);
	b->len -= n;
	if (n > 0 && b->len > 0)
		memmove(b->data, b->data + n, b->len);
}

char *buf_take(struct buf *b, size_t *out_len)
{
	char *data = b->data;
	*out_len = b->len;
	*b = (struct buf){.limit = b->limit};
	return data;
}
