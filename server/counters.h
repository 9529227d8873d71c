/*
 * What happened since the start, counted for metrics.c: relaxed atomics, any thread.  They are the server's, and zeroed.
 */
#ifndef SERVER_COUNTERS_H
#define SERVER_COUNTERS_H

#include "protocol/base.h"

#include <stdatomic.h>

enum counter {
	COUNT_LOGINS,
	COUNT_LOGINS_FAILED,
	COUNT_LOGINS_HELD,
	COUNT_COMMANDS_NO,
	COUNT_COMMANDS_BAD,
	COUNT_BYTES_IN,
	COUNT_BYTES_OUT,
	COUNT_DELIVERED,
	COUNT_DELIVERED_BEFORE,
	COUNT_DELIVERIES_DEFERRED,
	COUNT_DELIVERIES_REFUSED,
	COUNT_RECIPIENTS_UNKNOWN,
	COUNTERS_N
};

/* The upper ends of a histogram's buckets, in microseconds; the last has none. */
enum { HISTOGRAM_BUCKETS = 11 };
extern const uint32_t histogram_ends_us[HISTOGRAM_BUCKETS - 1];

struct histogram {
	atomic_ullong buckets[HISTOGRAM_BUCKETS]; /* each alone, not with those below it */
	atomic_ullong sum_us;
};

enum { COUNTERS_COMMANDS_MAX = 96 };

struct counters {
	atomic_ullong each[COUNTERS_N];
	struct histogram commands[COUNTERS_COMMANDS_MAX]; /* by enum command_kind */
};

static inline void counter_add(struct counters *c, enum counter which, uint64_t n)
{
	atomic_fetch_add_explicit(&c->each[which], n, memory_order_relaxed);
}

static inline uint64_t counter_read(const struct counters *c, enum counter which)
{
	return atomic_load_explicit(&c->each[which], memory_order_relaxed);
}

void histogram_add(struct histogram *h, uint64_t us);
uint64_t histogram_count(const struct histogram *h);

#endif
