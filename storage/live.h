/*
 * Which contents are named by segments and by the graveyard: a bit for each id of a window of ids, filled in slices of
 * rows.  The sweep deletes what has none; the check tells of it.  An account's ids may be many and spread, so memory is
 * bounded by taking one window of ids after the other.
 *
 * Between slices other ops go on.  What they put into a segment they note (live_note()): the pass may have been there.
 * What they bury needs no note, because segments are read before the graveyard: it either was noted in its segment, or
 * is found in the graveyard.
 *
 * Thread: the account's lane.
 */
#ifndef STORAGE_LIVE_H
#define STORAGE_LIVE_H

#include "storage/account.h"

enum { LIVE_WINDOW = 1 << 24 }; /* ids, 2 MiB of bits */

struct live {
	int64_t first, n; /* the window: ids [first, first + n) */
	uint64_t *bits;
	/* Where the pass is: the keys of the rows read last. */
	bool segments_done, gone_done;
	int64_t segment;
	int64_t gone_mailbox, gone_modseq, gone_part;
};

/* A window of at most LIVE_WINDOW ids from `first` to at most `last`. */
void live_init(struct live *l, int64_t first, int64_t last);
/* Accepts a zeroed one. */
void live_finish(struct live *l);
void live_note(struct live *l, const int64_t *contents, uint32_t n);
/* For an id in the window. */
bool live_has(const struct live *l, int64_t id);
/* Reads at most `rows` rows; *out_more: there are others.  STORE_CORRUPT: a row cannot be read, so what it names is not
 * known. */
MUST_USE enum store_err live_step(struct live *l, struct account *a, unsigned rows, bool *out_more);

#endif
