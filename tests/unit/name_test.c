/* Modified UTF-7 and mailbox names: one spelling each; what no mailbox can be called. */
#include "protocol/imap/name.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/mutf7.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_mutf7_pairs(void **state)
{
	static const struct {
		const char *wire, *utf8;
	} pairs[] = {
		{"", ""}, {"INBOX", "INBOX"}, {"&-", "&"}, {"a&-b", "a&b"}, {"&-&-", "&&"},
		{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
		{"&Jjo-!", "\xe2\x98\xba!"}, {"&AOk-&-", "\xc3\xa9&"}, {"&-&AOk-", "&\xc3\xa9"},
		{"&2D3eAA-", "\xf0\x9f\x98\x80"}, {"x&2D3eAADp-y", "x\xf0\x9f\x98\x80\xc3\xa9y"},
		{"&AAo-", "\n"}, {"&AH8-", "\x7f"}, {"a-b,c+d", "a-b,c+d"}, {"&,,0-", "\xef\xbf\xbd"},
	};
	(void)state;
	for (size_t i = 0; i < countof(pairs); i++) {
		struct buf b;
		buf_init(&b, 1000);
		if (!mutf7_decode(span_of(pairs[i].wire), &b) || !span_equal(buf_span(&b), span_of(pairs[i].utf8)))
			fail_msg("<%s> is decoded to <%.*s>", pairs[i].wire, (int)b.len, b.data);
		buf_reset(&b);
		mutf7_encode(span_of(pairs[i].utf8), &b);
		if (!span_equal(buf_span(&b), span_of(pairs[i].wire)))
			fail_msg("<%s> is encoded as <%.*s>", pairs[i].utf8, (int)b.len, b.data);
		buf_finish(&b);
	}
}

static void test_mutf7_refused(void **state)
{
	static const char *const bad[] = {
		"&",         /* unclosed */
		"&AOk",      /* unclosed */
		"&Jjo!",     /* '!' is not in the alphabet, and unclosed */
		"&A-",       /* less than a character */
		"&AO-",      /* half a character */
		"&AOkA-",    /* six bits too many */
		"&AOl-",     /* padding bits that are not zero */
		"&AGE-",     /* 'a' in a shift */
		"&ACY-",     /* '&' in a shift */
		"&AOkAYQ-",  /* 'a' behind another */
		"&U,BTFw-&ZeVnLIqe-", /* two runs side by side */
		"&2D0-",     /* a high surrogate alone */
		"&3gA-",     /* a low one */
		"&2D0AYQ-",  /* a high one and no low one */
		"&2D3YPQ-",  /* two high ones */
		"&AOk=-",    /* padding octets */
		"&AO/-",     /* '/' is ',' here */
	};
	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		struct buf b;
		buf_init(&b, 1000);
		if (mutf7_decode(span_of(bad[i]), &b))
			fail_msg("<%s> is taken", bad[i]);
		buf_finish(&b);
	}
}

/* Octets that are no UTF-8 still give something legal on the wire. */
static void test_mutf7_encodes_anything(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	mutf7_encode(span_of("a\xff\xc3"), &b);
	assert_true(span_equal(buf_span(&b), span_of("a&,,3,,Q-")));
	buf_finish(&b);
}

/* `within` NULL: no mailbox can have this name. */
static void check_name(struct span wire, unsigned dialect, const char *within)
{
	struct arena a;
	struct span name;
	arena_init(&a);
	bool ok = name_decode(&a, wire, dialect, &name);
	if (ok != (within != NULL) || (ok && !span_equal(name, span_of(within))))
		fail_msg("<%.*s> is %s", (int)wire.len, wire.ptr, ok ? name.ptr : "refused");
	arena_finish(&a);
}

