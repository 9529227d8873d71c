#include "server/outq.h"

enum { COPY_MAX = 2048, TAIL_MAX = 1 << 22 };

void outq_init(struct outq *q)
{
	*q = (struct outq){0};
	q->last = &q->first;
	buf_init(&q->tail, TAIL_MAX);
}

void chunks_free(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;
		free(chunk->data);
		free(chunk);
		chunk = next;
	}
}

void outq_finish(struct outq *q)
{
	chunks_free(q->first);
	buf_finish(&q->tail);
	outq_init(q);
}

struct buf *outq_tail(struct outq *q)
{
	return &q->tail;
}

static void append(struct outq *q, struct buf *from)
{
	if (from->len == 0)
		return;
	struct chunk *chunk = xcalloc(1, sizeof(*chunk));
	chunk->data = buf_take(from, &chunk->len);
	*q->last = chunk;
	q->last = &chunk->next;
	q->chunk_bytes += chunk->len;
}

void outq_move(struct outq *q, struct buf *from)
{
	if (from->len <= COPY_MAX) {
		buf_add_span(&q->tail, buf_span(from));
		buf_reset(from);
		return;
	}
	append(q, &q->tail);
	append(q, from);
}

size_t outq_bytes(const struct outq *q)
{
	return q->chunk_bytes + q->tail.len;
}

size_t outq_peek(struct outq *q, struct span *slices, size_t max)
{
	size_t n = 0;
	append(q, &q->tail);
	for (struct chunk *chunk = q->first; chunk && n < max; chunk = chunk->next)
		slices[n++] = span_make(chunk->data + chunk->at, chunk->len - chunk->at);
	return n;
}

void outq_drop(struct outq *q, size_t n)
{
	invariant(n <= q->chunk_bytes);
	q->chunk_bytes -= n;
	while (n) {
		struct chunk *chunk = q->first;
		size_t left = chunk->len - chunk->at;
		if (n < left) {
			chunk->at += n;
			return;
		}
		n -= left;
		q->first = chunk->next;
		if (!q->first)
			q->last = &q->first;
		chunk->next = NULL;
		chunks_free(chunk);
	}
}

struct chunk *outq_take(struct outq *q)
{
	append(q, &q->tail);
	struct chunk *all = q->first;
	q->first = NULL;
	q->last = &q->first;
	q->chunk_bytes = 0;
	return all;
}
