/*
 * Lexer and parser: any octets are taken or refused with an offset within them; what is taken, printed and parsed
 * again is the same.  An input that ends like a line before a literal is also tried as an APPEND's head.
 */
#include "tests/fuzz/fuzz.h"

#include "protocol/imap/parse.h"
#include "tests/fuzz/request_print.h"

enum { PRINT_BYTES_MAX = 1 << 24 };

/* False when it was refused. */
static bool parse_and_print(struct span text, struct buf *out)
{
	struct arena a;
	struct request r;
	struct parse_error error = {0};
	arena_init(&a);
	enum parse_status status = parse_request(&a, text, DIALECT_CONDSTORE | DIALECT_QRESYNC, &r, &error);
	invariant((status == PARSE_OK) == (error.message == NULL));
	invariant((status == PARSE_LIMIT) == (error.limit != LIMIT_NONE && error.limit != LIMIT_TAG_BYTES));
	invariant(status == PARSE_OK || error.offset <= text.len);
	if (status == PARSE_OK)
		request_print(out, &r);
	arena_finish(&a);
	return status == PARSE_OK;
}

static bool append_and_print(struct span text, enum append_place place, bool single, struct buf *out)
{
	struct arena a;
	struct request r = {0};
	struct parse_error error = {0};
	arena_init(&a);
	bool ok = parse_append(&a, text, DIALECT_UTF8, place, single, &r, &error) == PARSE_OK;
	invariant(ok || error.offset <= text.len);
	if (ok) {
		if (place == APPEND_AT_START)
			buf_add_text(out, r.uid ? "a UID REPLACE" : (r.append.set.n ? "a REPLACE" : "a APPEND"));
		if (place == APPEND_IN_UTF8)
			buf_add_char(out, ')');
		append_print(out, &r.append, place == APPEND_IN_LIST);
		if (r.append.stop != APPEND_STOPS)
			buf_add_text(out, "{1}");
	}
	arena_finish(&a);
	return ok;
}

static void round_trip(struct span text)
{
	struct buf once, twice;
	buf_init(&once, PRINT_BYTES_MAX);
	buf_init(&twice, PRINT_BYTES_MAX);
	if (parse_and_print(text, &once)) {
		invariant(!once.failed);
		invariant(parse_and_print(buf_span(&once), &twice));
		invariant(span_equal(buf_span(&once), buf_span(&twice)));
	}
	buf_finish(&once);
	buf_finish(&twice);
}

static void append_round_trip(struct span text, enum append_place place, bool single)
{
	static const char before[] = "x"; /* so that what follows is separated */
	size_t skipped = place == APPEND_AT_START ? 0 : sizeof(before) - 1;
	struct buf once, twice;
	buf_init(&once, PRINT_BYTES_MAX);
	buf_init(&twice, PRINT_BYTES_MAX);
	buf_add(&once, before, skipped);
	buf_add(&twice, before, skipped);
	if (append_and_print(text, place, single, &once)) {
		invariant(append_and_print(span_after(buf_span(&once), skipped), place, single, &twice));
		invariant(span_equal(buf_span(&once), buf_span(&twice)));
	}
	buf_finish(&once);
	buf_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make((const char *)data, size), tag;
	struct arena a;
	struct request r;
	struct parse_error error;
	round_trip(text);
	append_round_trip(text, APPEND_AT_START, false);
	append_round_trip(text, APPEND_AFTER, false);
	append_round_trip(text, APPEND_AFTER, true);
	append_round_trip(text, APPEND_IN_LIST, false);
	append_round_trip(text, APPEND_IN_UTF8, false);
	parse_append_streams(text);
	parse_peek(text, &tag);
	arena_init(&a);
	invariant(parse_request(&a, text, DIALECT_UTF8, &r, &error) == PARSE_OK || error.message);
	arena_finish(&a);
	return 0;
}
