/*
 * Threads (RFC 8474 5.2): which messages are to be shown together.  The table `thread` knows, of each Message-ID that
 * was seen or referred to, its thread.  A message joins the thread of the first of its IDs that is known: its own, then
 * its ancestors from the nearest on; without one it begins a thread.  What was said once stays: a message that links two
 * threads joins one of them and changes neither, and the same bytes delivered again come to the same thread.
 *
 *	key  checksum64 of the ID
 *	id   the thread: the key of the eldest ID of the message it began with
 *
 * Some 25 bytes a message on disk.  A row stays while a message is there that has the ID or refers to it, so that an
 * answer to an expunged message finds what is left of its thread; then the sweep may take it (thread_sweep.h).  Thread: the account's lane.
 */
#ifndef STORAGE_THREAD_H
#define STORAGE_THREAD_H

#include "storage/account.h"

enum { THREAD_IDS_MAX = 32 /* IDs of one message that are looked at */ };

/* What stands for an ID, never 0. */
int64_t thread_key(struct bytes id);
/* Inside an op.  `ids` (n > 0): the message's own ID if it has one, then those it refers to, the nearest first. */
MUST_USE enum store_err thread_join(struct account *a, const struct bytes *ids, size_t n, uint64_t *out);

#endif
