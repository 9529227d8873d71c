/*
 * Compression against zlib's plain calls at the other end, which keep one stream from beginning to end: whatever is cut,
 * flushed or put to rest in between, all bytes arrive; bombs come in portions; noise is refused.
 */
#include "server/deflate.h"

#include <malloc.h>
#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { PLAIN_BYTES = 1 << 20, ROOM = 1 << 24 };

/* The stream under test and its peer. */
struct pair {
	struct deflate_stream *stream;
	z_stream peer_writer, peer_reader;
	struct buf wire, plain;
};

static void set_up(struct pair *p)
{
	*p = (struct pair){.stream = deflate_stream_create()};
	assert_int_equal(deflateInit2(&p->peer_writer, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(inflateInit2(&p->peer_reader, -15), Z_OK);
	buf_init(&p->wire, ROOM);
	buf_init(&p->plain, ROOM);
}

static void tear_down(struct pair *p)
{
	deflate_stream_destroy(p->stream);
	deflateEnd(&p->peer_writer);
	inflateEnd(&p->peer_reader);
	buf_finish(&p->wire);
	buf_finish(&p->plain);
}

/* Words of a small vocabulary, with noise now and then. */
static void make_text(struct buf *out, size_t len, unsigned *seed)
{
	static const char *const words[] = {"* ", "FETCH (", "UID ", "FLAGS (\\Seen)", "BODY[] {1000}\r\n", "12345", ")\r\n"};
	while (out->len < len) {
		if (rand_r(seed) % 8 == 0)
			buf_add_char(out, (char)rand_r(seed));
		else
			buf_add_text(out, words[(size_t)rand_r(seed) % countof(words)]);
	}
	out->len = len;
}

static void peer_write(struct pair *p, struct span text, int flush)
{
	p->peer_writer.next_in = (Bytef *)(uintptr_t)text.ptr;
	p->peer_writer.avail_in = (uInt)text.len;
	do {
		p->peer_writer.next_out = (Bytef *)buf_reserve(&p->wire, 4096);
		p->peer_writer.avail_out = 4096;
		deflate(&p->peer_writer, flush);
		p->wire.len += 4096 - p->peer_writer.avail_out;
	} while (p->peer_writer.avail_out == 0);
}

/* All that is on the wire. */
static void peer_read(struct pair *p)
{
	p->peer_reader.next_in = (Bytef *)p->wire.data;
	p->peer_reader.avail_in = (uInt)p->wire.len;
	do {
		p->peer_reader.next_out = (Bytef *)buf_reserve(&p->plain, 4096);
		p->peer_reader.avail_out = 4096;
		int rc = inflate(&p->peer_reader, Z_SYNC_FLUSH);
		assert_true(rc == Z_OK || rc == Z_BUF_ERROR);
		p->plain.len += 4096 - p->peer_reader.avail_out;
	} while (p->peer_reader.avail_out == 0);
	buf_reset(&p->wire);
}

static void read_all(struct pair *p, unsigned *seed, size_t cut)
{
	struct span wire = buf_span(&p->wire);
	while (wire.len || deflate_stream_is_full(p->stream)) {
		struct span part = span_make(wire.ptr, wire.len < cut ? wire.len : cut);
		size_t had = part.len, before = p->plain.len, room = 1 + (size_t)rand_r(seed) % 20000;
		assert_int_equal(deflate_stream_read(p->stream, &part, room, &p->plain), DEFLATE_GOES_ON);
		assert_true(p->plain.len - before <= room);
		assert_true(part.len == 0 || deflate_stream_is_full(p->stream));
		wire = span_after(wire, had - part.len);
	}
	buf_reset(&p->wire);
}

static void assert_same(const struct buf *got, const struct buf *want)
{
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->data, want->data, want->len);
}

static void test_writing(void **state)
{
	(void)state;
	for (unsigned start = 1; start < 20; start++) {
		unsigned seed = start;
		struct pair p;
		struct buf text;
		set_up(&p);
		buf_init(&text, ROOM);
		make_text(&text, PLAIN_BYTES / 4, &seed);
		for (struct span left = buf_span(&text); left.len;) {
			size_t n = 1 + (size_t)rand_r(&seed) % (rand_r(&seed) % 4 ? 300 : 30000);
			n = n < left.len ? n : left.len;
			deflate_stream_write(p.stream, span_make(left.ptr, n), &p.wire);
			left = span_after(left, n);
			if (left.len && rand_r(&seed) % 3)
				continue;
			deflate_stream_flush(p.stream, &p.wire);
			size_t len = p.wire.len;
			deflate_stream_flush(p.stream, &p.wire);
			assert_int_equal(p.wire.len, len); /* there was nothing more to tell */
			peer_read(&p);
			assert_int_equal(p.plain.len, text.len - left.len);
			if (rand_r(&seed) % 4 == 0) {
				deflate_stream_rest(p.stream);
				assert_true(deflate_stream_is_at_rest(p.stream));
			}
		}
		assert_same(&p.plain, &text);
		buf_finish(&text);
		tear_down(&p);
	}
}

/* The peer's stream refers to what came before a rest, as far back as it may. */
static void test_reading(void **state)
{
	static const int flushes[] = {Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_PARTIAL_FLUSH, Z_SYNC_FLUSH};
	(void)state;
	for (unsigned start = 1; start < 20; start++) {
		unsigned seed = start;
		int flush = flushes[start % countof(flushes)];
		struct pair p;
		struct buf text;
		set_up(&p);
		buf_init(&text, ROOM);
		make_text(&text, PLAIN_BYTES / 4, &seed);
		for (struct span left = buf_span(&text); left.len;) {
			size_t n = 1 + (size_t)rand_r(&seed) % (rand_r(&seed) % 4 ? 300 : 30000);
			n = n < left.len ? n : left.len;
			peer_write(&p, span_make(left.ptr, n), flush);
			left = span_after(left, n);
			read_all(&p, &seed, start % 2 ? 1 : 5000);
			assert_int_equal(p.plain.len, text.len - left.len);
			if (rand_r(&seed) % 2)
				deflate_stream_rest(p.stream);
			if (flush == Z_SYNC_FLUSH && rand_r(&seed) % 2) {
				deflate_stream_rest(p.stream);
				assert_true(deflate_stream_is_at_rest(p.stream));
			}
		}
		assert_same(&p.plain, &text);
		peer_write(&p, span_make("", 0), Z_FINISH);
		struct span wire = buf_span(&p.wire);
		assert_int_equal(deflate_stream_read(p.stream, &wire, 100, &p.plain), DEFLATE_ENDED);
		buf_finish(&text);
		tear_down(&p);
	}
}

/* In the middle of a block nothing can be dropped, and nothing is. */
static void test_rest_within_a_block(void **state)
{
	struct pair p;
	unsigned seed = 1;
	(void)state;
	set_up(&p);
	struct buf text;
	buf_init(&text, ROOM);
	make_text(&text, 5000, &seed);
	peer_write(&p, buf_span(&text), Z_SYNC_FLUSH);
	struct span wire = buf_span(&p.wire);
	while (wire.len) {
		struct span octet = span_make(wire.ptr, 1);
		assert_int_equal(deflate_stream_read(p.stream, &octet, ROOM / 2, &p.plain), DEFLATE_GOES_ON);
		deflate_stream_rest(p.stream);
		wire = span_after(wire, 1);
	}
	assert_same(&p.plain, &text);
	assert_true(deflate_stream_is_at_rest(p.stream));
	buf_finish(&text);
	tear_down(&p);
}

/* 100 MB in 100 kB: no more comes out than there is room for, and none is lost. */
static void test_bomb(void **state)
{
	static const char zeros[100000];
	enum { TIMES = 1000, PORTION = 131072 };
	struct pair p;
	(void)state;
	set_up(&p);
	for (int i = 0; i < TIMES; i++)
		peer_write(&p, span_make(zeros, sizeof(zeros)), Z_NO_FLUSH);
	peer_write(&p, span_make("", 0), Z_SYNC_FLUSH);
	assert_true(p.wire.len < 200000);
	struct span wire = buf_span(&p.wire);
	uint64_t all = 0;
	do {
		assert_int_equal(deflate_stream_read(p.stream, &wire, PORTION, &p.plain), DEFLATE_GOES_ON);
		assert_true(p.plain.len <= PORTION);
		all += p.plain.len;
		buf_reset(&p.plain);
	} while (wire.len || deflate_stream_is_full(p.stream));
	assert_int_equal(all, TIMES * sizeof(zeros));
	assert_true(p.plain.cap <= 2 * PORTION);
	tear_down(&p);
}

/* Noise, and streams with some octets changed: any outcome but a crash, a hang or more than the room. */
static void test_noise(void **state)
{
	unsigned failed = 0;
	(void)state;
	for (unsigned seed = 1; seed < 2000; seed++) {
		struct pair p;
		unsigned random = seed;
		set_up(&p);
		if (seed % 2) {
			struct buf text;
			buf_init(&text, ROOM);
			make_text(&text, 3000, &random);
			peer_write(&p, buf_span(&text), Z_SYNC_FLUSH);
			buf_finish(&text);
			for (unsigned i = 0; i < 1 + seed % 5; i++)
				p.wire.data[(size_t)rand_r(&random) % p.wire.len] ^= (char)(1 << rand_r(&random) % 8);
		} else {
			for (int i = 0; i < 500; i++)
				buf_add_char(&p.wire, (char)rand_r(&random));
		}
		struct span wire = buf_span(&p.wire);
		enum deflate_result result = DEFLATE_GOES_ON;
		for (int i = 0; i < 1000 && result == DEFLATE_GOES_ON && (wire.len || deflate_stream_is_full(p.stream)); i++) {
			struct span part = span_make(wire.ptr, wire.len < 50 ? wire.len : 50);
			size_t had = part.len, before = p.plain.len;
			result = deflate_stream_read(p.stream, &part, 4096, &p.plain);
			assert_true(p.plain.len - before <= 4096);
			wire = span_after(wire, had - part.len);
			deflate_stream_rest(p.stream);
		}
		if (result == DEFLATE_FAILED) {
			assert_string_not_equal(deflate_stream_fault(p.stream), "none");
			failed++;
		}
		tear_down(&p);
	}
	assert_true(failed > 1000);
}

static size_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

/* What a connection costs on which nothing happens. */
static void test_memory_at_rest(void **state)
{
	static const char commands[] = "a1 SELECT INBOX\r\na2 UID FETCH 1:* (FLAGS)\r\na3 IDLE\r\n";
	struct pair p;
	unsigned seed = 1;
	(void)state;
	if (allocated() < 1000)
		skip(); /* a sanitizer's allocator, which does not count */
	set_up(&p);
	buf_reserve(&p.wire, 65536); /* they are not to grow while it is counted */
	buf_reserve(&p.plain, 65536);
	size_t before = allocated();
	peer_write(&p, span_make(commands, sizeof(commands) - 1), Z_SYNC_FLUSH);
	read_all(&p, &seed, 100);
	deflate_stream_write(p.stream, span_make(commands, sizeof(commands) - 1), &p.wire);
	deflate_stream_flush(p.stream, &p.wire);
	size_t busy = allocated() - before;
	deflate_stream_rest(p.stream);
	size_t resting = allocated() - before;
	assert_in_range(busy, DEFLATE_WRITER_BYTES, DEFLATE_WRITER_BYTES + 50000);
	assert_in_range(resting, 0, 500);
	tear_down(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writing), cmocka_unit_test(test_reading),
		cmocka_unit_test(test_rest_within_a_block), cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_noise), cmocka_unit_test(test_memory_at_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
