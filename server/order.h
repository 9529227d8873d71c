/*
 * Items put in the order of numbers they have: a radix sort, least digit first, which keeps the order of those that are
 * equal.  So an order by several keys is made by sorting by the last of them first; and where only some of the first or
 * of the last are wanted, those that cannot be among them are left out before anything is sorted.
 *
 * Works in slices.  Memory: 16 bytes an item.  Pure; any thread, one at a time.
 */
#ifndef SERVER_ORDER_H
#define SERVER_ORDER_H

#include "protocol/base.h"
#include "server/slice.h"

enum { ORDER_BITS = 11, ORDER_PASSES = 6 /* of 64 bits */ };

struct order {
	uint32_t n;
	uint32_t *items;  /* in their order: the first n */
	uint64_t *values; /* by item; the caller sets those of items that are there */
	/* Of the sort that is under way. */
	enum { ORDER_MEASURES, ORDER_COUNTS, ORDER_MOVES, ORDER_LEAVES_OUT } phase;
	uint32_t at, kept;
	uint64_t least, most;
	unsigned pass, shift;
	uint32_t *spare, *counts;
};

/* `n` items, in the order of their numbers from 0 on. */
void order_init(struct order *o, uint32_t n);
/* Accepts a zeroed struct. */
void order_finish(struct order *o);
/* Sorts by the values; true when it is done.  Until then neither they nor the items may be changed. */
bool order_sort(struct order *o, struct slice *slice);
/* Leaves out items whose values say that they are not among the `want` (above 0) least, or greatest; some others stay.  To
 * be followed by order_sort() with these values last.  True when it is done. */
bool order_narrow(struct order *o, uint32_t want, bool greatest, struct slice *slice);

#endif
