/*
 * A message coming in: its bytes are framed and compressed as they arrive, kept in memory while they are few, in a
 * file in tmp/ when they are many.  Nobody sees them before finish; publishing them is messages_append()'s.
 * A writer holds at most about 300 KiB, whatever the size of the message.
 *
 * Thread: the account's lane, all functions.  While a writer lives, the content it gave an id for is not swept.  When
 * the account closes, its writers give up: their calls return STORE_IO.
 */
#ifndef STORAGE_CONTENT_WRITER_H
#define STORAGE_CONTENT_WRITER_H

#include "storage/content.h"

struct content_writer;

/* Writes nothing yet, in or outside an op. */
struct content_writer *content_writer_create(struct account *a);
/* In or outside an op.  The first failure stays: later calls do nothing and return it.  STORE_FULL: no space left;
 * STORE_LIMIT: 4 GiB of message. */
MUST_USE enum store_err content_writer_write(struct content_writer *w, const void *bytes, size_t len);
uint64_t content_writer_size(const struct content_writer *w);
/* No more bytes come.  Puts a large message's file on disk, which takes its time: call it in an op that does not
 * write, before the one that finishes (which else does it itself, with the lane's transaction waiting). */
MUST_USE enum store_err content_writer_seal(struct content_writer *w);
/* Inside a writing op, which becomes one that waits for the disk.  Bytes that the account has already give the id of
 * the content that holds them.  Again, for the same id: when the op that publishes is a later one, it must ask again,
 * and is told when the account was opened afresh in between.  When the op is rolled back the writer is of no more use. */
MUST_USE enum store_err content_writer_finish(struct content_writer *w, const struct content_meta *meta,
					      int64_t *out_id);
/* Accepts NULL.  What was not finished is gone. */
void content_writer_destroy(struct content_writer *w);
/* For account_close(): each of the account's writers gives up. */
void content_writers_give_up(struct account *a);

#endif
