/*
 * A growing output buffer with a mandatory maximum.  Writers latch: once a
 * write would pass `limit` bytes, `failed` is set and every later write is a
 * no-op, so callers check once at the end.
 */
#ifndef PROTOCOL_BUF_H
#define PROTOCOL_BUF_H

#include "protocol/span.h"

struct buf {
	char *data; /* heap, owned; NULL while empty */
	size_t len, cap, limit;
	bool failed;
};

/* No allocation happens before the first write. */
void buf_init(struct buf *b, size_t limit_bytes);
/* Accepts a zeroed struct. */
void buf_finish(struct buf *b);
/* Forgets content and failure, keeps the memory. */
void buf_reset(struct buf *b);
/* Room for `more` bytes at data + len; the caller fills and adds to len itself.
 * NULL (and latched) when that would pass the limit. */
char *buf_reserve(struct buf *b, size_t more);
void buf_add_slow(struct buf *b, const void *bytes, size_t len);
void buf_add_u64(struct buf *b, uint64_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first `n` bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);
/* Gives the memory to the caller (free()); the buf is empty again. */
char *buf_take(struct buf *b, size_t *out_len);

/* The writers of a response line call these some ten times a message: the usual case is inline. */
static inline void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (b->failed || len > b->cap - b->len) {
		buf_add_slow(b, bytes, len);
	} else if (len) {
		memcpy(b->data + b->len, bytes, len);
		b->len += len;
	}
}

static inline void buf_add_span(struct buf *b, struct span s)
{
	buf_add(b, s.ptr, s.len);
}

static inline void buf_add_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

static inline void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

static inline struct span buf_span(const struct buf *b)
{
	return span_make(b->data ? b->data : "", b->len);
}

#endif
