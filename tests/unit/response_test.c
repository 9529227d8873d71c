/* What the server says, octet by octet; and that what it says as a string is read back as the same string. */
#include "protocol/imap/response.h"

#include "protocol/imap/capability.h"
#include "protocol/imap/lexer.h"
#include "protocol/imap/request.h"
#include "protocol/imap/response_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Compares and empties. */
static void expect(struct buf *b, const char *expected)
{
	assert_false(b->failed);
	if (!span_equal(buf_span(b), span_of(expected)))
		fail_msg("<%.*s> is not <%s>", (int)b->len, b->data, expected);
	buf_reset(b);
}

static struct buf make(void)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	return b;
}

static void test_strings(void **state)
{
	struct buf b = make();
	(void)state;
	response_string(&b, span_of(""), DIALECT_REV1), expect(&b, "\"\"");
	response_string(&b, span_of("a b"), DIALECT_REV1), expect(&b, "\"a b\"");
	response_string(&b, span_of("\\\""), DIALECT_REV1), expect(&b, "\"\\\\\\\"\"");
	response_string(&b, span_of("a\r\nb"), DIALECT_REV1), expect(&b, "{4}\r\na\r\nb");
	response_string(&b, span_of("a\n"), DIALECT_REV1), expect(&b, "{2}\r\na\n");
	response_string(&b, span_of("\xc3\xa9"), DIALECT_REV1), expect(&b, "{2}\r\n\xc3\xa9");
	response_string(&b, span_of("\xc3\xa9"), DIALECT_UTF8), expect(&b, "\"\xc3\xa9\"");
	response_string(&b, span_of("\xc3"), DIALECT_UTF8), expect(&b, "{1}\r\n\xc3");
	response_nstring(&b, span_make(NULL, 0), DIALECT_REV1), expect(&b, "NIL");
	response_nstring(&b, span_of("NIL"), DIALECT_REV1), expect(&b, "\"NIL\"");
	response_astring(&b, span_of("abc"), DIALECT_REV1), expect(&b, "abc");
	response_astring(&b, span_of("nil"), DIALECT_REV1), expect(&b, "\"nil\"");
	response_astring(&b, span_of(""), DIALECT_REV1), expect(&b, "\"\"");
	response_astring(&b, span_of("a]"), DIALECT_REV1), expect(&b, "\"a]\"");
	response_astring(&b, span_of("a%"), DIALECT_REV1), expect(&b, "\"a%\"");
	buf_finish(&b);
}

/* Any octets but NUL survive the way out and in again. */
static void test_strings_are_read_back(void **state)
{
	unsigned seed = 3;
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		char octets[40];
		size_t n = round % sizeof(octets);
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			octets[i] = (char)(1 + (seed >> 16) % (round % 2 ? 255 : 126));
		}
		struct buf b = make();
		struct arena a;
		struct lexer lx;
		arena_init(&a);
		response_astring(&b, span_make(octets, n), DIALECT_REV1);
		lexer_init(&lx, &a, buf_span(&b), DIALECT_REV1);
		struct span back = lexer_astring(&lx);
		lexer_end(&lx);
		assert_false(lexer_failed(&lx));
		assert_true(span_equal(back, span_make(octets, n)));
		arena_finish(&a);
		buf_finish(&b);
	}
}

static void test_long_strings_are_literals(void **state)
{
	struct buf b = make();
	char text[RESPONSE_QUOTED_MAX + 1];
	(void)state;
	memset(text, 'x', sizeof(text));
	response_astring(&b, span_make(text, RESPONSE_QUOTED_MAX), DIALECT_REV1);
	assert_int_equal(b.len, RESPONSE_QUOTED_MAX);
	buf_reset(&b);
	response_astring(&b, span_make(text, sizeof(text)), DIALECT_REV1);
	assert_memory_equal(b.data, "{1025}\r\nx", 9);
	buf_finish(&b);
}

static void test_sets(void **state)
{
	struct buf b = make();
	(void)state;
	static const uint32_t v[] = {5, 6, 7, 9, 3, 2, 1, 4294967294, 4294967295};
	response_set(&b, v, countof(v)), expect(&b, "5:7,9,3,2,1,4294967294:4294967295");
	response_set(&b, v, 0), expect(&b, "");
	response_code_appenduid(&b, 7, 5, 5), expect(&b, "APPENDUID 7 5");
	response_code_appenduid(&b, 7, 5, 8), expect(&b, "APPENDUID 7 5:8");
	buf_finish(&b);
}

