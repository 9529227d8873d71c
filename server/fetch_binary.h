/*
 * BINARY, BINARY.PEEK and BINARY.SIZE (RFC 3516 4.2, 4.3; RFC 9051 6.4.5): a part with its transfer encoding undone.
 * A part that has none, a multipart, a message and the message as a whole are what BODY[...] would tell.
 *
 * How long the answer is, and whether it holds a NUL, is said before its octets: a part is decoded once to count them,
 * and again to tell them, a step at a time, so that neither memory nor a slice depends on its size.  One that fits a step
 * is decoded once.  Nothing is kept between steps but the cursor in fetch_writer.binary.
 *
 * A client that reads a large part piece by piece, <0.65536>, <65536.65536> and so on, would have it decoded from its
 * beginning each time.  So a view keeps a mark: where the last partial ended, and the decoder's state there.  A
 * partial of the same part that begins behind it goes on from it; any other begins at the beginning, and leaves its own.
 */
#ifndef SERVER_FETCH_BINARY_H
#define SERVER_FETCH_BINARY_H

#include "server/fetch_items.h"
#include "server/slice.h"

/* What a view keeps of the last partial that was not done in its first step; some 300 bytes. */
struct fetch_binary_mark {
	int64_t content; /* contents never change, and their ids are never used again */
	uint64_t begin;
	struct fetch_binary_place place;
};

/* Rows of the table of items. */
MUST_USE enum store_err fetch_write_binary(struct fetch_writer *w, const struct fetch_plan_item *item);
MUST_USE enum store_err fetch_write_binary_size(struct fetch_writer *w, const struct fetch_plan_item *item);
/* Goes on with an open item.  True when it is whole or has failed; false when the chunk is full or the slice over. */
bool fetch_binary_pump(struct fetch_writer *w, struct slice *slice, enum store_err *err);
/* Can every BINARY item of the plan be decoded?  False: the request must fail (RFC 3516 4.3), so the message is passed
 * over.  One that cannot be read is left to the writers. */
bool fetch_binary_is_known(struct fetch_writer *w, const struct fetch_plan *plan);
/* Accepts a zeroed struct. */
void fetch_binary_finish(struct fetch_binary *b);

#endif
