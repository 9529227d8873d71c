/* Strings looked for in text, headers and whole messages. */
#include "protocol/mime/parser.h"
#include "protocol/mime/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void expect_folded(const char *text, const char *same_as)
{
	struct buf a, b;
	struct span in = span_of(text);
	buf_init(&b, 1 << 16);
	mime_fold(span_of(same_as), &b);
	for (size_t step = 1; step <= in.len + 1; step++) {
		struct mime_folder f = {0};
		buf_init(&a, 1 << 16);
		for (size_t at = 0; at < in.len; at += step)
			mime_folder_feed(&f, span_make(in.ptr + at, in.len - at < step ? in.len - at : step), &a);
		mime_folder_end(&f, &a);
		assert_true(span_equal(buf_span(&a), buf_span(&b)));
		buf_finish(&a);
	}
	buf_finish(&b);
}

static void test_folding(void **state)
{
	(void)state;
	expect_folded("Hello", "hELLO");
	expect_folded("@abcxyz[`{ .AZ\x7f\x01 mnopq", "@ABCXYZ[`{ .az\x7f\x01 MNOPQ"); /* eight at once */
	for (int c = 1; c < 0x80; c++) {
		char text[] = "123456789", same[] = "123456789";
		text[c % 9] = (char)c;
		same[c % 9] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
		expect_folded(text, same);
		struct buf out;
		buf_init(&out, 100);
		mime_fold(span_of(text), &out);
		assert_true(span_equal(buf_span(&out), span_of(same)));
		buf_finish(&out);
	}
	expect_folded("\xc3\x89t\xc3\xa9", "\xc3\xa9T\xc3\x89");                 /* E acute, both cases */
	expect_folded("e\xcc\x81", "\xc3\xa9");                                  /* decomposed */
	expect_folded("\xd0\x9f\xd0\x95", "\xd0\xbf\xd0\xb5");                   /* Cyrillic */
	expect_folded("\xef\xbc\xa1", "a");                                      /* full width */
	expect_folded("x\xff\xc3(\xe9\x20\xf0\x9f\x90\x94\xf0\x9f", "X\xff\xc3(\xe9\x20\xf0\x9f\x90\x94\xf0\x9f");
	expect_folded("\xed\xa0\x80\xc0\x80", "\xed\xa0\x80\xc0\x80");           /* no UTF-8 */
}

/* RFC 5051 2's own example; and a ligature, whose parts are not made upper case. */
static void test_folding_is_to_the_letter(void **state)
{
	static const char *const pairs[][2] = {{"\xc7\x84", "Dz\xcc\x8c"}, {"\xc7\x85", "Dz\xcc\x8c"},
					       {"\xc7\x86", "Dz\xcc\x8c"}, {"\xef\xac\x81", "fi"}};
	(void)state;
	for (size_t i = 0; i < countof(pairs); i++) {
		struct buf out;
		buf_init(&out, 100);
		mime_fold(span_of(pairs[i][0]), &out);
		assert_true(span_equal(buf_span(&out), span_of(pairs[i][1])));
		buf_finish(&out);
	}
}

static void test_matcher_finds_across_pieces(void **state)
{
	(void)state;
	struct mime_matcher m;
	mime_matcher_init(&m, span_of("NEEDLE"));
	for (int i = 0; i < 200000 && !m.found; i++) {
		buf_add_text(mime_matcher_room(&m), i == 150000 ? "NEE" : (i == 150001 ? "DLE" : "NEED"));
		mime_matcher_look(&m, false);
	}
	assert_true(m.found);
	assert_in_range(m.window.cap, 1, 200000);
	mime_matcher_finish(&m);
	/* All but its last character are in one window. */
	mime_matcher_init(&m, span_of("NEEDLE"));
	for (int i = 0; i < 70000; i++)
		buf_add_char(mime_matcher_room(&m), 'x');
	buf_add_text(mime_matcher_room(&m), "NEEDL");
	assert_false(mime_matcher_look(&m, false));
	buf_add_text(mime_matcher_room(&m), "E");
	assert_true(mime_matcher_look(&m, true));
	mime_matcher_finish(&m);
	/* Not across the end of a text. */
	mime_matcher_init(&m, span_of("NEEDLE"));
	buf_add_text(mime_matcher_room(&m), "NEE");
	assert_false(mime_matcher_look(&m, true));
	buf_add_text(mime_matcher_room(&m), "DLE");
	assert_false(mime_matcher_look(&m, true));
	mime_matcher_finish(&m);
}