static void test_status_responses(void **state)
{
	struct buf b = make();
	struct span none = {0};
	(void)state;
	response_status(&b, span_of("a1"), RESPONSE_OK, NULL, "Done"), expect(&b, "a1 OK Done\r\n");
	response_status(&b, span_of("a1"), RESPONSE_NO, "TRYCREATE", "No"), expect(&b, "a1 NO [TRYCREATE] No\r\n");
	response_status(&b, none, RESPONSE_BAD, NULL, "What?"), expect(&b, "* BAD What?\r\n");
	response_status(&b, none, RESPONSE_BYE, NULL, "Bye"), expect(&b, "* BYE Bye\r\n");
	response_status(&b, none, RESPONSE_PREAUTH, NULL, "Hi"), expect(&b, "* PREAUTH Hi\r\n");
	response_ok_number(&b, "UIDNEXT", 4294967296, "Next"), expect(&b, "* OK [UIDNEXT 4294967296] Next\r\n");
	response_continue(&b, "OK"), expect(&b, "+ OK\r\n");
	response_challenge(&b, span_of("")), expect(&b, "+ \r\n");
	response_number(&b, 0, "EXISTS"), expect(&b, "* 0 EXISTS\r\n");
	response_flags(&b, span_of("\\Seen x")), expect(&b, "* FLAGS (\\Seen x)\r\n");
	response_permanent_flags(&b, span_of(""), false), expect(&b, "* OK [PERMANENTFLAGS ()] Flags that are kept\r\n");
	response_permanent_flags(&b, span_of("\\Seen"), true);
	expect(&b, "* OK [PERMANENTFLAGS (\\Seen \\*)] Flags that are kept\r\n");
	response_permanent_flags(&b, span_of("x["), true);
	expect(&b, "* OK [PERMANENTFLAGS (x[ \\*)] Flags that are kept\r\n");
	response_permanent_flags(&b, span_of(""), true), expect(&b, "* OK [PERMANENTFLAGS (\\*)] Flags that are kept\r\n");
	static const char *const names[] = {"A", "B"};
	response_enabled(&b, names, 2), expect(&b, "* ENABLED A B\r\n");
	response_enabled(&b, names, 0), expect(&b, "* ENABLED\r\n");
	static const struct response_id_field fields[] = {{"name", "Ro\"ost"}, {"os", NULL}};
	response_id(&b, fields, 2), expect(&b, "* ID (\"name\" \"Ro\\\"ost\" \"os\" NIL)\r\n");
	response_id(&b, fields, 0), expect(&b, "* ID NIL\r\n");
	buf_finish(&b);
}

static void test_search(void **state)
{
	struct buf b = make();
	(void)state;
	response_search_begin(&b), response_search_end(&b, 0), expect(&b, "* SEARCH\r\n");
	response_search_begin(&b);
	response_search_range(&b, 2, 4);
	response_search_range(&b, 4294967295, 4294967295);
	response_search_end(&b, 917), expect(&b, "* SEARCH 2 3 4 4294967295 (MODSEQ 917)\r\n");
	struct response_esearch e = {.tag = span_of("a\\]")};
	response_esearch_begin(&b, &e), response_esearch_end(&b, 0), expect(&b, "* ESEARCH (TAG \"a\\\\]\")\r\n");
	e = (struct response_esearch){.tag = span_of("t"), .uid = true, .min = 1, .max = 9, .has_count = true, .count = 3};
	response_esearch_begin(&b, &e);
	response_esearch_all(&b);
	response_range(&b, true, 1, 2);
	response_range(&b, false, 9, 9);
	response_esearch_end(&b, 12), expect(&b, "* ESEARCH (TAG \"t\") UID MIN 1 MAX 9 COUNT 3 ALL 1:2,9 MODSEQ 12\r\n");
	response_batches_begin(&b, span_of("t")), response_esearch_end(&b, 0), expect(&b, "* UIDBATCHES (TAG \"t\")\r\n");
	response_inprogress(&b, span_of("t\\"), 1, 3);
	expect(&b, "* OK [INPROGRESS (\"t\\\\\" 1 3)] 33 % of the messages are done\r\n");
	response_inprogress(&b, span_of("t]"), 0, UINT32_MAX);
	expect(&b, "* OK [INPROGRESS (NIL 0 4294967295)] 0 % of the messages are done\r\n");
	struct partial last = {5, 1, true}, first = {1, 5, false};
	e = (struct response_esearch){.tag = span_of("t")};
	response_esearch_begin(&b, &e), response_esearch_partial(&b, &last), response_range(&b, true, 7, 7);
	response_esearch_partial_end(&b, true), response_esearch_end(&b, 0);
	expect(&b, "* ESEARCH (TAG \"t\") PARTIAL (-5:-1 7)\r\n");
	response_esearch_begin(&b, &e), response_esearch_partial(&b, &first);
	response_esearch_partial_end(&b, false), response_esearch_end(&b, 0);
	expect(&b, "* ESEARCH (TAG \"t\") PARTIAL (1:5 NIL)\r\n");
	response_esearch_begin(&b, &e), response_esearch_scores(&b), response_score(&b, true, 4), response_score(&b, false, 99);
	response_esearch_scores_end(&b), response_esearch_end(&b, 0);
	expect(&b, "* ESEARCH (TAG \"t\") RELEVANCY (4 99)\r\n");
	buf_finish(&b);
}

