/*
 * One state machine.  Arrows are what the client sends or the caller decides:
 *
 *	READING    --line without literal-->  READING      (READER_COMMAND)
 *	           --line with literal----->  DECIDING     (READER_LITERAL)
 *	           --more than a line------>  SKIPPING     (READER_TOO_LONG)
 *	DECIDING   --reader_keep----------->  KEEPING      --its octets-->  READING, same command
 *	           --reader_stream--------->  STREAMING    --its octets-->  READING, same command (READER_PIECE)
 *	           --reader_refuse, {n}---->  READING      the client waits; what comes next is a new command
 *	           --reader_refuse, {n+}--->  SWALLOWING
 *	STREAMING  --reader_refuse--------->  SWALLOWING
 *	SWALLOWING --its octets------------>  SKIPPING     the rest of the command line
 *	SKIPPING   --line end-------------->  READING      a new command
 *	           --line end with {n+}---->  SWALLOWING
 *	           --{n+} beyond counting-->  ASTRAY       (READER_LOST), for ever
 *
 * Memory: octets [head, tail) of one block.  An event's text is left where it is and only counted as `spent`; the
 * next call drops it by moving head.  The block is compacted only when room is lacking: a caller that appends when
 * told READER_MORE has each octet moved at most once.  It is freed when empty, so that an idle session holds nothing.
 */
#include "protocol/imap/reader.h"

enum { BLOCK_FIRST_BYTES = 512 };

const struct reader_limits reader_limits_before_login = {
	.line_bytes = 16384, .literal_bytes = 4096, .literals_bytes = 8192, .literals = 4, .answer_bytes = 16384};
const struct reader_limits reader_limits_after_login = {
	.line_bytes = 65536, .literal_bytes = 131072, .literals_bytes = 262144, .literals = 1000, .answer_bytes = 65536};

void reader_init(struct reader *r, const struct reader_limits *limits)
{
	*r = (struct reader){.limits = limits};
}

void reader_finish(struct reader *r)
{
	free(r->data);
	*r = (struct reader){.limits = r->limits};
}

void reader_set_limits(struct reader *r, const struct reader_limits *limits)
{
	r->limits = limits;
}

void reader_clear(struct reader *r)
{
	reader_finish(r);
}

/* Drops what the last event was made of. */
static void settle(struct reader *r)
{
	invariant(r->spent <= r->tail - r->head);
	r->head += r->spent;
	r->spent = 0;
	if (r->head == r->tail) {
		free(r->data);
		r->data = NULL;
		r->cap = r->head = r->tail = 0;
	}
}

char *reader_room(struct reader *r, size_t want)
{
	invariant(want > 0);
	settle(r);
	if (r->cap - r->tail < want && r->head > 0) {
		r->tail -= r->head;
		memmove(r->data, r->data + r->head, r->tail);
		r->head = 0;
	}
	if (r->cap - r->tail < want) {
		size_t cap = r->cap ? r->cap : BLOCK_FIRST_BYTES;
		while (cap - r->tail < want)
			cap += cap / 2;
		r->data = xrealloc(r->data, cap);
		r->cap = cap;
	}
	return r->data + r->tail;
}

void reader_filled(struct reader *r, size_t len)
{
	invariant(len <= r->cap - r->tail);
	r->tail += len;
}

void reader_append(struct reader *r, const char *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(reader_room(r, len), bytes, len);
	reader_filled(r, len);
}

size_t reader_pending(const struct reader *r)
{
	return r->tail - r->head - r->spent;
}

struct span reader_rest(const struct reader *r)
{
	return r->data ? span_make(r->data + r->head + r->spent, reader_pending(r)) : span_make("", 0);
}

/* One more octet of a line: does "{n}" or "{n+}" end it? */
static void literal_end_step(struct literal_end *e, char c)
{
	bool digit = c >= '0' && c <= '9';
	if (c == '{') {
		*e = (struct literal_end){.at = END_OPEN};
	} else if (digit && (e->at == END_OPEN || e->at == END_DIGITS)) {
		uint64_t value = (uint64_t)(c - '0');
		e->at = END_DIGITS;
		e->overflow = e->overflow || e->count > (INT64_MAX - value) / 10;
		e->count = e->overflow ? 0 : e->count * 10 + value;
	} else if (c == '+' && e->at == END_DIGITS) {
		e->at = END_PLUS;
		e->plus = true;
	} else if (c == '}' && (e->at == END_DIGITS || e->at == END_PLUS)) {
		e->at = END_CLOSED;
	} else if (c == '\r' && e->at == END_CLOSED && !e->cr) {
		e->cr = true;
	} else {
		e->at = END_NONE;
	}
}

