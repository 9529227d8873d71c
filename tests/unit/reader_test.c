/* Framing: whatever the cuts, the same events; every limit has its answer; a refused literal does not derail. */
#include "protocol/imap/reader.h"

#include "protocol/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct reader_limits small = {
	.line_bytes = 24, .literal_bytes = 10, .literals_bytes = 16, .literals = 3, .answer_bytes = 8};

/* What the driver of these tests does: a command whose name begins with S streams its literals, with R refuses them,
 * with P refuses after the first piece, with A reads answers until "." comes; all others keep what fits. */
struct driver {
	struct reader reader;
	struct buf log;
	char verb;
	bool in_piece, answers, lost;
};

static void log_text(struct driver *d, const char *word, struct span text)
{
	if (d->in_piece)
		buf_add_text(&d->log, ">\n");
	d->in_piece = false;
	buf_add_text(&d->log, word);
	buf_add_char(&d->log, '<');
	buf_add_span(&d->log, text);
	buf_add_text(&d->log, ">\n");
}

static void log_piece(struct driver *d, const struct reader_event *e)
{
	if (!d->in_piece)
		buf_add_text(&d->log, "PIECES<");
	d->in_piece = true;
	buf_add_span(&d->log, e->text);
	if (e->left == 0) {
		buf_add_text(&d->log, ">\n");
		d->in_piece = false;
	}
}

static void decide(struct driver *d, const struct reader_event *e)
{
	static const char *const overs[] = {"", " over-literal", " over-total", " over-literals", " over-count"};
	char word[80];
	snprintf(word, sizeof(word), "LITERAL %llu%s%s%s%s", (unsigned long long)e->literal.size,
		 e->literal.sync ? "" : "+", e->literal.binary ? " binary" : "", overs[e->literal.over],
		 e->continued ? " continued" : "");
	log_text(d, word, e->text);
	if ((d->verb == 'S' || d->verb == 'P') && e->literal.over != READER_OVER_COUNT)
		reader_stream(&d->reader);
	else if (d->verb == 'R' || e->literal.over != READER_WITHIN)
		reader_refuse(&d->reader);
	else
		reader_keep(&d->reader);
}

/* Handles one event; false when there is none. */
static bool step(struct driver *d)
{
	struct reader_event e;
	if (d->answers)
		reader_next_line(&d->reader, &e);
	else
		reader_next(&d->reader, &e);
	if (e.text.len > 0 && !e.continued && e.kind != READER_PIECE)
		d->verb = e.text.ptr[0];
	switch (e.kind) {
	case READER_MORE:
		return false;
	case READER_COMMAND:
		log_text(d, e.continued ? "COMMAND continued" : "COMMAND", e.text);
		d->answers = d->verb == 'A';
		return true;
	case READER_LITERAL:
		decide(d, &e);
		return true;
	case READER_PIECE:
		if (d->verb == 'P') {
			log_text(d, "PIECE, enough", span_make("", 0));
			reader_refuse(&d->reader);
		} else {
			log_piece(d, &e);
		}
		return true;
	case READER_LINE:
		log_text(d, "LINE", e.text);
		d->answers = !span_is(e.text, ".");
		return true;
	case READER_TOO_LONG:
		log_text(d, e.continued ? "TOO_LONG continued" : "TOO_LONG", e.text);
		return true;
	case READER_LOST:
		if (!d->lost)
			log_text(d, "LOST", e.text);
		d->lost = true; /* and for ever */
		return false;
	}
	return false;
}

/* Cuts of one size, or of random sizes when `cut` is 0. The log is the caller's to finish. */
static struct buf replay(const struct reader_limits *limits, struct span stream, size_t cut, unsigned seed)
{
	struct driver d = {0};
	reader_init(&d.reader, limits);
	buf_init(&d.log, 1 << 20);
	for (size_t at = 0; at < stream.len;) {
		size_t n = cut;
		if (n == 0) {
			seed = seed * 1103515245 + 12345;
			n = 1 + (seed >> 16) % 17;
		}
		if (n > stream.len - at)
			n = stream.len - at;
		if (seed & 0x10000) {
			memcpy(reader_room(&d.reader, n + 5), stream.ptr + at, n);
			reader_filled(&d.reader, n);
		} else {
			reader_append(&d.reader, stream.ptr + at, n);
		}
		at += n;
		if (cut == 0 && seed & 0x20000)
			continue; /* two cuts at once */
		while (step(&d))
			;
	}
	while (step(&d))
		;
	if (d.in_piece)
		buf_add_text(&d.log, "...\n");
	assert_false(d.log.failed);
	reader_finish(&d.reader);
	return d.log;
}