static void test_mailboxes(void **state)
{
	struct buf b = make();
	(void)state;
	struct list_line line = {.response = "LIST", .attributes = ATTRIBUTE_NOSELECT, .name = ""};
	response_list(&b, &line, DIALECT_REV1), expect(&b, "* LIST (\\Noselect) \"/\" \"\"\r\n");
	line = (struct list_line){.response = "LSUB", .name = "a b"};
	response_list(&b, &line, DIALECT_REV1), expect(&b, "* LSUB () \"/\" \"a b\"\r\n");
	line = (struct list_line){.response = "LIST", .name = "\xc3\xa9", .subscribed_below = true,
				  .attributes = ATTRIBUTE_NONEXISTENT | ATTRIBUTE_NOSELECT | ATTRIBUTE_HASCHILDREN,
				  .uses = USE_SENT | USE_IMPORTANT};
	response_list(&b, &line, DIALECT_REV1);
	expect(&b, "* LIST (\\NonExistent \\HasChildren \\Sent \\Important) \"/\" &AOk- (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
	struct status_values values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "Fx_-"};
	response_mailbox_status(&b, "x", STATUS_MESSAGES, &values, DIALECT_REV1), expect(&b, "* STATUS x (MESSAGES 1)\r\n");
	response_mailbox_status(&b, "x", 255, &values, DIALECT_REV1);
	expect(&b, "* STATUS x (MESSAGES 1 RECENT 2 UIDNEXT 3 UIDVALIDITY 4 UNSEEN 5 SIZE 6 APPENDLIMIT 7"
		   " MAILBOXID (Fx_-))\r\n");
	response_mailbox_status(&b, "x", STATUS_DELETED | STATUS_DELETED_STORAGE, &values, DIALECT_REV1);
	expect(&b, "* STATUS x (DELETED 9 DELETED-STORAGE 10)\r\n");
	response_namespace(&b), expect(&b, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	buf_finish(&b);
}

static void test_capabilities(void **state)
{
	struct buf b = make();
	(void)state;
	struct capability_context c = {.has_starttls = true, .mechanisms = ""};
	capability_write(&b, &c), expect(&b, "IMAP4rev1 IMAP4rev2 STARTTLS LOGINDISABLED SASL-IR LITERAL+ ID ENABLE");
	c = (struct capability_context){.may_log_in = true, .mechanisms = "PLAIN SCRAM-SHA-256"};
	buf_add_text(&b, "[");
	capability_write(&b, &c);
	expect(&b, "[IMAP4rev1 IMAP4rev2 AUTH=PLAIN AUTH=SCRAM-SHA-256 SASL-IR LITERAL+ ID ENABLE");
	c = (struct capability_context){.logged_in = true, .has_compress = true, .mechanisms = ""};
	capability_write(&b, &c);
	assert_non_null(memmem(b.data, b.len, " COMPRESS=DEFLATE ", 18));
	assert_null(memmem(b.data, b.len, "QUOTASET", 8));
	buf_reset(&b);
	c.sets_quotas = true;
	capability_write(&b, &c);
	assert_non_null(memmem(b.data, b.len, " QUOTASET ", 10));
	buf_reset(&b);
	c = (struct capability_context){.logged_in = true, .has_starttls = true, .mechanisms = "PLAIN", .append_limit = 5};
	capability_write(&b, &c);
	expect(&b, "IMAP4rev1"
		   " IMAP4rev2"
		   " LITERAL+"
		   " ID"
		   " ENABLE"
		   " UTF8=ACCEPT"
		   " UNAUTHENTICATE"
		   " IDLE"
		   " NOTIFY"
		   " NAMESPACE"
		   " UNSELECT"
		   " UIDPLUS"
		   " MOVE"
		   " MULTIAPPEND"
		   " CHILDREN"
		   " LIST-EXTENDED"
		   " LIST-STATUS"
		   " STATUS=SIZE"
		   " SPECIAL-USE"
		   " CREATE-SPECIAL-USE"
		   " QUOTA"
		   " QUOTA=RES-STORAGE"
		   " QUOTA=RES-MESSAGE"
		   " QUOTA=RES-MAILBOX"
		   " METADATA"
		   " METADATA-SERVER"
		   " LIST-METADATA"
		   " STATUS=DELETED"
		   " CONDSTORE"
		   " QRESYNC"
		   " UIDONLY"
		   " ESEARCH"
		   " SEARCH=FUZZY"
		   " SORT"
		   " SORT=DISPLAY"
		   " ESORT"
		   " THREAD=ORDEREDSUBJECT"
		   " THREAD=REFERENCES"
		   " THREAD=REFS"
		   " I18NLEVEL=1"
		   " WITHIN"
		   " SEARCHRES"
		   " PARTIAL"
		   " UIDBATCHES"
		   " INPROGRESS"
		   " CATENATE"
		   " URL-PARTIAL"
		   " REPLACE"
		   " BINARY"
		   " OBJECTID"
		   " SAVEDATE"
		   " PREVIEW"
		   " APPENDLIMIT=5");
	buf_reset(&b);
	c = (struct capability_context){.may_log_in = true, .mechanisms = "PLAIN LOGIN", .literal_minus = true,
					.off = {"ID", NULL, "X auth imap4REV2"}};
	capability_write(&b, &c), expect(&b, "IMAP4rev1 SASL-IR LITERAL- ENABLE");
	buf_finish(&b);
	struct span wrong;
	assert_true(capability_can_be_off("", &wrong) && capability_can_be_off("appendlimit COMPRESS=DEFLATE", &wrong));
	assert_false(capability_can_be_off("IDLE COMPRESS MOVE", &wrong));
	assert_true(span_is(wrong, "COMPRESS"));
	assert_false(capability_can_be_off("imap4rev1", &wrong) || capability_can_be_off("IDLE  MOVE", &wrong));
	assert_false(capability_is_named("AB A", span_of("B")) || capability_is_named(NULL, span_of("A")));
}

/* The page lists each, and no other. */
static void test_capabilities_are_documented(void **state)
{
	static char page[1 << 18];
	(void)state;
	FILE *f = fopen("docs/protocol-support.md", "r");
	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	const char *begin = strstr(page, "## Capabilities"), *end = begin ? strstr(begin, "\n## ") : NULL;
	assert_non_null(end);
	size_t rows = 0, names = 0;
	for (const char *at = begin; (at = strstr(at, "\n| `")) && at < end; at++)
		rows++;
	for (const char *name; (name = capability_name_at(names)); names++) {
		char row[80];
		snprintf(row, sizeof(row), "\n| `%s` |", name);
		const char *at = strstr(begin, row);
		if (!at || at > end)
			fail_msg("%s is not on the page", name);
	}
	assert_int_equal(rows, names);
}

/* A writer that runs into the buf's limit says so, and writes nothing beyond. */
static void test_writers_latch(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 100);
	response_search_begin(&b);
	response_search_range(&b, 1, 4294967295);
	assert_true(b.failed);
	assert_in_range(b.len, 90, 100);
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings), cmocka_unit_test(test_strings_are_read_back),
		cmocka_unit_test(test_long_strings_are_literals), cmocka_unit_test(test_sets),
		cmocka_unit_test(test_status_responses), cmocka_unit_test(test_search),
		cmocka_unit_test(test_mailboxes), cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_capabilities_are_documented),
		cmocka_unit_test(test_writers_latch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
