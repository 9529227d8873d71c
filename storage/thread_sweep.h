/*
 * Forgetting the rows of `thread` that no message needs any more: a row stays while a content that is there has this ID or
 * refers to it, so that every answer to what is left finds its thread.  Without that a mailbox that keeps nothing grows
 * by 25 bytes a message for good: 90 MB a year where 10,000 come a day.
 *
 * The IDs of all contents are marked in a filter of two bits each, sixteen times as many as there are rows; what is not
 * marked goes.  A row that is marked by chance stays, one in seventy.  It looks at each row of `keys` and of `thread`
 * (a million of each, none needed: 1 s of processor time in steps of 0.5 ms), so it is done when contents went that may have
 * left a quarter of the rows behind, and some thousands.  Messages that come meanwhile mark theirs.
 *
 * Part of the sweep (sweep.h), in short steps inside ops.  Thread: the account's lane.
 */
#ifndef STORAGE_THREAD_SWEEP_H
#define STORAGE_THREAD_SWEEP_H

#include "storage/account.h"

struct thread_sweep {
	uint64_t *bits;  /* heap; NULL: it does not run */
	uint64_t mask;   /* of a bit's number */
	bool deleting;   /* else marking */
	bool begun;      /* `key` was looked at */
	int64_t content, key; /* looked at last */
};

/* `gone`: contents that were deleted since it was asked last; `thorough`: whatever there is to gain.  It may find that it
 * is too early, and not begin. */
MUST_USE enum store_err thread_sweep_start(struct thread_sweep *s, struct account *a, uint64_t gone, bool thorough);
/* When it does not run, that was all.  *more: to be called again. */
MUST_USE enum store_err thread_sweep_step(struct thread_sweep *s, struct account *a, bool *more);
/* A row that a message on its way in has found or made. */
void thread_sweep_note(struct thread_sweep *s, int64_t key);
/* Also when it does not run. */
void thread_sweep_finish(struct thread_sweep *s);

#endif
