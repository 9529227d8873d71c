#include "server/order.h"

enum {
	BLOCK = 4096,      /* items between two looks at the clock */
	DIGITS = 1 << ORDER_BITS,
	NARROW_BITS = 16,  /* of the values' range: where one of them is far off the others are still told apart */
	BUCKETS = 1 << NARROW_BITS
};

void order_init(struct order *o, uint32_t n)
{
	*o = (struct order){.n = n, .items = xmalloc((size_t)n * sizeof(*o->items)),
			    .values = xmalloc((size_t)n * sizeof(*o->values)),
			    .spare = xmalloc((size_t)n * sizeof(*o->spare))};
	for (uint32_t i = 0; i < n; i++)
		o->items[i] = i;
}

void order_finish(struct order *o)
{
	free(o->items);
	free(o->values);
	free(o->spare);
	free(o->counts);
	*o = (struct order){0};
}

static bool must_pause(const struct order *o, struct slice *slice)
{
	return o->at % BLOCK == 0 && slice_is_over(slice, BLOCK);
}

static uint64_t value_at(const struct order *o, uint32_t at)
{
	return o->values[o->items[at]];
}

/* The least and the greatest value; false: later. */
static bool measure(struct order *o, struct slice *slice)
{
	if (o->at == 0) {
		o->least = UINT64_MAX;
		o->most = 0;
	}
	for (; o->at < o->n; o->at++) {
		if (must_pause(o, slice))
			return false;
		uint64_t value = value_at(o, o->at);
		o->least = value < o->least ? value : o->least;
		o->most = value > o->most ? value : o->most;
	}
	o->at = 0;
	return true;
}

/* Bits that tell the values apart. */
static unsigned width(const struct order *o)
{
	return o->most > o->least ? 64 - (unsigned)__builtin_clzll(o->most - o->least) : 0;
}

static void begin_counts(struct order *o, size_t n)
{
	free(o->counts);
	o->counts = xcalloc(n, sizeof(*o->counts));
}

static void end(struct order *o)
{
	free(o->counts);
	o->counts = NULL;
	o->phase = ORDER_MEASURES;
	o->at = 0;
}

/* ---- sorting ---- */

static uint32_t digit(const struct order *o, uint64_t value)
{
	return (uint32_t)((value - o->least) >> (o->pass * ORDER_BITS)) & (DIGITS - 1);
}

static bool count(struct order *o, struct slice *slice)
{
	for (; o->at < o->n; o->at++) {
		if (must_pause(o, slice))
			return false;
		o->counts[digit(o, value_at(o, o->at))]++;
	}
	uint32_t before = 0;
	for (uint32_t i = 0; i < DIGITS; i++) {
		uint32_t n = o->counts[i];
		o->counts[i] = before;
		before += n;
	}
	o->at = 0;
	return true;
}

static bool move(struct order *o, struct slice *slice)
{
	for (; o->at < o->n; o->at++) {
		if (must_pause(o, slice))
			return false;
		o->spare[o->counts[digit(o, value_at(o, o->at))]++] = o->items[o->at];
	}
	uint32_t *swap = o->items;
	o->items = o->spare;
	o->spare = swap;
	o->at = 0;
	return true;
}

bool order_sort(struct order *o, struct slice *slice)
{
	for (;;) {
		switch (o->phase) {
		case ORDER_MEASURES:
			if (!measure(o, slice))
				return false;
			o->pass = 0;
			break;
		case ORDER_COUNTS:
			if (!count(o, slice))
				return false;
			o->phase = ORDER_MOVES;
			continue;
		case ORDER_MOVES:
			if (!move(o, slice))
				return false;
			o->pass++;
			break;
		case ORDER_LEAVES_OUT: /* another job */
			invariant(false);
		}
		if (o->pass * ORDER_BITS >= width(o)) {
			end(o);
			return true;
		}
		begin_counts(o, DIGITS);
		o->phase = ORDER_COUNTS;
	}
}

/* ---- leaving out ---- */

static uint32_t bucket(const struct order *o, uint64_t value, bool greatest)
{
	uint32_t at = (uint32_t)((value - o->least) >> o->shift);
	return greatest ? BUCKETS - 1 - at : at;
}

/* Items up to this bucket are enough. */
static bool count_buckets(struct order *o, uint32_t want, bool greatest, struct slice *slice)
{
	for (; o->at < o->n; o->at++) {
		if (must_pause(o, slice))
			return false;
		o->counts[bucket(o, value_at(o, o->at), greatest)]++;
	}
	uint64_t n = 0;
	uint32_t last = 0;
	while (last < BUCKETS - 1 && (n += o->counts[last]) < want)
		last++;
	o->pass = last;
	o->at = o->kept = 0;
	return true;
}

static bool leave_out(struct order *o, bool greatest, struct slice *slice)
{
	for (; o->at < o->n; o->at++) {
		if (must_pause(o, slice))
			return false;
		if (bucket(o, value_at(o, o->at), greatest) <= o->pass)
			o->items[o->kept++] = o->items[o->at];
	}
	o->n = o->kept;
	return true;
}

bool order_narrow(struct order *o, uint32_t want, bool greatest, struct slice *slice)
{
	if (o->phase == ORDER_MEASURES) {
		if (!measure(o, slice))
			return false;
		o->shift = width(o) > NARROW_BITS ? width(o) - NARROW_BITS : 0;
		begin_counts(o, BUCKETS);
		o->phase = ORDER_COUNTS;
	}
	if (o->phase == ORDER_COUNTS) {
		if (!count_buckets(o, want, greatest, slice))
			return false;
		o->phase = ORDER_LEAVES_OUT;
	}
	if (!leave_out(o, greatest, slice))
		return false;
	end(o);
	return true;
}
