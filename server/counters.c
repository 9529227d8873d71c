#include "server/counters.h"

const uint32_t histogram_ends_us[HISTOGRAM_BUCKETS - 1] = {100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000, 10000000};

void histogram_add(struct histogram *h, uint64_t us)
{
	size_t i = 0;
	while (i < HISTOGRAM_BUCKETS - 1 && us > histogram_ends_us[i])
		i++;
	atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t n = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
	return n;
}
