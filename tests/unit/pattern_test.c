/* LIST patterns: against a naive matcher, and against patterns that a naive matcher never ends on. */
#include "protocol/imap/pattern.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool matches(const char *reference, const char *text, const char *name)
{
	struct arena a;
	struct pattern p;
	arena_init(&a);
	pattern_init(&p, &a, span_of(reference), span_of(text), DIALECT_REV1);
	bool yes = pattern_matches(&p, name);
	arena_finish(&a);
	return yes;
}

static void test_known(void **state)
{
	static const struct {
		const char *reference, *pattern, *name;
		bool yes;
	} cases[] = {
		{"", "*", "a/b/c", true}, {"", "%", "a", true}, {"", "%", "a/b", false}, {"", "a/%", "a/b", true},
		{"", "a/%", "a/b/c", false}, {"", "a/%", "a", false}, {"", "a*", "a/b/c", true}, {"", "%/c", "b/c", true},
		{"", "%/c", "a/b/c", false}, {"", "*/c", "a/b/c", true}, {"", "%a%", "xay", true}, {"", "%a/%", "bca/x", true},
		{"", "*%", "a/b", true}, {"", "%*", "a/b", true}, {"", "%%", "a/b", false}, {"", "%%", "ab", true}, {"", "", "a", false},
		{"a/", "%", "a/b", true}, {"a", "b", "ab", true}, {"a", "/b", "a/b", true}, {"a/%", "/c", "a/b/c", true},
		{"", "inbox", "INBOX", true}, {"", "InB%", "INBOX", true}, {"", "inbox/x", "INBOX/x", true}, {"", "%nbox", "INBOX", true},
		{"", "inbox/X", "INBOX/x", false}, {"", "inboxes", "INBOXES", false}, {"", "A", "a", false}, {"in", "box", "INBOX", true},
		{"", "&AOk-%", "\xc3\xa9t\xc3\xa9", true}, {"", "e&AwE-", "\xc3\xa9", true}, {"", "*&AOk-", "t\xc3\xa9", true},
		{"", "&AO*", "\xc3\xa9", false}, {"", "&", "&", false}, {"", "&-", "&", true}, {"", "\xff*", "a", false},
		{"", "\xc3\xa9", "\xc3\xa9", true}, {"", "abc", "abcd", false}, {"", "abc", "ab", false}, {"", "a%d", "abcd", true},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++)
		if (matches(cases[i].reference, cases[i].pattern, cases[i].name) != cases[i].yes)
			fail_msg("<%s><%s> and <%s>", cases[i].reference, cases[i].pattern, cases[i].name);
}

static bool naive(const char *p, const char *name)
{
	if (*p == '\0')
		return *name == '\0';
	if (*p == '*' || *p == '%')
		return naive(p + 1, name) || (*name && (*p == '*' || *name != '/') && naive(p, name + 1));
	return *p == *name && naive(p + 1, name + 1);
}

static void fill(char *to, size_t n, const char *alphabet, unsigned *seed)
{
	for (size_t i = 0; i < n; i++) {
		*seed = *seed * 1103515245 + 12345;
		to[i] = alphabet[(*seed >> 16) % strlen(alphabet)];
	}
	to[n] = '\0';
}

static void test_against_naive(void **state)
{
	unsigned seed = 1, hits = 0;
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char p[12], name[12];
		fill(p, round % 8, "ab/*%*%", &seed);
		fill(name, 1 + round % 10, "aab/", &seed);
		bool yes = naive(p, name);
		hits += yes;
		if (matches("", p, name) != yes)
			fail_msg("<%s> and <%s>", p, name);
	}
	assert_in_range(hits, 1000, 19000);
}

/* A long shift is shorter than the UTF-8 it stands for. */
static void test_long_shift(void **state)
{
	(void)state;
	assert_true(matches("", "&ZeVnLIqeZeVnLIqeZeVnLIqe-", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8"
							      "\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"));
}

static void test_long(void **state)
{
	char p[2 * NAME_BYTES_MAX + 10], name[NAME_BYTES_MAX + 1];
	(void)state;
	memset(name, 'a', NAME_BYTES_MAX);
	name[NAME_BYTES_MAX] = '\0';
	for (size_t i = 0; i < NAME_BYTES_MAX; i++)
		memcpy(p + 2 * i, i % 2 ? "*a" : "%a", 2);
	memcpy(p + 2 * NAME_BYTES_MAX, "*", 2);
	assert_true(matches("", p, name));
	memcpy(p + 2 * NAME_BYTES_MAX, "b", 2);
	assert_false(matches("", p, name));
	memcpy(p + 2 * NAME_BYTES_MAX, "*a*", 4);
	assert_false(matches("", p, name)); /* longer than any name */
	for (size_t i = 0; i < NAME_BYTES_MAX / 2; i++)
		memcpy(p + 2 * i, "*a", 2);
	memcpy(p + NAME_BYTES_MAX, "b", 2);
	assert_false(matches("", p, name)); /* a matcher that tries again and again would not end */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_against_naive),
		cmocka_unit_test(test_long_shift),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
