/* Header blocks, addresses, parameters, dates and what ENVELOPE's limits do. */
#include "protocol/mime/address.h"
#include "protocol/mime/bodystructure.h"
#include "protocol/mime/date.h"
#include "protocol/mime/envelope.h"
#include "protocol/mime/header.h"
#include "protocol/mime/nstring.h"
#include "protocol/mime/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void expect_unfolded(const char *raw, const char *want)
{
	struct buf scratch;
	buf_init(&scratch, 1000);
	assert_true(span_equal(mime_unfold(span_of(raw), &scratch), span_of(want)));
	buf_finish(&scratch);
}

static void test_unfolding(void **state)
{
	(void)state;
	expect_unfolded("", "");
	expect_unfolded(" \t\r\n", "");
	expect_unfolded(" plain\r\n", "plain");
	expect_unfolded(" a\r\n b\r\n\tc \r\n \r\n", "a b\tc");
	expect_unfolded("a\rb\r", "a b");
	expect_unfolded("a\n b", "a b");
	assert_null(mime_unfold(span_make(NULL, 0), NULL).ptr);
}

static void test_fields_in_order(void **state)
{
	(void)state;
	struct mime_field f;
	struct span h = span_of("A: 1\r\n more\r\njunk\r\nB :2\r\n\r\nC: 3\r\n");
	size_t at = 0;
	assert_true(mime_field_next(h, &at, &f) && span_is(f.name, "A") && span_is(f.value, " 1\r\n more\r\n"));
	assert_true(mime_field_next(h, &at, &f) && f.name.len == 0 && span_is(f.raw, "junk\r\n"));
	assert_true(mime_field_next(h, &at, &f) && span_is(f.name, "b") && span_is(f.value, "2\r\n"));
	assert_false(mime_field_next(h, &at, &f));
	assert_int_equal(mime_header_end(h), h.len - 6);
}

static void test_addresses_take_any_octets_in_linear_time(void **state)
{
	(void)state;
	static const char *const seeds[] = {"\"", "(", "<", ":", "\"\\", "<@", "(\\)", "@[", "a<b>", ";:", ",(\""};
	for (size_t i = 0; i < countof(seeds); i++) {
		struct buf text;
		struct mime_address_reader r;
		struct mime_address a;
		size_t n = 0;
		buf_init(&text, 1 << 20);
		while (text.len < 200000)
			buf_add_text(&text, seeds[i]);
		mime_address_init(&r, buf_span(&text));
		while (mime_address_next(&r, &a))
			n++;
		assert_in_range(n, 0, text.len + 1);
		mime_address_finish(&r);
		buf_finish(&text);
	}
}

static void test_envelope_is_bounded(void **state)
{
	(void)state;
	struct buf header, out;
	struct mime_header h;
	buf_init(&header, 1 << 22);
	buf_init(&out, 1 << 22);
	buf_add_text(&header, "From: g:");
	for (int i = 0; i < 20000; i++)
		buf_add_text(&header, "a,");
	buf_add_text(&header, "\r\nTo: ");
	for (int i = 0; i < 30000; i++)
		buf_add_text(&header, "\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\",");
	buf_add_text(&header, "\r\nSubject: ");
	for (int i = 0; i < 30000; i++)
		buf_add_text(&header, "\\\xc3\xa9");
	mime_header_read(buf_span(&header), &h);
	mime_envelope_write(&h, &out);
	assert_false(out.failed);
	assert_in_range(out.len, ENVELOPE_MAX, ENVELOPE_MAX + 6 * MIME_VALUE_MAX);
	assert_int_equal(out.data[out.len - 1], ')');
	/* The group that a limit cut off is closed. */
	assert_non_null(memmem(out.data, out.len, "(NIL NIL NIL NIL)", 17));
	/* Cut values end with a whole character. */
	const char *subject = memmem(out.data, out.len, "{", 1);
	unsigned long len = strtoul(subject + 1, NULL, 10);
	assert_in_range(len, MIME_VALUE_MAX - 4, MIME_VALUE_MAX);
	assert_int_not_equal(subject[strcspn(subject, "\n") + len], (char)0xc3);
	buf_finish(&header);
	buf_finish(&out);
}

static void test_strings(void **state)
{
	(void)state;
	static const struct {
		struct span s;
		const char *want;
	} strings[] = {{{NULL, 0}, "NIL"}, {{"", 0}, "\"\""}, {{"NIL", 3}, "\"NIL\""}, {{"a\"\\b", 4}, "\"a\\\"\\\\b\""},
		       {{"a\rb", 3}, "{3}\r\na\rb"}, {{"a\nb", 3}, "{3}\r\na\nb"}, {{"\xe9", 1}, "{1}\r\n\xe9"},
		       {{"a\0b", 3}, "{3}\r\na?b"}, {{"\x7f\x01", 2}, "\"\x7f\x01\""}};
	for (size_t i = 0; i < countof(strings); i++) {
		struct buf out;
		buf_init(&out, 100);
		mime_nstring(&out, strings[i].s);
		assert_true(span_equal(buf_span(&out), span_of(strings[i].want)));
		buf_finish(&out);
	}
}

/* As IMAP4rev1 and as IMAP4rev2 have them. */
static void expect_both(const char *text, const char *rev1, const char *rev2)
{
	struct mime_params p;
	struct buf out, chosen;
	buf_init(&out, 4096);
	buf_init(&chosen, 4096);
	mime_params_init(&p);
	mime_params_read(&p, span_of(text));
	mime_params_write(&p, &out);
	for (int rev = 1; rev <= 2; rev++) {
		buf_reset(&chosen);
		mime_structure_choose(buf_span(&out), rev == 2, &chosen);
		if (!span_equal(buf_span(&chosen), span_of(rev == 2 ? rev2 : rev1)))
			fail_msg("%s: rev%d: %.*s", text, rev, (int)chosen.len, chosen.data);
	}
	mime_params_finish(&p);
	buf_finish(&out);
	buf_finish(&chosen);
}

