/* Where sections are (RFC 3501 6.4.5), from the stored table; and a damaged table. */
#include "protocol/mime/parser.h"
#include "protocol/mime/section.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A multipart with a text, a message that is a multipart, and a message that is a text. */
static const char mail[] = "Subject: outer\r\n"
			   "Content-Type: multipart/mixed; boundary=o\r\n"
			   "\r\n"
			   "--o\r\n"
			   "\r\n"
			   "one\r\n"
			   "--o\r\n"
			   "Content-Type: message/rfc822\r\n"
			   "\r\n"
			   "Subject: two\r\n"
			   "Content-Type: multipart/mixed; boundary=i\r\n"
			   "\r\n"
			   "--i\r\n"
			   "X: 2.1\r\n"
			   "\r\n"
			   "two one\r\n"
			   "--i--\r\n"
			   "--o\r\n"
			   "Content-Type: message/rfc822\r\n"
			   "\r\n"
			   "Subject: three\r\n"
			   "\r\n"
			   "three one\r\n"
			   "--o--\r\n";

static struct mime_parser *parse(const char *text, struct span *parts)
{
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, span_of(text));
	*parts = buf_span(&mime_parser_end(p)->parts);
	return p;
}

/* `path` as "2.1"; want NULL: there is none. */
static void expect(const char *text, const char *path, enum mime_section kind, const char *want)
{
	struct span parts;
	struct mime_parser *p = parse(text, &parts);
	uint32_t numbers[16], offset, len;
	size_t n = 0;
	for (const char *at = path; *at; at += *at == '.') {
		char *end;
		numbers[n++] = (uint32_t)strtoul(at, &end, 10);
		at = end;
	}
	bool found = mime_find(parts, numbers, n, kind, &offset, &len);
	if (found != (want != NULL))
		fail_msg("section %s kind %d: %s", path, (int)kind, found ? "is there" : "is not there");
	if (want && !span_equal(span_make(text + offset, len), span_of(want)))
		fail_msg("section %s kind %d: \"%.*s\"", path, (int)kind, (int)len, text + offset);
	mime_parser_destroy(p);
}

static void test_sections(void **state)
{
	const enum mime_section all = MIME_SECTION_ALL, header = MIME_SECTION_HEADER, text = MIME_SECTION_TEXT,
				mime = MIME_SECTION_MIME;
	(void)state;
	expect(mail, "", all, mail);
	expect(mail, "1", all, "one");
	expect(mail, "1", mime, "\r\n");
	expect(mail, "1", header, NULL);
	expect(mail, "1", text, NULL);
	expect(mail, "1.1", all, NULL);
	expect(mail, "2", mime, "Content-Type: message/rfc822\r\n\r\n");
	expect(mail, "2", header, "Subject: two\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n");
	expect(mail, "2", text, "--i\r\nX: 2.1\r\n\r\ntwo one\r\n--i--");
	expect(mail, "2.1", all, "two one");
	expect(mail, "2.1", mime, "X: 2.1\r\n\r\n");
	expect(mail, "2.2", all, NULL);
	expect(mail, "2.1.1", all, NULL);
	expect(mail, "3", all, "Subject: three\r\n\r\nthree one");
	expect(mail, "3.1", all, "three one");
	expect(mail, "3.1", mime, "Subject: three\r\n\r\n");
	expect(mail, "3.1", header, NULL);
	expect(mail, "3.1.1", all, NULL);
	expect(mail, "3.2", all, NULL);
	expect(mail, "4", all, NULL);
	expect(mail, "0", all, NULL);
	expect(mail, "4294967295", all, NULL);
}

static void test_sections_of_a_message_without_parts(void **state)
{
	(void)state;
	const char *m = "Subject: x\r\n\r\nbody\r\n";
	expect(m, "1", MIME_SECTION_ALL, "body\r\n");
	expect(m, "1", MIME_SECTION_MIME, "Subject: x\r\n\r\n");
	expect(m, "1", MIME_SECTION_TEXT, NULL);
	expect(m, "2", MIME_SECTION_ALL, NULL);
	expect(m, "1.1", MIME_SECTION_ALL, NULL);
	expect("Subject: x\r\n", "", MIME_SECTION_TEXT, "");
	expect("Subject: x\r\n", "", MIME_SECTION_HEADER, "Subject: x\r\n");
	/* The message itself is a message/rfc822. */
	m = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n";
	expect(m, "1", MIME_SECTION_ALL, "Subject: in\r\n\r\nbody\r\n");
	expect(m, "1", MIME_SECTION_HEADER, "Subject: in\r\n\r\n");
	expect(m, "1.1", MIME_SECTION_ALL, "body\r\n");
	/* A multipart without parts has an empty one. */
	expect("Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing", "1", MIME_SECTION_ALL, "");
}

static void expect_fields(const char *names, bool not, const char *want)
{
	const char *header = "From x y\r\nSubject: a\r\n folded\r\nX-Subject: b\r\nTO: c\r\nsubject : d\r\nno field\r\n\r\nTo: e\r\n";
	struct span list[8];
	size_t n = 0;
	for (const char *at = names; *at; at += at[0] == ' ') {
		list[n].ptr = at;
		list[n].len = strcspn(at, " ");
		at += list[n++].len;
	}
	struct buf out;
	buf_init(&out, 4096);
	mime_fields(span_of(header), list, n, not, &out);
	assert_true(span_equal(buf_span(&out), span_of(want)));
	buf_finish(&out);
}

