#include "protocol/imap/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool parse(struct arena *a, const char *text, struct imap_url *out)
{
	arena_init(a);
	return imap_url_parse(a, span_of(text), out);
}

static void test_messages(void **state)
{
	static const struct {
		const char *text, *mailbox;
		uint32_t uidvalidity, uid;
	} cases[] = {{"/INBOX/;UID=20", "INBOX", 0, 20}, {"/inbox/;uid=20", "INBOX", 0, 20},
		     {"/Drafts;UIDVALIDITY=385759045/;UID=4294967295", "Drafts", 385759045, 4294967295u},
		     {"/a/b%20c/;UID=1", "a/b c", 0, 1}, {"/%C3%A9t%c3%a9;uidvalidity=7/;UID=1", "\xc3\xa9t\xc3\xa9", 7, 1},
		     {"/a%3Bb%2Fc/;UID=1", "a;b/c", 0, 1}, {"/a&b=c:d@e/;UID=1", "a&b=c:d@e", 0, 1}};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct arena a;
		struct imap_url url;
		if (!parse(&a, cases[i].text, &url))
			fail_msg("<%s> is refused", cases[i].text);
		assert_string_equal(url.mailbox.ptr, cases[i].mailbox);
		assert_int_equal(url.uidvalidity, cases[i].uidvalidity);
		assert_int_equal(url.uid, cases[i].uid);
		assert_int_equal(url.section.kind, SECTION_ALL);
		assert_int_equal(url.section.path_n, 0);
		assert_false(url.partial);
		arena_finish(&a);
	}
}

static void test_parts(void **state)
{
	struct arena a;
	struct imap_url url;
	(void)state;
	assert_true(parse(&a, "/x/;UID=20/;section=1.2.MIME", &url));
	assert_int_equal(url.section.kind, SECTION_MIME);
	assert_int_equal(url.section.path_n, 2);
	assert_int_equal(url.section.path[1], 2);
	arena_finish(&a);
	assert_true(parse(&a, "/x/;UID=20/;SECTION=HEADER.FIELDS%20(To%20%22From%22)/;PARTIAL=5", &url));
	assert_int_equal(url.section.kind, SECTION_FIELDS);
	assert_int_equal(url.section.fields_n, 2);
	assert_true(span_equal(url.section.fields[1], span_of("From")));
	assert_true(url.partial && url.offset == 5 && url.length == UINT64_MAX);
	arena_finish(&a);
	assert_true(parse(&a, "/x;UIDVALIDITY=1/;UID=20/;PARTIAL=0.1024", &url));
	assert_true(url.partial && url.offset == 0 && url.length == 1024);
	arena_finish(&a);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", "/", "//", "/x", "x/;UID=1", ";UID=1", "//host/x/;UID=1", "imap://host/x/;UID=1", "/;UID=1", "/x;UID=1",
		"/x/;UID=0", "/x/;UID=01", "/x/;UID=", "/x/;UID=4294967296", "/x/;UID=1x", "/x/;UID=1/", "/x/;UID=1/;",
		"/x;UIDVALIDITY=0/;UID=1", "/x;UIDVALIDITY=/;UID=1", "/x;UIDVALIDITY=1;UID=1", "/x/;UID=1;SECTION=1",
		"/x/;UID=1/;SECTION=", "/x/;UID=1/;SECTION=0", "/x/;UID=1/;SECTION=1.", "/x/;UID=1/;SECTION=X",
		"/x/;UID=1/;SECTION=1%5D", "/x/;UID=1/;SECTION=HEADER.FIELDS (To)", "/x/;UID=1/;PARTIAL=", "/x/;UID=1/;PARTIAL=1.0",
		"/x/;UID=1/;PARTIAL=1.", "/x/;UID=1/;PARTIAL=9223372036854775808", "/x/;UID=1/;PARTIAL=1/;SECTION=1",
		"/x/;UID=1;EXPIRE=2030-01-01T00:00:00Z;URLAUTH=anonymous:internal:0", "/x?SUBJECT%20y", "/%00/;UID=1", "/%/;UID=1",
		"/%4/;UID=1", "/a b/;UID=1", "/%FF/;UID=1", "/a%2F%2Fb/;UID=1", "/../;UID=1", "/\xc3\xa9/;UID=1"};
	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		struct arena a;
		struct imap_url url;
		if (parse(&a, bad[i], &url))
			fail_msg("<%s> is taken", bad[i]);
		arena_finish(&a);
	}
}

static void test_write(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	imap_url_write(&b, span_of("/a b/;UID=1/;SECTION=[]\\\r\n\xc3%20"));
	assert_true(span_equal(buf_span(&b), span_of("/a%20b/;UID=1/;SECTION=[%5D%5C%0D%0A%C3%20")));
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages), cmocka_unit_test(test_parts),
					   cmocka_unit_test(test_refused), cmocka_unit_test(test_write)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
