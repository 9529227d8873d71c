/*
 * The full-text index of an account, kept up to date in the background: when the account rests, when many messages have
 * come since, and every few seconds in one that never rests.  Nothing of it is done before a message is acknowledged.  It is one op of the background queue that goes on in
 * slices; clients' ops come first.  When most of the index is of contents that are gone, it is made anew beside it.
 */
#ifndef SERVER_INDEXER_H
#define SERVER_INDEXER_H

#include "storage/base.h"

struct lane;

/* On a worker that has the lane's turn, its account open, when ops ran and are committed: cheap. */
void indexer_note_turn(struct lane *lane);
/* The same, its account at rest. */
void indexer_consider(struct lane *lane);
/* Inside an op: a sweep deleted `n` contents. */
void indexer_note_sweep(struct lane *lane, uint64_t n);

#endif
