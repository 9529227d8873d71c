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

/* Those of an account that has none set (all zero) hold nothing back. */
void usage_set_quota(struct account *a, const struct quota *quota);
struct usage usage_get(const struct account *a);
/* How many mailboxes there are: names without mailbox are none. */
MUST_USE enum store_err usage_mailboxes(struct account *a, uint64_t *out);
/* In an op: STORE_OVERQUOTA when it leaves more than it found, and more than is allowed.  The op is then to fail. */
MUST_USE enum store_err usage_check(struct account *a);
/* Before work is done in vain: STORE_OVERQUOTA when a message of so many bytes could not be added now. */
MUST_USE enum store_err usage_check_room(struct account *a, uint64_t bytes);
/* May `n` mailboxes more be made?  In the op that makes them. */
MUST_USE enum store_err usage_check_mailboxes(struct account *a, uint64_t n);

/* For roster.c, roster_remove.c, mailbox.c: so much more or less, in an op. */
void usage_add(struct account *a, uint64_t bytes, uint64_t messages);
void usage_subtract(struct account *a, uint64_t bytes, uint64_t messages);
/* For account.c: when it opens. */
MUST_USE enum store_err usage_load(struct account *a);

#endif
