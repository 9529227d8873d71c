/* A slice of work on a worker: it ends when it has made a chunk of output or used its time. */
#ifndef SERVER_SLICE_H
#define SERVER_SLICE_H

#include "server/limits.h"

#include <time.h>

struct slice {
	uint64_t until_us;
	unsigned ticks;
};

static inline uint64_t slice_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline void slice_begin_for(struct slice *s, unsigned us)
{
	*s = (struct slice){.until_us = slice_now_us() + us};
}

static inline void slice_begin(struct slice *s)
{
	slice_begin_for(s, LIMIT_SLICE_US);
}

/* Asked between small steps; `weight` says how small: 1 for some tens of nanoseconds, 64 for what reads the disk. */
static inline bool slice_is_over(struct slice *s, unsigned weight)
{
	s->ticks += weight;
	if (s->ticks < 256)
		return false;
	s->ticks = 0;
	return slice_now_us() >= s->until_us;
}

#endif
