/*
 * Names and patterns from any octets.  Modified UTF-7 has one spelling for each name, so decoding and encoding gives
 * back what came; a name that is legal is found by the pattern that spells it.
 */
#include "tests/fuzz/fuzz.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/mutf7.h"
#include "protocol/imap/name.h"
#include "protocol/imap/pattern.h"

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return false;
	return true;
}

static void one_spelling(struct span wire)
{
	struct buf utf8, again;
	buf_init(&utf8, 2 * wire.len + 1);
	buf_init(&again, 3 * wire.len + 10);
	if (mutf7_decode(wire, &utf8) && is_ascii(wire)) {
		mutf7_encode(buf_span(&utf8), &again);
		invariant(span_equal(buf_span(&again), wire));
	}
	buf_reset(&utf8);
	buf_reset(&again);
	/* And the other way: what is written for any octets can be read. */
	buf_finish(&again);
	buf_init(&again, 10 * wire.len + 10);
	mutf7_encode(wire, &again);
	buf_finish(&utf8);
	buf_init(&utf8, 10 * wire.len + 10);
	invariant(mutf7_decode(buf_span(&again), &utf8));
	buf_finish(&utf8);
	buf_finish(&again);
}

static void name_and_pattern(struct span wire, unsigned dialect)
{
	struct arena a;
	struct span name, back;
	struct pattern p;
	arena_init(&a);
	if (name_decode(&a, wire, dialect, &name)) {
		struct buf b;
		invariant(name.len > 0 && name.len <= NAME_BYTES_MAX && name.ptr[name.len] == '\0');
		pattern_init(&p, &a, span_of(""), wire.ptr[wire.len - 1] == '/' ? span_make(wire.ptr, wire.len - 1) : wire,
			     dialect);
		invariant(pattern_matches(&p, name.ptr));
		buf_init(&b, 10 * NAME_BYTES_MAX);
		mutf7_encode(name, &b);
		invariant(name_decode(&a, buf_span(&b), DIALECT_REV1, &back) && span_equal(back, name));
		buf_finish(&b);
	}
	pattern_init(&p, &a, span_make(wire.ptr, wire.len / 2), span_after(wire, wire.len / 2), dialect);
	pattern_matches(&p, "INBOX/a/b");
	arena_finish(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span wire = span_make((const char *)data, size);
	one_spelling(wire);
	name_and_pattern(wire, DIALECT_REV1);
	name_and_pattern(wire, DIALECT_UTF8);
	return 0;
}