static bool header_has(const char *header, const char *name, const char *text)
{
	struct buf needle;
	buf_init(&needle, 4096);
	mime_fold(span_of(text), &needle);
	bool found = mime_header_contains(span_of(header), name ? span_of(name) : span_make(NULL, 0), buf_span(&needle));
	buf_finish(&needle);
	return found;
}

static void test_headers(void **state)
{
	(void)state;
	const char *h = "Subject: =?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?= on\r\n the corner\r\nTo: Joe <joe@example.org>\r\n"
			"Empty:\r\nContent-Type: x/y; name*0*=iso-8859-1''%E9t; name*1*=%E9; a*0=\"one \"; a*1=two\r\n\r\nTo: no\r\n";
	assert_true(header_has(h, "subject", "CAF\xc3\x89 on the"));
	assert_false(header_has(h, "subject", "Subject"));
	assert_true(header_has(h, NULL, "subject: caf"));
	assert_true(header_has(h, "TO", "JOE@"));
	assert_false(header_has(h, "to", "no"));
	assert_true(header_has(h, "empty", ""));
	assert_false(header_has(h, "absent", ""));
	assert_true(header_has(h, "content-type", "\xc3\xa9t\xc3\xa9"));
	assert_true(header_has(h, "content-type", "one two"));
	assert_false(header_has(h, "to", "exampleorg"));
}

static bool message_has(const char *message, const char *text, enum mime_search_scope scope)
{
	struct mime_parser *p = mime_parser_create();
	struct mime_search s;
	struct buf needle;
	uint32_t offset, len, again;
	buf_init(&needle, 4096);
	mime_fold(span_of(text), &needle);
	mime_parser_feed(p, span_of(message));
	mime_search_init(&s, buf_span(&mime_parser_end(p)->parts), buf_span(&needle), scope);
	while (!s.found && mime_search_next(&s, &offset, &len)) {
		assert_true(mime_search_next(&s, &again, &len) && again == offset);
		assert_true(offset + len <= strlen(message));
		mime_search_feed(&s, span_make(message + offset, len));
	}
	bool found = s.found;
	mime_search_finish(&s);
	mime_parser_destroy(p);
	buf_finish(&needle);
	return found;
}

static void test_messages(void **state)
{
	(void)state;
	const char *m = "Subject: the outer one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n"
			"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
			"X-Part: of a part\r\n\r\nun caf=E9 tr=\r\n=E8s noir\r\n--b\r\n"
			"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGVsbG88L2I+\r\n--b\r\n"
			"Content-Type: application/pdf\r\n\r\nbytes of a document\r\n--b\r\n"
			"Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?the_inner?= one\r\n\r\ninner text\r\n--b--\r\n";
	const enum mime_search_scope body = MIME_SEARCH_BODY, text = MIME_SEARCH_TEXT;
	assert_true(message_has(m, "CAF\xc3\x89 tr\xc3\xa8s noir", body));
	assert_true(message_has(m, "<b>Hello</b>", body));
	assert_true(message_has(m, "inner text", body));
	assert_true(message_has(m, "the inner one", body));
	assert_false(message_has(m, "the outer one", body));
	assert_true(message_has(m, "the outer one", text));
	assert_false(message_has(m, "of a part", body));
	assert_true(message_has(m, "of a part", text));
	assert_false(message_has(m, "bytes of a document", text));
	assert_false(message_has(m, "preamble", text));
	assert_false(message_has(m, "noir<b>", text)); /* not from part to part */
	assert_true(message_has(m, "", body));
	assert_true(message_has("\r\nno header", "no header", body));
	assert_false(message_has("Subject: no body", "no body", body));
	assert_true(message_has("Subject: no body", "no body", text));
}

/* HTML is found as it is and as it reads, whatever the encoding, wherever it is cut. */
static void test_html_as_it_reads(void **state)
{
	(void)state;
	char m[4000];
	const char *html = "<html><head><style>p { color: red }</style></head><body><p>Gr&uuml;&szlig;e&nbsp;aus <b>M</b>&#252;n"
			   "chen</p><p>an\r\n   alle &amp; jeden &#x1F414;</p><a href=\"https://example.org/?a=1&amp;b=2\">soft"
			   "&shy;ware</a> 1 < 2<!-- hidden --></body></html>";
	for (int encoded = 0; encoded < 2; encoded++) {
		size_t n = (size_t)snprintf(m, sizeof(m), "Content-Type: text/html; charset=utf-8\r\n"
					    "Content-Transfer-Encoding: %s\r\n\r\n", encoded ? "quoted-printable" : "7bit");
		for (const char *p = html; *p; p++)
			n += (size_t)snprintf(m + n, sizeof(m) - n, encoded ? (*p == '\r' || *p == '\n' ? "%c" : "=%02X=\r\n")
							: "%c", *p);
		assert_true(message_has(m, "gr\xc3\xbc\xc3\x9f" "e aus m\xc3\xbcnchen", MIME_SEARCH_BODY));
		assert_true(message_has(m, "M\xc3\x9cNCHEN AN ALLE & JEDEN \xf0\x9f\x90\x94 software 1 < 2", MIME_SEARCH_TEXT));
		assert_true(message_has(m, "Gr&uuml;&szlig;e", MIME_SEARCH_BODY));
		assert_true(message_has(m, "href=\"https://example.org/?a=1&amp;b=2\">soft", MIME_SEARCH_BODY));
		assert_true(message_has(m, "color: red", MIME_SEARCH_BODY));
		assert_false(message_has(m, "color: red gr", MIME_SEARCH_BODY));
		assert_false(message_has(m, "a=1&b=2", MIME_SEARCH_BODY));
	}
}

