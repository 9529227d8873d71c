/*
 * A set of messages a piece at a time: a command that changes a huge one commits each piece for itself, so that the
 * account's other sessions have their turn in between (RFC 9051 6.4.6, 6.4.8 and 6.4.3 promise no more than a message).
 */
#ifndef SERVER_BATCH_H
#define SERVER_BATCH_H

#include "storage/uidmap.h"

struct batch {
	const struct uidset *set; /* the caller's; normalised, and the same until the last piece */
	size_t range;
	uint32_t from;
	uint64_t given; /* messages in the pieces so far */
};

void batch_init(struct batch *b, const struct uidset *set);
/* The next piece to `out`, in place of what it held: `n` (at least 1) of the messages that `uids` has, or those that are
 * left.  False, and `out` is empty, when nothing is.  O(its ranges * log of the mailbox). */
bool batch_next(struct batch *b, const struct uids *uids, uint32_t n, struct uidset *out);
/* The messages of all pieces.  O(the set's ranges * log of the mailbox) */
uint64_t batch_total(const struct batch *b, const struct uids *uids);
/* The last piece was given. */
bool batch_is_over(const struct batch *b);

#endif
