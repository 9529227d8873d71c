/*
 * Resting.  After a flush the compressor's output ends at a byte, between two blocks.  A new compressor may go on there:
 * a block refers to bytes before it by their distance, and the new one knows only those it has seen itself, which are
 * the nearest.  So the flush that ended the last burst is all it takes.
 *
 * The decompressor must go on where the peer's compressor is, which refers to 32 kB of the past: from those bytes it can
 * be made again, where a flush of the peer has ended a block at a byte.  It is kept where that is not so: after what zlib
 * calls a partial flush the last block's end is still on its way.
 */
#include "server/deflate.h"

#include <zlib.h>

enum {
	/* Level 1 compresses responses to a third, nearly as well as any other, in a third of the time.  The window and the
	 * hash table (128 kB together) are a fraction larger in the output than zlib's 256 kB. */
	LEVEL = 1,
	WINDOW_BITS = 14,
	MEMORY_LEVEL = 7,
	/* The peer may use the largest window. */
	PEER_WINDOW_BITS = 15,
	PEER_WINDOW_BYTES = 1 << PEER_WINDOW_BITS,
	WRITE_BYTES = 16384
};

/* z_stream.data_type behind inflate(): a block has ended, at a byte, and it was not the last. */
enum { BETWEEN_BLOCKS = 128 };

struct deflate_stream {
	z_stream *writer, *reader; /* NULL: at rest */
	bool written; /* and not flushed */
	bool full;
	Bytef *past;  /* of a reader at rest: what the peer may refer to, on the heap */
	uInt past_bytes;
	const char *fault;
};

static void *allocate(void *ctx, unsigned n, unsigned size)
{
	(void)ctx;
	return xmalloc((size_t)n * size);
}

static void release(void *ctx, void *block)
{
	(void)ctx;
	free(block);
}

static z_stream *z_create(void)
{
	z_stream *z = xcalloc(1, sizeof(*z));
	z->zalloc = allocate;
	z->zfree = release;
	return z;
}

struct deflate_stream *deflate_stream_create(void)
{
	return xcalloc(1, sizeof(struct deflate_stream));
}

static void drop_writer(struct deflate_stream *s)
{
	if (s->writer)
		deflateEnd(s->writer);
	free(s->writer);
	s->writer = NULL;
}

static void drop_reader(struct deflate_stream *s)
{
	if (s->reader)
		inflateEnd(s->reader);
	free(s->reader);
	s->reader = NULL;
}

void deflate_stream_destroy(struct deflate_stream *s)
{
	if (!s)
		return;
	drop_writer(s);
	drop_reader(s);
	free(s->past);
	free(s);
}

/* --- Reading. --- */

static void make_reader(struct deflate_stream *s)
{
	s->reader = z_create();
	invariant(inflateInit2(s->reader, -PEER_WINDOW_BITS) == Z_OK);
	if (s->past)
		invariant(inflateSetDictionary(s->reader, s->past, s->past_bytes) == Z_OK);
	free(s->past);
	s->past = NULL;
}

static enum deflate_result outcome(struct deflate_stream *s, int rc)
{
	if (rc == Z_STREAM_END)
		return DEFLATE_ENDED;
	if (rc == Z_OK || rc == Z_BUF_ERROR) /* the latter: nothing to do */
		return DEFLATE_GOES_ON;
	s->fault = s->reader->msg ? s->reader->msg : "not deflated";
	return DEFLATE_FAILED;
}

enum deflate_result deflate_stream_read(struct deflate_stream *s, struct span *wire, size_t room, struct buf *plain)
{
	invariant(room > 0);
	enum deflate_result result = DEFLATE_GOES_ON;
	s->full = false;
	if (!s->reader)
		make_reader(s);
	z_stream *z = s->reader;
	while (result == DEFLATE_GOES_ON && !s->full) {
		size_t want = room < WRITE_BYTES ? room : WRITE_BYTES;
		unsigned char *to = (unsigned char *)buf_reserve(plain, want);
		invariant(to); /* the caller has the room */
		z->next_in = (Bytef *)(uintptr_t)wire->ptr;
		z->avail_in = wire->len < UINT32_MAX ? (uInt)wire->len : UINT32_MAX;
		z->next_out = to;
		z->avail_out = (uInt)want;
		result = outcome(s, inflate(z, Z_SYNC_FLUSH));
		size_t took = (size_t)(z->next_in - (const Bytef *)wire->ptr), made = want - z->avail_out;
		*wire = span_after(*wire, took);
		plain->len += made;
		room -= made;
		s->full = room == 0;
		if (z->avail_out)
			break; /* it has used up what came */
	}
	return result;
}

bool deflate_stream_is_full(const struct deflate_stream *s)
{
	return s->full;
}

/* --- Writing. --- */

static void run_writer(struct deflate_stream *s, struct span plain, int flush, struct buf *wire)
{
	z_stream *z = s->writer;
	z->next_in = (Bytef *)(uintptr_t)plain.ptr;
	z->avail_in = (uInt)plain.len;
	do {
		unsigned char *to = (unsigned char *)buf_reserve(wire, WRITE_BYTES);
		if (!to)
			return; /* it has latched */
		z->next_out = to;
		z->avail_out = WRITE_BYTES;
		int rc = deflate(z, flush);
		invariant(rc == Z_OK || rc == Z_BUF_ERROR);
		wire->len += WRITE_BYTES - z->avail_out;
	} while (z->avail_out == 0);
}

void deflate_stream_write(struct deflate_stream *s, struct span plain, struct buf *wire)
{
	invariant(plain.len <= UINT32_MAX);
	if (plain.len == 0)
		return;
	if (!s->writer) {
		s->writer = z_create();
		invariant(deflateInit2(s->writer, LEVEL, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK);
	}
	s->written = true;
	run_writer(s, plain, Z_NO_FLUSH, wire);
}

void deflate_stream_flush(struct deflate_stream *s, struct buf *wire)
{
	if (!s->written)
		return;
	s->written = false;
	run_writer(s, span_make("", 0), Z_SYNC_FLUSH, wire);
}

/* --- Resting. --- */

static void rest_reader(struct deflate_stream *s)
{
	z_stream *z = s->reader;
	if (!z || s->full || s->fault || z->data_type != BETWEEN_BLOCKS)
		return;
	s->past = xmalloc(PEER_WINDOW_BYTES);
	invariant(inflateGetDictionary(z, s->past, &s->past_bytes) == Z_OK);
	s->past = xrealloc(s->past, s->past_bytes);
	drop_reader(s);
}

void deflate_stream_rest(struct deflate_stream *s)
{
	invariant(!s->written);
	drop_writer(s);
	rest_reader(s);
}

bool deflate_stream_is_at_rest(const struct deflate_stream *s)
{
	return !s->writer && !s->reader;
}

const char *deflate_stream_fault(const struct deflate_stream *s)
{
	return s->fault ? s->fault : "none";
}