static void test_names_of_attachments(void **state)
{
	(void)state;
	const char *m = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b; name=outer.txt\r\n\r\n--b\r\n"
			"Content-Type: application/pdf; name=\"=?utf-8?Q?Rechnung_M=C3=A4rz.pdf?=\"\r\n"
			"Content-Description: quarterly\r\n\r\nx\r\n--b\r\n"
			"Content-Type: application/zip; charset=secret\r\n"
			"Content-Disposition: attachment; filename*0*=utf-8''f%C3%BCr%20;\r\n filename*1=\"Anna.zip\"\r\n\r\nx\r\n"
			"--b\r\nContent-Disposition: attachment; filename=\"a\\\"b.txt\"\r\n\r\nx\r\n--b--\r\n";
	for (enum mime_search_scope scope = MIME_SEARCH_BODY; scope <= MIME_SEARCH_TEXT; scope++) {
		assert_true(message_has(m, "rechnung m\xc3\xa4rz.PDF", scope));
		assert_true(message_has(m, "f\xc3\xbcr anna.zip", scope));
		assert_true(message_has(m, "a\"b.txt", scope));
		assert_int_equal(message_has(m, "outer.txt", scope), scope == MIME_SEARCH_TEXT);
		assert_int_equal(message_has(m, "quarterly", scope), scope == MIME_SEARCH_TEXT);
		assert_int_equal(message_has(m, "secret", scope), scope == MIME_SEARCH_TEXT);
	}
}

static void test_large_messages_in_little_memory(void **state)
{
	(void)state;
	struct mime_parser *p = mime_parser_create();
	struct mime_search s;
	uint32_t offset, len;
	const char *header = "X-Long: begins\r\n";
	char line[79];
	memset(line, 'x', sizeof(line));
	line[0] = ' ';
	line[77] = '\r';
	line[78] = '\n';
	/* One field of 2 MB, then a body of 20 MB. */
	mime_parser_feed(p, span_of(header));
	for (int i = 0; i < 25000; i++)
		mime_parser_feed(p, span_make(line, sizeof(line)));
	mime_parser_feed(p, span_of("\r\n"));
	for (int i = 0; i < 250000; i++)
		mime_parser_feed(p, span_make(line, sizeof(line)));
	const struct mime_summary *m = mime_parser_end(p);
	assert_int_equal(m->header_len, 16 + 25000 * 79 + 2);
	mime_search_init(&s, buf_span(&m->parts), span_of("NOT THERE"), MIME_SEARCH_TEXT);
	char step[MIME_SEARCH_STEP];
	uint64_t read = 0;
	while (mime_search_next(&s, &offset, &len)) {
		for (uint32_t i = 0; i < len; i++) {
			uint32_t at = offset + i;
			step[i] = at < 16 ? header[at] : line[(at - 16 - (at >= m->header_len ? 2 : 0)) % 79];
			if (at >= m->header_len - 2 && at < m->header_len)
				step[i] = "\r\n"[at - (m->header_len - 2)];
		}
		assert_false(mime_search_feed(&s, span_make(step, len)));
		read += len;
	}
	assert_int_equal(read, m->size);
	const struct mime_strings *r = &s.strings;
	size_t memory = r->field.cap + r->raw.cap + r->utf8.cap + r->folded.cap;
	assert_in_range(memory + s.matchers[MIME_STREAM_AS_IS].window.cap, 1, 500000);
	assert_true(r->cut);
	mime_search_finish(&s);
	mime_parser_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folding),
		cmocka_unit_test(test_folding_is_to_the_letter),
		cmocka_unit_test(test_matcher_finds_across_pieces),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_html_as_it_reads),
		cmocka_unit_test(test_names_of_attachments),
		cmocka_unit_test(test_large_messages_in_little_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