static void test_names(void **state)
{
	static const struct {
		const char *wire, *within;
	} cases[] = {
		{"a", "a"}, {"inbox", "INBOX"}, {"iNbOx/x", "INBOX/x"}, {"inboxes", "inboxes"}, {"x/inbox", "x/inbox"},
		{"a/b/", "a/b"}, {"a/b", "a/b"}, {"NIL", "NIL"}, {"...", "..."}, {"a/.b", "a/.b"}, {"a\\b\"", "a\\b\""},
		{"&AOk-", "\xc3\xa9"}, {"e&AwE-", "\xc3\xa9"}, {"\xc3\xa9", "\xc3\xa9"}, {"&-", "&"},
		{"", NULL}, {"/", NULL}, {"/a", NULL}, {"a//b", NULL}, {"a//", NULL}, {".", NULL}, {"..", NULL},
		{"a/../b", NULL}, {"a/.", NULL}, {"a*", NULL}, {"a%b", NULL}, {"a\tb", NULL}, {"a\x7f", NULL},
		{"a\xff", NULL}, {"&AAA-", NULL}, {"&AIA-", NULL}, {"&ICg-", NULL}, {"&ICk-", NULL}, {"&AGE-", NULL}, {"&", NULL},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++)
		check_name(span_of(cases[i].wire), DIALECT_REV1, cases[i].within);
	check_name(span_of("a&b"), DIALECT_UTF8, "a&b");
	check_name(span_of("e\xcc\x81"), DIALECT_UTF8, "\xc3\xa9");
	check_name(span_of("\xc3"), DIALECT_UTF8, NULL);
	check_name(span_make("a\0b", 3), DIALECT_UTF8, NULL);
}

/* What is told with OLDNAME (RFC 9051 6.3.9.7). */
static void test_name_was_changed(void **state)
{
	(void)state;
	assert_false(name_was_changed(span_of("a/b"), span_of("a/b")));
	assert_false(name_was_changed(span_of("a/b/"), span_of("a/b")));
	assert_false(name_was_changed(span_of("inBox/x"), span_of("INBOX/x")));
	assert_false(name_was_changed(span_of("inboxes"), span_of("inboxes")));
	assert_true(name_was_changed(span_of("inbox/e\xcc\x81"), span_of("INBOX/\xc3\xa9")));
	assert_true(name_was_changed(span_of("e\xcc\x81"), span_of("\xc3\xa9")));
}

static void test_name_limits(void **state)
{
	char name[NAME_BYTES_MAX + 2];
	(void)state;
	memset(name, 'a', sizeof(name));
	name[NAME_BYTES_MAX] = '\0';
	check_name(span_make(name, NAME_BYTES_MAX), DIALECT_REV1, name);
	name[NAME_BYTES_MAX] = 'a';
	check_name(span_make(name, NAME_BYTES_MAX + 1), DIALECT_REV1, NULL);
	name[NAME_BYTES_MAX] = '/';
	char trailing[NAME_BYTES_MAX + 1];
	memcpy(trailing, name, NAME_BYTES_MAX);
	trailing[NAME_BYTES_MAX] = '\0';
	check_name(span_make(name, NAME_BYTES_MAX + 1), DIALECT_REV1, trailing);
	for (size_t levels = NAME_LEVELS_MAX; levels <= NAME_LEVELS_MAX + 1; levels++) {
		char deep[2 * NAME_LEVELS_MAX + 3];
		for (size_t i = 0; i < levels; i++)
			memcpy(deep + 2 * i, "a/", 2);
		deep[2 * levels - 1] = '\0';
		check_name(span_of(deep), DIALECT_REV1, levels == NAME_LEVELS_MAX ? deep : NULL);
	}
}

static void test_name_write(void **state)
{
	static const struct {
		const char *name, *rev1, *utf8;
	} cases[] = {
		{"INBOX", "INBOX", "INBOX"}, {"a b", "\"a b\"", "\"a b\""}, {"NIL", "\"NIL\"", "\"NIL\""}, {"nil", "\"nil\"", "\"nil\""},
		{"", "\"\"", "\"\""}, {"a\"\\", "\"a\\\"\\\\\"", "\"a\\\"\\\\\""}, {"\xc3\xa9&", "&AOk-&-", "\"\xc3\xa9&\""}, {"a]", "\"a]\"", "\"a]\""},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf b;
		buf_init(&b, 1000);
		name_write(&b, cases[i].name, DIALECT_REV1);
		assert_true(span_equal(buf_span(&b), span_of(cases[i].rev1)));
		buf_reset(&b);
		name_write(&b, cases[i].name, DIALECT_UTF8);
		assert_true(span_equal(buf_span(&b), span_of(cases[i].utf8)));
		buf_finish(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutf7_pairs), cmocka_unit_test(test_mutf7_refused),
		cmocka_unit_test(test_mutf7_encodes_anything), cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_was_changed), cmocka_unit_test(test_name_limits), cmocka_unit_test(test_name_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