static void check(const struct reader_limits *limits, struct span stream, struct span expected)
{
	for (unsigned seed = 0; seed < 40; seed++) {
		size_t cut = seed == 0 ? stream.len : (seed < 4 ? seed : 0);
		struct buf log = replay(limits, stream, cut, seed);
		if (!span_equal(buf_span(&log), expected))
			fail_msg("seed %u of <%.*s> gave:\n%.*s", seed, (int)stream.len, stream.ptr, (int)log.len, log.data);
		buf_finish(&log);
	}
}

static void test_streams(void **state)
{
	static const struct {
		const char *stream, *expected;
	} cases[] = {
		{"a NOOP\r\n", "COMMAND<a NOOP>\n"},
		{"a NOOP\n\r\n\nb\r\n", "COMMAND<a NOOP>\nCOMMAND<>\nCOMMAND<>\nCOMMAND<b>\n"},
		{"a\r\r\nb", "COMMAND<a\r>\n"},
		{"a {3}\r\nxyz\r\nb {0+}\r\n c\r\n",
		 "LITERAL 3<a {3}>\nCOMMAND<a {3}\r\nxyz>\nLITERAL 0+<b {0+}>\nCOMMAND<b {0+}\r\n c>\n"},
		/* octets of a literal that look like lines and literals are octets */
		{"a {9}\r\n{5}\r\n{2+}\r\n", "LITERAL 9<a {9}>\nCOMMAND<a {9}\r\n{5}\r\n{2+}>\n"},
		{"a ~{2}\r\n\r\n {1}\n\n\n", "LITERAL 2 binary<a ~{2}>\nLITERAL 1<a ~{2}\r\n\r\n {1}>\n"
					    "COMMAND<a ~{2}\r\n\r\n {1}\n\n>\n"},
		{"a {2}\r\nxy{1}\r\nz\r\n", "LITERAL 2<a {2}>\nLITERAL 1<a {2}\r\nxy{1}>\nCOMMAND<a {2}\r\nxy{1}\r\nz>\n"},
		/* not literals */
		{"a {x}\r\na {}\r\na {+}\r\na {1 }\r\na {-1}\r\na {1++}\r\na 1}\r\n",
		 "COMMAND<a {x}>\nCOMMAND<a {}>\nCOMMAND<a {+}>\nCOMMAND<a {1 }>\nCOMMAND<a {-1}>\nCOMMAND<a {1++}>\n"
		 "COMMAND<a 1}>\n"},
		{"a {0002}\r\nxy\r\n", "LITERAL 2<a {0002}>\nCOMMAND<a {0002}\r\nxy>\n"},
		/* refused: a synchronising literal never comes, others are swallowed with the rest of the line */
		{"R {5}\r\nb NOOP\r\n", "LITERAL 5<R {5}>\nCOMMAND<b NOOP>\n"},
		{"R {5+}\r\n\n\n\n\n\n more\r\nb NOOP\r\n", "LITERAL 5+<R {5+}>\nCOMMAND<b NOOP>\n"},
		{"R {1+}\r\nx {4+}\r\nabcd {0+}\r\n {7}\r\nb NOOP\r\n", "LITERAL 1+<R {1+}>\nCOMMAND<b NOOP>\n"},
		{"R {0+}\r\n\r\nb\r\n", "LITERAL 0+<R {0+}>\nCOMMAND<b>\n"},
		/* limits of kept literals; the total is 16, three literals */
		{"a {11}\r\nb {11+}\r\nhello world\r\nc\r\n",
		 "LITERAL 11 over-literal<a {11}>\nLITERAL 11+ over-literal<b {11+}>\nCOMMAND<c>\n"},
		{"a {10+}\r\n0123456789{7}\r\n", "LITERAL 10+<a {10+}>\nLITERAL 7 over-total<a {10+}\r\n0123456789{7}>\n"},
		{"a {0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n\r\nb\r\n",
		 "LITERAL 0+<a {0+}>\nLITERAL 0+<a {0+}\r\n{0+}>\nLITERAL 0+<a {0+}\r\n{0+}\r\n{0+}>\n"
		 "LITERAL 0+ over-literals<a {0+}\r\n{0+}\r\n{0+}\r\n{0+}>\nCOMMAND<b>\n"},
		/* counts beyond 63 bits */
		{"a {9223372036854775807}\r\n", "LITERAL 9223372036854775807 over-literal<a {9223372036854775807}>\n"},
		{"a {9223372036854775808}\r\nb\r\n",
		 "LITERAL 0 over-count<a {9223372036854775808}>\nCOMMAND<b>\n"},
		{"a {99999999999999999+}\r\nb\r\n", "LITERAL 99999999999999999+ over-literal<a {99999999999999999+}>\n"},
		{"a {9223372036854775808+}\r\nb\r\n", "TOO_LONG<a {9223372036854775808+}>\nLOST<>\n"},
		/* 24 octets a line, its CR among them */
		{"a 456789012345678901234\nb\n", "COMMAND<a 456789012345678901234>\nCOMMAND<b>\n"},
		{"a 4567890123456789012345\nb\n", "COMMAND<a 4567890123456789012345>\nCOMMAND<b>\n"},
		{"a 456789012345678901234567\r\nb\n", "TOO_LONG<a 4567890123456789012345>\nCOMMAND<b>\n"},
		{"a 456789012345678901 {100+}\r\n012345678901234567890123456789012345678901234567890123456789012345678901"
		 "2345678901234567890123456789\r\nb\r\n",
		 "TOO_LONG<a 456789012345678901 {10>\nCOMMAND<b>\n"},
		{"a 456789012345678901 {100}\r\nb\r\n", "TOO_LONG<a 456789012345678901 {10>\nCOMMAND<b>\n"},
		{"a 45678901234567890123456 {99999999999999999999+}\r\nb\r\n",
		 "TOO_LONG<a 4567890123456789012345>\nLOST<>\n"},
		/* kept literals and their line ends do not count */
		{"a {10}\r\n0123456789 012345678901234\r\n",
		 "LITERAL 10<a {10}>\nCOMMAND<a {10}\r\n0123456789 012345678901234>\n"},
		{"a {10}\r\n0123456789 0123456789012345\r\nb\n",
		 "LITERAL 10<a {10}>\nTOO_LONG<a {10}\r\n0123456789 0123456789012345>\nCOMMAND<b>\n"},
		/* streamed: any size, then the rest of the command, again and again */
		{"S {26}\r\nabcdefghijklmnopqrstuvwxyz\r\nb\r\n",
		 "LITERAL 26 over-literal<S {26}>\nPIECES<abcdefghijklmnopqrstuvwxyz>\nCOMMAND continued<>\nCOMMAND<b>\n"},
		{"S {3+}\r\nabc {0}\r\n {2}\r\nxy)\r\nb\r\n",
		 "LITERAL 3+<S {3+}>\nPIECES<abc>\nLITERAL 0 continued< {0}>\nPIECES<>\nLITERAL 2 continued< {2}>\n"
		 "PIECES<xy>\nCOMMAND continued<)>\nCOMMAND<b>\n"},
		{"S {3}\r\nabc 0123456789012345678901234567\r\nb\n",
		 "LITERAL 3<S {3}>\nPIECES<abc>\nTOO_LONG continued< 01234567890123456789012>\nCOMMAND<b>\n"},
		{"S {9223372036854775807}\r\nab",
		 "LITERAL 9223372036854775807 over-literal<S {9223372036854775807}>\nPIECES<ab...\n"},
		/* given up in the middle */
		{"P {8}\r\n\n\n\n\n\n\n\n\n {2+}\r\nxy {1}\r\nb\r\n", "LITERAL 8<P {8}>\nPIECE, enough<>\nCOMMAND<b>\n"},
		{"P {0}\r\n\r\nb\r\n", "LITERAL 0<P {0}>\nPIECE, enough<>\nCOMMAND<b>\n"},
		/* answers: no literals, a limit of 8, CR included */
		{"A\r\n{5}\r\n\r\n*\r\n.\r\nb {1}\r\nx\n",
		 "COMMAND<A>\nLINE<{5}>\nLINE<>\nLINE<*>\nLINE<.>\nLITERAL 1<b {1}>\nCOMMAND<b {1}\r\nx>\n"},
		{"A\r\n01234567\n012345678 {3+}\r\nDONE\n.\nb\n",
		 "COMMAND<A>\nLINE<01234567>\nTOO_LONG<01234567>\nLINE<DONE>\nLINE<.>\nCOMMAND<b>\n"},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++)
		check(&small, span_of(cases[i].stream), span_of(cases[i].expected));
}