static struct literal_end literal_end_of(struct span line)
{
	struct literal_end e = {.at = END_NONE};
	if (line.len == 0 || line.ptr[line.len - 1] != '}')
		return e;
	const char *open = memrchr(line.ptr, '{', line.len);
	for (const char *p = open; p && p < line.ptr + line.len; p++)
		literal_end_step(&e, *p);
	return e;
}

static void begin_command(struct reader *r)
{
	r->state = READER_READING;
	r->mark = r->scanned = r->kept_bytes = 0;
	r->kept = 0;
	r->continued = false;
}

static void begin_skipping(struct reader *r, bool answer)
{
	r->state = READER_SKIPPING;
	r->answer = answer;
	r->end = (struct literal_end){.at = END_NONE};
	r->mark = r->scanned = r->kept_bytes = 0;
	r->kept = 0;
	r->continued = false;
}

/* Where the line in hand ends, counted from head; false when its end has not come. */
static bool line_end(struct reader *r, size_t *len)
{
	size_t held = r->tail - r->head;
	const char *from = held ? r->data + r->head : "";
	const char *nl = r->scanned < held ? memchr(from + r->scanned, '\n', held - r->scanned) : NULL;
	*len = nl ? (size_t)(nl - from) : held;
	r->scanned = *len;
	return nl != NULL;
}

/* [head, head + len) without the CR of its line end. */
static struct span line_text(const struct reader *r, size_t len)
{
	const char *from = r->data + r->head;
	return span_make(from, len - (len > r->mark && from[len - 1] == '\r'));
}

/* The first `limit` octets are for the caller; the line's end is looked for behind them, but a literal's count may
 * have begun within. */
static void too_long(struct reader *r, size_t len, bool answer, struct reader_event *out)
{
	const char *from = r->data + r->head;
	size_t mark = r->mark;
	*out = (struct reader_event){.kind = READER_TOO_LONG, .text = span_make(from, len), .continued = r->continued};
	begin_skipping(r, answer);
	for (size_t i = mark; i < len; i++)
		literal_end_step(&r->end, from[i]);
	r->spent = len;
}

static enum reader_over literal_over(const struct reader *r, const struct literal_end *e)
{
	if (e->overflow)
		return READER_OVER_COUNT;
	if (r->kept >= r->limits->literals)
		return READER_OVER_LITERALS;
	if (e->count > r->limits->literal_bytes)
		return READER_OVER_LITERAL;
	return e->count > r->limits->literals_bytes - r->kept_bytes ? READER_OVER_TOTAL : READER_WITHIN;
}

/* A whole line has come: it ends the command, or announces a literal. */
static void line_done(struct reader *r, size_t len, struct reader_event *out)
{
	struct span text = line_text(r, len);
	struct literal_end e = literal_end_of(span_after(text, r->mark));
	*out = (struct reader_event){.kind = READER_COMMAND, .text = text, .continued = r->continued};
	if (e.at != END_CLOSED) {
		r->spent = len + 1;
		begin_command(r);
	} else if (e.plus && e.overflow) {
		r->state = READER_ASTRAY;
		*out = (struct reader_event){.kind = READER_LOST, .text = span_make("", 0)};
	} else {
		const char *open = memrchr(text.ptr, '{', text.len);
		out->kind = READER_LITERAL;
		out->literal.size = e.count;
		out->literal.sync = !e.plus;
		out->literal.binary = open > text.ptr + r->mark && open[-1] == '~';
		out->literal.over = literal_over(r, &e);
		r->line = len;
		r->left = e.count;
		r->state = READER_DECIDING;
		r->pending = *out;
	}
}

static void read_line(struct reader *r, struct reader_event *out)
{
	size_t len, kept = r->kept_bytes + r->kept; /* the LF before a literal is not part of the line either */
	bool ended = line_end(r, &len);
	if (len - kept > r->limits->line_bytes)
		too_long(r, kept + r->limits->line_bytes, false, out);
	else if (ended)
		line_done(r, len, out);
}

