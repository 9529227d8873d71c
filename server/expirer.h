/*
 * Mail that goes by age: \Trash after trash_days, \Junk after junk_days.  In the background, once an hour at most for an
 * account that comes to rest, under the name "autoexpunge" in the journal; or when `roost expire` asks.  What went can be had
 * back (roost undelete) until retention ends.
 */
#ifndef SERVER_EXPIRER_H
#define SERVER_EXPIRER_H

#include "storage/error.h"
#include "storage/base.h"

struct account;
struct lane;

struct expire_rules {
	int trash_days, junk_days; /* 0: stays */
};

/* Inside a writing op: some of what is due; *removed counts on, *more: to be called again. */
MUST_USE enum store_err expire_step(struct account *a, const struct expire_rules *rules, uint64_t *removed, bool *more);
/* On a worker that has the lane's turn, when the account rests. */
void expirer_consider(struct lane *lane);

#endif
