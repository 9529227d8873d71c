/*
 * What an account's mail takes, and how much it may (RFC 9208): the sum of RFC822.SIZE over the messages of all mailboxes,
 * each copy counted whole whatever is shared on disk, and their number.  What was expunged and can still be had back is
 * not counted.
 *
 * The sum is taken once from the mailbox rows' committed counters, and kept in memory as messages come and go; a failed op
 * takes its part back.  So there is nothing that a crash could leave wrong.
 *
 * Limits are the owner's to set; what is above them stays, and nothing but adding is refused.  An op that adds asks
 * usage_check() when it is done with its changes: then what it took away counts too (MOVE, REPLACE).
 */
#ifndef STORAGE_USAGE_H
#define STORAGE_USAGE_H

#include "storage/account.h"

#include <stdatomic.h>

/*
 * What several accounts have together, as the users of one domain do.  Each account's share says how much of it is in the
 * pool's sum; an op takes what it adds from the pool before it ends, so that ops of many accounts at once cannot go
 * beyond the limit together, by no byte; what a failed op took, it gives back.  Any thread reads and adds.
 */
struct usage_pool {
	_Atomic int64_t bytes;
};

/* The caller's memory; it outlives the account, which may be closed and opened meanwhile. */
struct usage_share {
	struct usage_pool *pool; /* NULL: there is none */
	_Atomic int64_t bytes;   /* of the account, as the pool has them */
};

/* Those of an account that has none set (all zero) hold nothing back. */
void usage_set_quota(struct account *a, const struct quota *quota);
struct usage usage_get(const struct account *a);
/* The account is to keep `share` at what it has; NULL: none any more. */
void usage_set_share(struct account *a, struct usage_share *share);
/* From one pool to another, with what is in the share but for `recorded`, which the pools' owner moves himself.  Not
 * while the account runs an op. */
void usage_share_move(struct usage_share *share, struct usage_pool *to, int64_t recorded);
/* What all accounts of the pool have; 0 without one. */
uint64_t usage_pool_bytes(const struct account *a);
/* How many mailboxes there are: names without mailbox are none. */
MUST_USE enum store_err usage_mailboxes(struct account *a, uint64_t *out);
/* There is more than its own quota allows, which was made less, or what an import brought. */
bool usage_is_over(const struct account *a);
/* In an op, after its changes: STORE_OVERQUOTA when it leaves more than it found, and more than is allowed.  The op is then
 * to fail.  STORE_FULL when it adds to a disk that has little room left. */
MUST_USE enum store_err usage_check(struct account *a);
/* Before work is done in vain: STORE_OVERQUOTA when a message of so many bytes could not be added now;
 * STORE_FULL. */
MUST_USE enum store_err usage_check_room(struct account *a, uint64_t bytes);
/* May `n` mailboxes more be made?  In the op that makes them. */
MUST_USE enum store_err usage_check_mailboxes(struct account *a, uint64_t n);

/* For roster.c, roster_remove.c, mailbox.c: so much more or less, in an op. */
void usage_add(struct account *a, uint64_t bytes, uint64_t messages);
void usage_subtract(struct account *a, uint64_t bytes, uint64_t messages);
/* For account.c: when it opens. */
MUST_USE enum store_err usage_load(struct account *a);
/* For account.c: an op has ended, well or not. */
void usage_settle(struct account *a);

#endif
