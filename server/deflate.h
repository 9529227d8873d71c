/*
 * Compression of a connection (RFC 1951, raw: neither header nor checksum), one stream each way, between buffers of the
 * caller: no I/O, and no idea of what the bytes mean.
 *
 * The compressor costs DEFLATE_WRITER_BYTES and the decompressor 40 kB, too much for a connection on which nothing
 * happens.  A stream at rest has neither: deflate_stream_rest() frees the first, and of the second keeps only as much
 * of the peer's bytes as it may still refer to (at most 32 kB, and for a client's commands some hundred bytes).  Both
 * are made again by the next call that needs them, and the peer notices nothing.
 */
#ifndef SERVER_DEFLATE_H
#define SERVER_DEFLATE_H

#include "protocol/buf.h"

struct deflate_stream;

enum { DEFLATE_WRITER_BYTES = 136 * 1024 }; /* about */

enum deflate_result {
	DEFLATE_GOES_ON,
	DEFLATE_ENDED, /* the peer has finished its stream: nothing more will come */
	DEFLATE_FAILED /* what came is no deflated data; see deflate_stream_fault() */
};

/* At rest. */
struct deflate_stream *deflate_stream_create(void);
void deflate_stream_destroy(struct deflate_stream *s);
/* Adds at most `room` bytes (> 0) to `plain`, and takes from the front of *wire what they were made of: all of it, unless
 * the room was used up.  Then there may be more to come even if *wire is empty: see deflate_stream_is_full(). */
MUST_USE enum deflate_result deflate_stream_read(struct deflate_stream *s, struct span *wire, size_t room,
						  struct buf *plain);
/* The last read used up its room: another one, with or without bytes, may bring more. */
bool deflate_stream_is_full(const struct deflate_stream *s);
/* Takes all of `plain`; what comes of it is added to `wire` now or by the next flush. */
void deflate_stream_write(struct deflate_stream *s, struct span plain, struct buf *wire);
/* Adds to `wire` what the peer needs to read all that was written; nothing when it has that. */
void deflate_stream_flush(struct deflate_stream *s, struct buf *wire);
/* Frees what it can.  Not between a write and its flush. */
void deflate_stream_rest(struct deflate_stream *s);
bool deflate_stream_is_at_rest(const struct deflate_stream *s);
/* Why it failed: static, for the log. */
const char *deflate_stream_fault(const struct deflate_stream *s);

#endif
