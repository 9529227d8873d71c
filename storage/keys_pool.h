/*
 * Distinct strings, numbered as they come, and their ranks: what SORT compares is then one small integer a message.
 *
 * The order is that of memcmp(), shorter first where one begins the other.  Ranks are made in steps: strings that came
 * since the last time are sorted by themselves (a merge sort from the bottom up) and then merged with the others.  A
 * string stays until the pool goes.  Memory: some 40 bytes a string and its bytes.  Thread: the owner's.
 */
#ifndef STORAGE_KEYS_POOL_H
#define STORAGE_KEYS_POOL_H

#include "storage/base.h"

enum { KEYS_POOL_CHUNK = 65536, KEYS_STRING_MAX = 4096 /* bytes; what is longer is cut */ };

struct keys_pool_string {
	uint64_t prefix; /* the first bytes, as a number that sorts as they do */
	uint32_t at;     /* chunk and offset in it */
	uint32_t len;
};

struct keys_pool_slot {
	uint32_t id, hash;
};

enum keys_pool_phase { POOL_RANKED, POOL_SORTS, POOL_MERGES, POOL_NUMBERS };

/* Two sorted runs on their way into one. */
struct keys_pool_merge {
	const uint32_t *left, *right;
	uint32_t left_n, right_n;
	uint32_t *to;
};

struct keys_pool {
	struct keys_pool_string *strings; /* by id, from 1 */
	uint32_t n, cap;                  /* strings, without the empty one */
	struct keys_pool_slot *slots;     /* open addressing, at most three quarters full */
	uint32_t slots_cap;
	char **chunks;
	uint32_t chunks_n, chunk_used;    /* chunk_used: of the last */
	uint32_t *order, ranked_n;        /* ids that are ranked, sorted */
	uint32_t *rank;                   /* by id */
	/* Ranking that is under way. */
	enum keys_pool_phase phase;
	uint32_t *fresh, *spare, fresh_n; /* ids that came since */
	uint32_t width, from;             /* of the runs that are merged; where the next pair begins */
	struct keys_pool_merge merge;
	uint32_t *merged, numbered_n;
};

/* {0} is an empty pool. */
void keys_pool_finish(struct keys_pool *p);
/* The string's id; 0 for the empty string, which sorts first.  False: the pool is full (4 GiB of text). */
MUST_USE bool keys_pool_add(struct keys_pool *p, struct bytes s, uint32_t *out_id);
/* Some `steps` comparisons towards ranks of all strings that are there; true when they have them.  Adding waits for
 * nothing: what comes meanwhile is ranked after the others. */
bool keys_pool_rank(struct keys_pool *p, uint32_t steps);
/* Right after it said so: ranks change when strings come.  0 for the empty string. */
static inline uint32_t keys_pool_rank_of(const struct keys_pool *p, uint32_t id)
{
	return id ? p->rank[id] : 0;
}
/* How two strings compare, ranked or not: below 0, 0, or above. */
int keys_pool_compare(const struct keys_pool *p, uint32_t left, uint32_t right);
size_t keys_pool_bytes(const struct keys_pool *p);

#endif
