/*
 * LMTP: each line as a command, and the whole as data.  Unstuffing and the filter give the same in any cuts, and
 * unstuffing gives what a reading of RFC 5321 4.5.2 over the whole text gives.
 */
#include "tests/fuzz/fuzz.h"

#include "protocol/buf.h"
#include "protocol/lmtp/data.h"
#include "protocol/lmtp/parse.h"
#include "protocol/lmtp/trace.h"

static void each_line(struct span text)
{
	while (text.len) {
		const char *lf = memchr(text.ptr, '\n', text.len);
		struct span line = span_make(text.ptr, lf ? (size_t)(lf - text.ptr) : text.len);
		struct lmtp_command c;
		char address[64];
		if (lmtp_parse(line, &c) == LMTP_OK && (c.kind == LMTP_MAIL || c.kind == LMTP_RCPT)) {
			invariant(c.path.ptr >= line.ptr && c.path.ptr + c.path.len <= line.ptr + line.len);
			invariant(!memchr(c.path.ptr, '\r', c.path.len) && !memchr(c.path.ptr, '\0', c.path.len));
			size_t n = lmtp_path_address(c.path, address, sizeof(address));
			invariant(n < sizeof(address) && n <= c.path.len);
		}
		text = span_after(text, line.len + 1);
	}
}

/* All at once: the end is looked for first, then each line loses its dot. */
static bool unstuff_whole(struct span in, struct buf *out, size_t *used)
{
	size_t at = 0;
	while (at < in.len) {
		struct span rest = span_after(in, at);
		if (rest.len >= 3 && memcmp(rest.ptr, ".\r\n", 3) == 0) {
			*used = at + 3;
			return true;
		}
		const char *end = memmem(rest.ptr, rest.len, "\r\n", 2);
		size_t len = end ? (size_t)(end - rest.ptr) + 2 : rest.len;
		size_t skip = rest.ptr[0] == '.';
		/* What may still become the end is held back. */
		bool held = skip && !end && (len == 1 || (len == 2 && rest.ptr[1] == '\r'));
		if (!held)
			buf_add(out, rest.ptr + skip, len - skip);
		at += len;
	}
	*used = in.len;
	return false;
}

static bool unstuff_cut(struct span in, size_t cut, struct buf *out, size_t *used)
{
	struct lmtp_data d = {0};
	*used = 0;
	while (*used < in.len && !lmtp_data_ended(&d)) {
		struct span part = span_after(in, *used);
		part.len = part.len < cut ? part.len : cut;
		size_t before = part.len;
		for (struct span piece; (piece = lmtp_data_next(&d, &part)).len;)
			buf_add_span(out, piece);
		*used += before - part.len;
	}
	return lmtp_data_ended(&d);
}

static void filter(struct span in, size_t cut, struct buf *out)
{
	struct trace_filter f = {0};
	struct buf scratch;
	buf_init(&scratch, cut + TRACE_HELD_MAX);
	while (in.len) {
		struct span part = span_make(in.ptr, in.len < cut ? in.len : cut);
		buf_add_span(out, trace_filter_feed(&f, part, &scratch));
		in = span_after(in, part.len);
	}
	buf_add_span(out, trace_filter_end(&f));
	invariant(!scratch.failed);
	buf_finish(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	struct buf whole, cuts, filtered, filtered_cuts;
	buf_init(&whole, size + 1);
	buf_init(&filtered, size + 1);
	size_t used, used_cut;
	each_line(in);
	bool ended = unstuff_whole(in, &whole, &used);
	if (size)
		filter(in, size, &filtered);
	for (size_t cut = 1; cut <= 5; cut += 2) {
		buf_init(&cuts, size + 1);
		buf_init(&filtered_cuts, size + 1);
		invariant(unstuff_cut(in, cut, &cuts, &used_cut) == ended && used_cut == used);
		invariant(span_equal(buf_span(&whole), buf_span(&cuts)));
		filter(in, cut, &filtered_cuts);
		invariant(span_equal(buf_span(&filtered), buf_span(&filtered_cuts)));
		buf_finish(&cuts);
		buf_finish(&filtered_cuts);
	}
	buf_finish(&whole);
	buf_finish(&filtered);
	return 0;
}
