/*
 * Memory by lifetime: many small allocations, one release.  An arena belongs to
 * one thing (a command, an op, a connection) and dies with it.
 */
#ifndef PROTOCOL_ARENA_H
#define PROTOCOL_ARENA_H

#include "protocol/span.h"

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used;                /* bytes used in the newest block */
	size_t total;               /* bytes held from malloc, for accounting */
};

void arena_init(struct arena *a);
/* Frees everything; the arena may be used again.  Accepts a zeroed struct. */
void arena_finish(struct arena *a);
/* Zeroed, aligned for any type, never NULL. */
void *arena_alloc(struct arena *a, size_t size);
/* Not zeroed, for bytes. */
char *arena_bytes(struct arena *a, size_t size);
/* A NUL-terminated copy. */
struct span arena_copy(struct arena *a, struct span s);
/* Grows an array of `n` elements held in the arena to hold at least n + 1: returns
 * `old` while there is room (capacities are powers of two from 8), else a larger copy. */
void *arena_grow(struct arena *a, void *old, size_t n, size_t elem_size);

#endif