/* What may not stand in a command is the parser's affair; octets of a literal are any octets. */
static void test_nul_and_8bit_are_octets(void **state)
{
	static const char stream[] = "a \0\xff {2}\r\n\0\n\r\n";
	static const char expected[] = "LITERAL 2<a \0\xff {2}>\nCOMMAND<a \0\xff {2}\r\n\0\n>\n";
	(void)state;
	check(&small, span_make(stream, sizeof(stream) - 1), span_make(expected, sizeof(expected) - 1));
}

/* The same text is given while the caller has not decided, also when bytes arrive meanwhile. */
static void test_pending_literal_is_stable(void **state)
{
	struct reader r;
	struct reader_event e;
	(void)state;
	reader_init(&r, &reader_limits_after_login);
	reader_append(&r, "a LOGIN {3+}\r\n", 14);
	for (unsigned i = 0; i < 3000; i++) {
		reader_next(&r, &e);
		assert_int_equal(e.kind, READER_LITERAL);
		assert_true(span_equal(e.text, span_of("a LOGIN {3+}")));
		reader_append(&r, "joe", i == 0 ? 3 : 1);
	}
	reader_keep(&r);
	
	reader_next(&r, &e);
	assert_int_equal(e.kind, READER_MORE);
	reader_append(&r, "\n", 1);
	reader_next(&r, &e);
	assert_int_equal(e.kind, READER_COMMAND);
	assert_int_equal(e.text.len, 14 + 3 + 2999);
	reader_finish(&r);
}

