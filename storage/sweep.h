/*
 * The sweep: forgets what retention no longer keeps, deletes the contents that nobody names, and gives their space back.
 * There are no reference counts: a content is live while a segment, the graveyard or a writer that lives (a message on
 * its way in) names it, and the sweep finds out by looking.
 *
 * It runs in the background as many short ops of its own, while others go on.  In order:
 *
 *   history   journal and graveyard from before the retention are pruned.  When that took nothing from the graveyard,
 *             and it is not asked to look all the same, there are no candidates and the sweep is done
 *   mark      the contents that are named are marked in a window of ids (live.h).  While it runs, every op that writes
 *             a segment marks what is in it
 *   delete    rows of the window that are not marked.  Only ids up to the highest at the start are looked at: what came
 *             later is not the sweep's.  Mark and delete go on window by window
 *   files     blob files that no row names (blob.h, S2 and S6)
 *   threads   rows of `thread` that no message needs (thread_sweep.h), when enough contents went
 *   vacuum    free pages go to the end of the database and off it, when they are many
 *
 * Rows are deleted first, and that is on disk before a file is unlinked (account_unlink_later()): a file without a row
 * is garbage, a row without its file would be damage.  Takes no modseq.  A crash or a failure forgets a sweep; the next
 * begins afresh.
 *
 * Thread: the account's lane.
 */
#ifndef STORAGE_SWEEP_H
#define STORAGE_SWEEP_H

#include "storage/account.h"

enum {
	SWEEP_RETENTION_S = 7 * 24 * 3600, /* the default */
	SWEEP_EVERY_S = 24 * 3600
};

struct sweep_counts {
	uint64_t contents, files; /* deleted */
	uint64_t pages;           /* taken off the database */
};

/* None runs, and the last one was finished a day ago or never.  Cheap. */
bool sweep_is_due(struct account *a);
/* Starts over when one runs.  `thorough`: look for contents and files even when the history names no candidates. */
void sweep_start(struct account *a, int64_t retention_s, bool thorough);
/* Inside an op, a few milliseconds.  *out_more: to be called again.  After a failure it is stopped. */
MUST_USE enum store_err sweep_step(struct account *a, bool *out_more);
/* Of the sweep that was finished last since the account opened. */
struct sweep_counts sweep_result(const struct account *a);
/* Accepts that none runs. */
void sweep_stop(struct account *a);

/* For whoever writes a segment (roster_io.c): it names these contents. */
void sweep_note(struct account *a, const int64_t *contents, uint32_t n);

/* For thread.c: a message on its way in has this row. */
void sweep_note_thread(struct account *a, int64_t key);

#endif
