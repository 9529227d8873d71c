#include "protocol/arena.h"

#include <stdalign.h>

enum { ARENA_BLOCK_BYTES = 2048, ARENA_GROW_FIRST = 8 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){0};
}

void arena_finish(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *block = a->blocks;
		a->blocks = block->next;
		free(block);
	}
	*a = (struct arena){0};
}

static char *arena_take(struct arena *a, size_t size, size_t align)
{
	size_t at = (a->used + align - 1) & ~(align - 1);
	if (!a->blocks || at + size > a->blocks->size) {
		size_t room = ARENA_BLOCK_BYTES - sizeof(struct arena_block);
		if (a->total >= (size_t)8 * ARENA_BLOCK_BYTES)
			room *= 4;
		if (room < size)
			room = size;
		struct arena_block *block = xmalloc(sizeof(*block) + room);
		block->size = room;
		block->next = a->blocks;
		a->blocks = block;
		a->total += sizeof(*block) + room;
		at = 0;
	}
	a->used = at + size;
	return a->blocks->data + at;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return memset(arena_take(a, size, alignof(max_align_t)), 0, size);
}

char *arena_bytes(struct arena *a, size_t size)
{
	return arena_take(a, size, 1);
}

struct span arena_copy(struct arena *a, struct span s)
{
	char *to = arena_take(a, s.len + 1, 1);
	if (s.len)
		memcpy(to, s.ptr, s.len);
	to[s.len] = '\0';
	return span_make(to, s.len);
}

void *arena_grow(struct arena *a, void *old, size_t n, size_t elem_size)
{
	bool full = n == 0 || (n >= ARENA_GROW_FIRST && (n & (n - 1)) == 0);
	if (!full)
		return old;
	size_t cap = n == 0 ? ARENA_GROW_FIRST : n * 2;
	void *grown = arena_alloc(a, cap * elem_size);
	if (n)
		memcpy(grown, old, n * elem_size);
	return grown;
}