static void expect_params(const char *text, const char *want)
{
	expect_both(text, want, want);
}

static void test_params(void **state)
{
	(void)state;
	expect_params("", "NIL");
	expect_params("; a=b; c=\"d e\"", "(\"A\" \"b\" \"C\" \"d e\")");
	expect_params("; a=one two; b=3", "(\"A\" \"one two\" \"B\" \"3\")");
	expect_params("; a=\"b\r\n c\"", "(\"A\" \"b c\")");
	/* RFC 2231 3, 4: pieces in any order; the percent form stays, or is undone (RFC 9051 7.5.2). */
	expect_params("; u*1=\"b\"; u*0=\"a\"; u*2=c", "(\"U\" \"abc\")");
	expect_both("; t*=us-ascii'en'x%20y", "(\"T*\" \"us-ascii'en'x%20y\")", "(\"T*\" \"x y\")");
	expect_both("; t*0*=utf-8''a; t*1=\"b c%\"", "(\"T*\" \"utf-8''ab%20c%25\")", "(\"T*\" \"ab c%\")");
	expect_params("; t*=utf-8''%ff", "(\"T*\" \"utf-8''%ff\")");
	expect_params("; t*=x-none''a%20b; u*=a%20b", "(\"T*\" \"x-none''a%20b\" \"U*\" \"a%20b\")");
	expect_params("; a*0=x; b*0=y; a*1=z", "(\"A\" \"xz\" \"B\" \"y\")");
}

/* Alternatives inside one another, and octets that are no marks. */
static void test_choose(void **state)
{
	static const struct {
		struct span text;
		const char *rev1, *rev2;
	} cases[] = {
#define CASE(text, rev1, rev2) {{text, sizeof(text) - 1}, rev1, rev2}
		CASE("ab", "ab", "ab"), CASE("a\0<b\0|c\0>d", "abd", "acd"),
		CASE("\0<\0|x\0<1\0|2\0>y\0>z", "z", "x2yz"), CASE("\0<\0<1\0|2\0>a\0|b\0>", "1a", "b"),
		CASE("a\0", "a", "a"), CASE("a\0<b", "ab", "a"), CASE("a\0>b\0?c", "abc", "abc"),
#undef CASE
	};
	(void)state;
	for (size_t i = 0; i < countof(cases) * 2; i++) {
		struct buf out;
		const char *want = i % 2 ? cases[i / 2].rev2 : cases[i / 2].rev1;
		buf_init(&out, 100);
		mime_structure_choose(cases[i / 2].text, i % 2, &out);
		if (!span_equal(buf_span(&out), span_of(want)))
			fail_msg("%zu: %.*s", i, (int)out.len, out.data);
		buf_finish(&out);
	}
}

static void expect_date(const char *text, int64_t day, int64_t utc_s)
{
	struct mime_date d;
	if (!mime_date_read(span_of(text), &d))
		fail_msg("no date: %s", text);
	if (d.day != day || d.utc_s != utc_s)
		fail_msg("%s: day %lld, utc %lld", text, (long long)d.day, (long long)d.utc_s);
}

static void test_dates(void **state)
{
	struct mime_date d = {1, 2};
	(void)state;
	expect_date("Thu, 01 Jan 1970 00:00:00 +0000", 0, 0);
	expect_date("Thu, 01 Jan 1970 00:30:00 +0100", 0, -1800);
	expect_date("31 Dec 1969 23:00 -0200", -1, 3600);
	expect_date("29 Feb 2000 12:00:00 GMT", 11016, 11016 * 86400 + 43200);
	expect_date("1 Mar 1900 0:00 GMT", -25508, -25508LL * 86400);
	expect_date("1 Jan 49 00:00 UT", 28855, 28855LL * 86400);
	expect_date("1 Jan 50 00:00 UT", -7305, -7305LL * 86400);
	expect_date("1 January 2026 7:05 PM", 20454, 20454LL * 86400 + 7 * 3600 + 300);
	expect_date("1-Jan-2026 10.30 PST", 20454, 20454LL * 86400 + 18 * 3600 + 1800);
	expect_date("Thu Jan  1 10:00:00 -0500 2026", 20454, 20454LL * 86400 + 15 * 3600);
	expect_date("1 Jan 2026 10:00 +01:30", 20454, 20454LL * 86400 + 8 * 3600 + 1800);
	expect_date("1 Jan 2026 10:00 +02", 20454, 20454LL * 86400 + 8 * 3600);
	static const char *const none[] = {"", "x", "1", "1 Jan", "32 Jan 2026", "0 Jan 2026", "29 Feb 2026", "1 Foo 2026",
					   "1 Jan 20266", "Jan", "(1 Jan 2026", "2026-01-01"};
	for (size_t i = 0; i < countof(none); i++)
		assert_false(mime_date_read(span_of(none[i]), &d));
	assert_true(d.day == 1 && d.utc_s == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unfolding),
		cmocka_unit_test(test_fields_in_order),
		cmocka_unit_test(test_addresses_take_any_octets_in_linear_time),
		cmocka_unit_test(test_envelope_is_bounded),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_params), cmocka_unit_test(test_choose),
		cmocka_unit_test(test_dates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