static void test_clear_forgets(void **state)
{
	struct reader r;
	struct reader_event e;
	(void)state;
	reader_init(&r, &reader_limits_before_login);
	reader_append(&r, "a STARTTLS\r\nb LOGIN {9999}\r\n", 28);
	reader_next(&r, &e);
	assert_int_equal(e.kind, READER_COMMAND);
	assert_int_equal(reader_pending(&r), 16);
	reader_clear(&r);
	assert_int_equal(reader_pending(&r), 0);
	assert_null(r.data);
	reader_append(&r, "c NOOP\r\n", 8);
	reader_next(&r, &e);
	assert_true(span_equal(e.text, span_of("c NOOP")));
	reader_next(&r, &e);
	assert_int_equal(e.kind, READER_MORE);
	assert_null(r.data); /* an idle reader holds nothing */
	reader_finish(&r);
}

/* A caller that appends a chunk when it is told READER_MORE holds one command and a chunk, for any stream. */
static void test_memory_is_bounded(void **state)
{
	struct reader r;
	struct reader_event e;
	(void)state;
	reader_init(&r, &reader_limits_before_login);
	char chunk[1024];
	memset(chunk, 'x', sizeof(chunk));
	for (unsigned i = 0; i < 200; i++) {
		reader_append(&r, chunk, sizeof(chunk));
		while (reader_next(&r, &e), e.kind != READER_MORE)
			assert_int_equal(e.kind, READER_TOO_LONG);
		assert_in_range(r.cap, 0, 2 * (reader_limits_before_login.line_bytes + sizeof(chunk)));
	}
	reader_append(&r, "\r\na {1000000+}\r\n", 16);
	reader_next(&r, &e);
	assert_int_equal(e.kind, READER_LITERAL);
	assert_int_equal(e.literal.over, READER_OVER_LITERAL);
	reader_refuse(&r);
	for (unsigned i = 0; i < 1000000 / sizeof(chunk); i++) {
		reader_append(&r, chunk, sizeof(chunk));
		reader_next(&r, &e);
		assert_int_equal(e.kind, READER_MORE);
		assert_int_equal(r.cap, 0);
	}
	reader_finish(&r);
}

/* 200,000 pipelined commands in cuts of 1000: quadratic work would not end. */
static void test_many_commands(void **state)
{
	struct reader r;
	struct reader_event e;
	unsigned commands = 0;
	char chunk[1000];
	(void)state;
	for (size_t i = 0; i < sizeof(chunk); i += 5)
		memcpy(chunk + i, "a b\r\n", 5);
	reader_init(&r, &reader_limits_after_login);
	for (unsigned i = 0; i < 1000; i++) {
		reader_append(&r, chunk, sizeof(chunk));
		while (reader_next(&r, &e), e.kind == READER_COMMAND)
			commands++;
	}
	assert_int_equal(commands, 200000);
	reader_finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_nul_and_8bit_are_octets),
		cmocka_unit_test(test_pending_literal_is_stable),
		cmocka_unit_test(test_clear_forgets),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_many_commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
