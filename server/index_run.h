/*
 * One walk over an account's contents that brings its full-text index up to date (storage/fulltext.h), in slices and from
 * where the last one ended.  Of each content the index gets the grams of the strings that SEARCH can find in it
 * (protocol/mime/strings.h).  What cannot be read is put in as "may hold anything": a search then meets the damage.
 *
 *	struct index_run r;
 *	index_run_init(&r, FULLTEXT_NOW);
 *	do
 *		err = index_run_step(&r, account, &more);
 *	while (!err && more);
 *	index_run_finish(&r);
 *
 * Between two steps anything may happen to the account, and several runs may work on it.  Thread: the account's lane.
 */
#ifndef SERVER_INDEX_RUN_H
#define SERVER_INDEX_RUN_H

#include "protocol/mime/grams.h"
#include "storage/fulltext.h"

struct index_run {
	enum fulltext_which which;
	bool carries;              /* the caller's to set, for the next index: texts of attachments come from the present one */
	uint64_t contents, wide;   /* added; of them, those that are always named */
	/* private */
	int64_t content, after;    /* being read, 0: none; the one before it in the index */
	uint32_t pieces;           /* of it, added */
	uint32_t text_at;          /* of its attachments' text, the next piece */
	bool damaged;
	bool merging, shrinking, shrunk;
	struct mime_strings strings;
	struct mime_grams grams;
	struct buf parts;
};

void index_run_init(struct index_run *r, enum fulltext_which which);
void index_run_finish(struct index_run *r);
/* A slice.  Nothing that is not committed is read: with the lane's transaction open it does nothing.  *out_more: there is
 * more to do.  An error is the index's, and ends the run. */
MUST_USE enum store_err index_run_step(struct index_run *r, struct account *a, bool *out_more);

#endif