static void give_piece(struct reader *r, struct reader_event *out)
{
	size_t held = r->tail - r->head;
	size_t n = held < r->left ? held : (size_t)r->left;
	if (n == 0 && r->left > 0)
		return;
	r->left -= n;
	r->spent = n;
	*out = (struct reader_event){.kind = READER_PIECE, .text = span_make(n ? r->data + r->head : "", n),
				     .continued = true, .left = r->left};
	if (r->left == 0) {
		begin_command(r);
		r->continued = true;
	}
}

/* True when the literal is whole. */
static bool keep_octets(struct reader *r)
{
	if (r->tail - r->head - r->mark < r->left)
		return false;
	r->mark += (size_t)r->left;
	r->scanned = r->mark;
	r->state = READER_READING;
	return true;
}

static bool swallow_octets(struct reader *r)
{
	size_t held = r->tail - r->head;
	size_t n = held < r->left ? held : (size_t)r->left;
	r->head += n;
	r->left -= n;
	if (r->left > 0)
		return false;
	begin_skipping(r, false);
	return true;
}

static bool skip_line(struct reader *r)
{
	while (r->head < r->tail) {
		char c = r->data[r->head++];
		if (c != '\n') {
			literal_end_step(&r->end, c);
			continue;
		}
		bool swallow = !r->answer && r->end.at == END_CLOSED && r->end.plus;
		r->left = r->end.count;
		if (swallow && r->end.overflow)
			r->state = READER_ASTRAY;
		else if (swallow)
			r->state = READER_SWALLOWING;
		else
			begin_command(r);
		return true;
	}
	return false;
}

/* Passes over what the caller does not want to see; false when more bytes are needed for that. */
static bool skip(struct reader *r)
{
	bool on = true;
	while (on && (r->state == READER_SWALLOWING || r->state == READER_SKIPPING))
		on = r->state == READER_SWALLOWING ? swallow_octets(r) : skip_line(r);
	settle(r);
	return on;
}

void reader_next(struct reader *r, struct reader_event *out)
{
	*out = (struct reader_event){.kind = READER_MORE};
	settle(r);
	if (!skip(r) || (r->state == READER_KEEPING && !keep_octets(r)))
		return;
	switch (r->state) {
	case READER_READING:
		read_line(r, out);
		break;
	case READER_DECIDING:
		*out = r->pending;
		out->text.ptr = r->data + r->head;
		break;
	case READER_STREAMING:
		give_piece(r, out);
		break;
	case READER_ASTRAY:
		out->kind = READER_LOST;
		out->text = span_make("", 0);
		break;
	case READER_KEEPING: case READER_SWALLOWING: case READER_SKIPPING:
		invariant(false); /* dealt with above */
	}
}

void reader_next_line(struct reader *r, struct reader_event *out)
{
	*out = (struct reader_event){.kind = READER_MORE};
	settle(r);
	if (!skip(r))
		return;
	invariant(r->state == READER_READING && r->mark == 0 && !r->continued);
	size_t len;
	bool ended = line_end(r, &len);
	if (len > r->limits->answer_bytes) {
		too_long(r, r->limits->answer_bytes, true, out);
	} else if (ended) {
		*out = (struct reader_event){.kind = READER_LINE, .text = line_text(r, len)};
		r->spent = len + 1;
		begin_command(r);
	}
}

void reader_keep(struct reader *r)
{
	invariant(r->state == READER_DECIDING && r->pending.literal.over == READER_WITHIN);
	r->kept_bytes += (size_t)r->left;
	r->kept++;
	r->mark = r->scanned = r->line + 1;
	r->state = READER_KEEPING;
}

void reader_stream(struct reader *r)
{
	invariant(r->state == READER_DECIDING && r->pending.literal.over != READER_OVER_COUNT);
	uint64_t left = r->left;
	r->spent = r->line + 1;
	begin_command(r);
	r->continued = true;
	r->left = left;
	r->state = READER_STREAMING;
}

void reader_refuse(struct reader *r)
{
	bool waits = r->state == READER_DECIDING && r->pending.literal.sync;
	if (r->state == READER_DECIDING)
		r->spent = r->line + 1;
	else
		invariant(r->state == READER_STREAMING || (r->state == READER_READING && r->continued));
	uint64_t left = r->state == READER_READING ? 0 : r->left;
	begin_command(r);
	r->left = left;
	r->state = waits ? READER_READING : READER_SWALLOWING;
}
