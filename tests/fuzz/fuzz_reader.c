/*
 * Framing: the first octet chooses the cuts and what is decided about literals, the rest is what the client sends.
 * Whatever the cuts, the events are those of the stream in one piece, and memory stays within the limits.
 */
#include "tests/fuzz/fuzz.h"

#include "protocol/buf.h"
#include "protocol/imap/reader.h"

static const struct reader_limits limits = {
	.line_bytes = 64, .literal_bytes = 32, .literals_bytes = 48, .literals = 4, .answer_bytes = 16};

struct client {
	struct reader reader;
	struct buf log;
	unsigned choices; /* one after another, from the decisions' seed */
	bool answers, lost, in_piece;
};

static unsigned choose(struct client *c, unsigned n)
{
	c->choices = c->choices * 1103515245 + 12345;
	return (c->choices >> 16) % n;
}

static void decide(struct client *c, const struct reader_event *e)
{
	unsigned choice = choose(c, 4);
	if (choice == 0 && e->literal.over != READER_OVER_COUNT)
		reader_stream(&c->reader);
	else if (choice == 1 || e->literal.over != READER_WITHIN)
		reader_refuse(&c->reader);
	else
		reader_keep(&c->reader);
}

static void log_event(struct client *c, const struct reader_event *e)
{
	/* Pieces depend on the cuts: only their octets are compared. */
	if (e->kind != READER_PIECE || !c->in_piece)
		buf_add_char(&c->log, (char)('0' + (int)e->kind));
	buf_add_span(&c->log, e->text);
	c->in_piece = e->kind == READER_PIECE && e->left > 0;
	if (e->kind == READER_LITERAL) {
		buf_add_u64(&c->log, e->literal.size);
		buf_add_char(&c->log, (char)('0' + (int)e->literal.over + 5 * e->literal.sync));
	}
}

static bool step(struct client *c)
{
	struct reader_event e;
	if (c->answers)
		reader_next_line(&c->reader, &e);
	else
		reader_next(&c->reader, &e);
	if (e.kind == READER_MORE || (e.kind == READER_LOST && c->lost))
		return false;
	c->lost = e.kind == READER_LOST;
	log_event(c, &e);
	if (e.kind == READER_LITERAL)
		decide(c, &e);
	else if (e.kind == READER_PIECE && e.left == 0 && choose(c, 8) == 0)
		reader_refuse(&c->reader);
	else if (e.kind == READER_COMMAND || e.kind == READER_LINE)
		c->answers = choose(c, 4) == 0;
	return true;
}

static struct buf replay(struct span stream, size_t cut, unsigned seed)
{
	struct client c = {.choices = seed};
	enum { HELD_MAX = 64 + 48 + 8 };
	reader_init(&c.reader, &limits);
	buf_init(&c.log, 1 << 24);
	for (size_t at = 0; at < stream.len; at += cut) {
		size_t n = stream.len - at < cut ? stream.len - at : cut;
		reader_append(&c.reader, stream.ptr + at, n);
		while (step(&c))
			;
		invariant(c.lost || reader_pending(&c.reader) <= HELD_MAX);
	}
	reader_finish(&c.reader);
	return c.log;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct span stream = span_make((const char *)data + 1, size - 1);
	struct buf whole = replay(stream, stream.len, data[0]);
	for (size_t cut = 1; cut <= 7; cut += 3) {
		struct buf cuts = replay(stream, cut, data[0]);
		invariant(span_equal(buf_span(&whole), buf_span(&cuts)));
		buf_finish(&cuts);
	}
	buf_finish(&whole);
	return 0;
}
