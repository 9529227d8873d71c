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

static bool append_and_print(struct span text, bool first, struct buf *out)
{
	struct arena a;
	struct append_head head;
	struct parse_error error = {0};
	arena_init(&a);
	bool ok = parse_append(&a, text, DIALECT_REV1, first, &head, &error) == PARSE_OK;
	invariant(ok || error.offset <= text.len);
	if (ok)
		append_head_print(out, &head);
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

static void append_round_trip(struct span text)
{
	static const char command[] = "a APPEND"; /* a later head has only what follows it */
	bool first = text.len > 0 && text.ptr[0] != ' ';
	size_t skipped = first ? 0 : sizeof(command) - 1;
	struct buf once, twice;
	buf_init(&once, PRINT_BYTES_MAX);
	buf_init(&twice, PRINT_BYTES_MAX);
	buf_add_text(&once, command);
	buf_add_text(&twice, command);
	if (append_and_print(text, first, &once)) {
		buf_add_text(&once, "{1}");
		invariant(append_and_print(span_after(buf_span(&once), skipped), first, &twice));
		buf_add_text(&twice, "{1}");
		invariant(span_equal(buf_span(&once), buf_span(&twice)));
	}
	parse_append_is_message(text);
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
	append_round_trip(text);
	parse_peek(text, &tag);
	arena_init(&a);
	invariant(parse_request(&a, text, DIALECT_UTF8, &r, &error) == PARSE_OK || error.message);
	arena_finish(&a);
	return 0;
}
