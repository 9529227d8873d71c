/*
 * The order of a SORT as UIDs, which are what is kept of it (keeping.h): they stay what they are when others come and go.
 * Made of what a sorter has put in order, or of an older one: what has changed since is taken out, and what of it is found
 * now goes where it belongs, by comparing with some twenty others.  In slices.
 *
 * Memory: 4 bytes a message, 4 more while it is made.  Thread: the account's lane.
 */
#ifndef SERVER_UID_ORDER_H
#define SERVER_UID_ORDER_H

#include "server/keeping.h"
#include "server/sorter.h"

struct uid_order {
	uint32_t *v, n;
	uint32_t at;
	uint32_t *uids; /* of the messages found */
	bool taken_out; /* what has changed */
};

/* Accepts a zeroed struct. */
void uid_order_finish(struct uid_order *o);
/* True when it is all there; false: the slice is over. */
bool uid_order_make(struct uid_order *o, const struct sorter *s, const struct view *v, struct slice *slice);
/* From k->old; `found` has those of k->changed that the program holds for. */
MUST_USE enum sorter_state uid_order_mend(struct uid_order *o, const struct keeping *k, const struct sorter *s,
					  const struct view *v, struct account *a, struct slice *slice,
					  enum store_err *out_err);
/* Gives the UIDs away. */
struct kept_result uid_order_take(struct uid_order *o);

#endif
