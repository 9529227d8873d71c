/*
 * A connection's output: a queue of chunks, moved in and never copied, with a small tail that short texts are written
 * into.  It knows no socket.
 */
#ifndef SERVER_OUTQ_H
#define SERVER_OUTQ_H

#include "protocol/buf.h"

struct chunk {
	struct chunk *next;
	size_t at, len; /* what is left: data[at] .. data[len] */
	char *data;     /* heap, owned */
};

struct outq {
	struct chunk *first, **last;
	size_t chunk_bytes;
	struct buf tail; /* behind the chunks */
};

void outq_init(struct outq *q);
void outq_finish(struct outq *q);
/* Where the next bytes are written; valid until the next call of an outq function. */
struct buf *outq_tail(struct outq *q);
/* Moves the content of `from` behind what is queued; `from` is empty afterwards and may be written again.  Short
 * content is copied to the tail, since a chunk of its own would cost more. */
void outq_move(struct outq *q, struct buf *from);
size_t outq_bytes(const struct outq *q);
/* The first `max` slices of the content, at most; how many there are. */
size_t outq_peek(struct outq *q, struct span *slices, size_t max);
/* Drops the first `n` bytes. */
void outq_drop(struct outq *q, size_t n);
/* Detaches everything; the caller frees it with chunks_free(). */
struct chunk *outq_take(struct outq *q);
void chunks_free(struct chunk *chunk);

#endif
