/*
 * Puts found messages in the order that SORT wants (RFC 5256, 5957), from the keys that the account holds in memory
 * (storage/keys.h), in slices.  Where only some of the first or of the last are wanted, only those are sorted.
 *
 * Memory: 16 bytes a message.  Thread: the account's lane.
 */
#ifndef SERVER_SORTER_H
#define SERVER_SORTER_H

#include "server/found.h"
#include "server/order.h"
#include "storage/keys.h"

struct sorter {
	const struct found *found;
	const struct sort_key *keys; /* the first is the first to sort by */
	size_t keys_n;
	uint64_t want;  /* this many of the first, or of the last, are enough; UINT64_MAX: all are wanted */
	bool from_end;
	/* Where the work stands. */
	enum { SORTER_BEGINS, SORTER_LOADS, SORTER_NARROWS, SORTER_SORTS } phase;
	bool filled;    /* with the values of key `key` */
	size_t key;
	uint32_t at;
	uint32_t ranked_n; /* of the pool whose ranks are being set */
	uint64_t epoch; /* the account's keys are those that were loaded */
	struct order order;
};

enum sorter_state { SORTER_DONE, SORTER_AGAIN /* the slice is over */, SORTER_FAILED };

/* What is passed must outlive it; `found` is complete. */
void sorter_init(struct sorter *s, const struct found *found, const struct sort_key *keys, size_t n);
/* Accepts a zeroed struct. */
void sorter_finish(struct sorter *s);
MUST_USE enum sorter_state sorter_run(struct sorter *s, struct account *a, struct slice *slice, enum store_err *out_err);
/* Once it is done: the index in `found` of the message at a place, from 0, which is among those that were wanted. */
uint32_t sorter_at(const struct sorter *s, uint64_t place);

/* Whether these keys need the account's pages, and what of them (keys_page()). */
bool sorter_needs_pages(const struct sort_key *keys, size_t n, unsigned *out_want);
/* How two messages compare, whose pages are loaded: below 0, above, or 0 where the mailbox's order decides.  RELEVANCY is not
 * the message's own, and no key of this. */
int sorter_compare(const struct keys *k, const struct sort_key *keys, size_t n, const struct found_message *left,
		   const struct found_message *right);

#endif