static void test_fields(void **state)
{
	(void)state;
	expect_fields("to SUBJECT", false, "Subject: a\r\n folded\r\nTO: c\r\nsubject : d\r\n\r\n");
	expect_fields("date", false, "\r\n");
	expect_fields("no", false, "\r\n");
	expect_fields("from", false, "\r\n");
	expect_fields("subject to", true, "From x y\r\nX-Subject: b\r\nno field\r\n\r\n");
}

static void test_damaged_tables(void **state)
{
	(void)state;
	struct span parts;
	struct mime_parser *p = parse(mail, &parts);
	struct mime_part part;
	const uint32_t path[] = {2, 1};
	uint32_t offset, len;
	uint32_t n = mime_parts_count(parts);
	assert_int_equal(n, 7);
	assert_false(mime_parts_get(parts, n, &part));
	for (size_t cut = 0; cut < parts.len; cut++) {
		/* In memory of its own, so that reading past it is seen. */
		char *copy = xmalloc(cut);
		memcpy(copy, parts.ptr, cut);
		assert_int_equal(mime_parts_count(span_make(copy, cut)), 0);
		assert_false(mime_find(span_make(copy, cut), path, 2, MIME_SECTION_ALL, &offset, &len));
		free(copy);
	}
	char *copy = xmalloc(parts.len);
	for (size_t at = 0; at < parts.len; at++)
		for (int v = 0; v < 256; v += 15) {
			memcpy(copy, parts.ptr, parts.len);
			copy[at] = (char)v;
			struct span t = span_make(copy, parts.len);
			for (uint32_t i = 0; i < n; i++)
				if (mime_parts_get(t, i, &part))
					assert_true((uint64_t)part.body + part.body_len <= UINT32_MAX);
			if (mime_find(t, path, 2, MIME_SECTION_ALL, &offset, &len))
				assert_true((uint64_t)offset + len <= UINT32_MAX);
		}
	free(copy);
	mime_parser_destroy(p);
}

/* What the rows say is checked before it is used: parents come before children, names are in the table. */
static void test_rows_that_cannot_be(void **state)
{
	(void)state;
	enum { ROW = 8 + 28, PARENT = 16, KIND = 20, ENCODING = 21, MEDIA = 22, NAME_AT = 24, NAME_LEN = 26 };
	static const struct {
		size_t at;
		char value;
		bool sound;
	} changes[] = {{PARENT, 0, true},   {PARENT, 1, false},  {PARENT, 9, false},   {KIND, MIME_KIND_COUNT, false},
		       {ENCODING, MIME_ENCODING_COUNT, false}, {MEDIA, MIME_MEDIA_COUNT, false}, {NAME_AT, 0, true},
		       {NAME_AT, 1, false}, {NAME_LEN, 4, true}, {NAME_LEN, 5, true},  {NAME_LEN, 6, false},
		       {NAME_LEN, -1, false}};
	struct span parts;
	struct mime_part part;
	struct mime_parser *p = parse("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
				      "Content-Type: text/plain; charset=utf-8\r\n\r\n", &parts);
	assert_true(mime_parts_get(parts, 1, &part) && part.charset.len == 5);
	char *copy = xmalloc(parts.len);
	for (size_t i = 0; i < countof(changes); i++) {
		memcpy(copy, parts.ptr, parts.len);
		copy[ROW + changes[i].at] = changes[i].value;
		if (mime_parts_get(span_make(copy, parts.len), 1, &part) != changes[i].sound)
			fail_msg("change %zu", i);
	}
	free(copy);
	mime_parser_destroy(p);
}

static void test_table_carries_what_search_needs(void **state)
{
	(void)state;
	struct span parts;
	struct mime_part a, b;
	struct mime_parser *p = parse("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
				      "Content-Type: text/plain; charset=\" KOI8-R \"\r\nContent-Transfer-Encoding: BASE64\r\n\r\n\r\n--b\r\n"
				      "Content-Type: text/html; charset=koi8-r\r\nContent-Disposition: attachment\r\n"
				      "Content-Transfer-Encoding: x-odd\r\n\r\na\r\nb\r\n--b--\r\n", &parts);
	assert_true(mime_parts_get(parts, 1, &a) && mime_parts_get(parts, 2, &b));
	assert_true(a.media == MIME_PLAIN && a.encoding == MIME_BASE64 && !a.attachment && span_is(a.charset, "koi8-r"));
	assert_true(b.media == MIME_HTML && b.encoding == MIME_UNKNOWN_ENCODING && b.attachment && b.lines == 1 &&
		    span_is(b.charset, "koi8-r"));
	mime_parser_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_sections_of_a_message_without_parts),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_damaged_tables),
		cmocka_unit_test(test_rows_that_cannot_be),
		cmocka_unit_test(test_table_carries_what_search_needs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
