/* The grammar of commands (RFC 3501 9 and the extensions): what is taken, in print; what is not, with offset and reason. */
#include "protocol/imap/parse.h"

#include "tests/fuzz/request_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static enum parse_status parse_and_print(const char *text, struct buf *out, struct parse_error *error)
{
	struct arena a;
	struct request r;
	arena_init(&a);
	enum parse_status status = parse_request(&a, span_of(text), DIALECT_REV1, &r, error);
	if (status == PARSE_OK)
		request_print(out, &r);
	arena_finish(&a);
	return status;
}

/* `printed` NULL: as the text. */
static void check_ok(const char *text, const char *printed)
{
	struct parse_error error;
	struct buf once, twice;
	buf_init(&once, 1 << 20);
	buf_init(&twice, 1 << 20);
	if (parse_and_print(text, &once, &error) != PARSE_OK)
		fail_msg("<%s> is refused: %s (at %zu)", text, error.message, error.offset);
	buf_add_char(&once, '\0');
	assert_string_equal(once.data, printed ? printed : text);
	assert_int_equal(parse_and_print(once.data, &twice, &error), PARSE_OK);
	buf_add_char(&twice, '\0');
	assert_string_equal(once.data, twice.data);
	buf_finish(&once);
	buf_finish(&twice);
}

static void check_bad(const char *text, size_t offset, const char *message)
{
	struct parse_error error;
	struct buf out;
	buf_init(&out, 1 << 20);
	if (parse_and_print(text, &out, &error) != PARSE_BAD)
		fail_msg("<%s> is taken, or only a limit", text);
	if (error.offset != offset || strcmp(error.message, message) != 0)
		fail_msg("<%s>: %s (at %zu)", text, error.message, error.offset);
	buf_finish(&out);
}

struct good {
	const char *text, *printed;
};

struct bad {
	const char *text;
	size_t offset;
	const char *message;
};

static void check_all(const struct good *good, size_t good_n, const struct bad *bad, size_t bad_n)
{
	for (size_t i = 0; i < good_n; i++)
		check_ok(good[i].text, good[i].printed);
	for (size_t i = 0; i < bad_n; i++)
		check_bad(bad[i].text, bad[i].offset, bad[i].message);
}

static void test_tags_and_names(void **state)
{
	static const struct good good[] = {
		{"a NOOP", NULL}, {"a] noop", "a] NOOP"}, {"}[.!~ Capability", "}[.!~ CAPABILITY"},
		{"1 CHECK", NULL}, {"1 CLOSE", NULL}, {"1 IDLE", NULL}, {"1 LOGOUT", NULL}, {"1 NAMESPACE", NULL},
		{"1 STARTTLS", NULL}, {"1 COMPRESS deflate", "1 COMPRESS DEFLATE"}, {"1 UNSELECT", NULL}, {"1 EXPUNGE", NULL}, {"1 UID EXPUNGE 1:*", NULL},
	};
	static const struct bad bad[] = {
		{"", 0, "A tag is expected"}, {" NOOP", 0, "A tag is expected"}, {"+ NOOP", 0, "A tag is expected"},
		{"a+ NOOP", 1, "A space is expected"}, {"a", 1, "A space is expected"}, {"a\tNOOP", 1, "A space is expected"},
		{"a* NOOP", 1, "A space is expected"}, {"a ", 2, "A word is expected"}, {"a  NOOP", 2, "A word is expected"},
		{"a NOOP ", 6, "Unexpected text at the end"}, {"a NOOP x", 6, "Unexpected text at the end"},
		{"a NOOP\r", 6, "Unexpected text at the end"}, {"a XNOOP", 7, "This command is not known"},
		{"a NOO", 5, "This command is not known"}, {"a NOOPS", 7, "This command is not known"},
		{"a UID NOOP", 10, "This command has no UID form"}, {"a UID", 5, "A space is expected"},
		{"a EXPUNGE 1", 9, "Unexpected text at the end"},
		{"a UID EXPUNGE", 13, "A space is expected"}, {"a COMPRESS", 10, "A space is expected"},
		{"a COMPRESS LZ4", 11, "DEFLATE is the only algorithm"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

static void test_strings(void **state)
{
	static const struct good good[] = {
		{"a LOGIN joe secret", NULL}, {"a LOGIN \"joe\" \"\"", "a LOGIN joe \"\""},
		{"a LOGIN \"a\\\"b\\\\c\" x]y", "a LOGIN \"a\\\"b\\\\c\" \"x]y\""},
		{"a LOGIN {3}\r\nj\xc3\xb6 {0+}\r\n", "a LOGIN {3}\r\nj\xc3\xb6 \"\""},
		{"a LOGIN {003}\njoe NIL", "a LOGIN joe \"NIL\""}, {"a LOGIN {2}\r\n\r\n x", NULL},
		{"a SELECT NIL", "a SELECT \"NIL\""}, {"a SELECT {5}\r\nin\\ox", "a SELECT \"in\\\\ox\""},
		{"a SELECT \"a\tb\"", NULL},
	};
	static const struct bad bad[] = {
		{"a LOGIN", 7, "A space is expected"}, {"a LOGIN joe", 11, "A space is expected"},
		{"a LOGIN joe ", 12, "A string is expected"}, {"a LOGIN joe  x", 12, "A string is expected"},
		{"a LOGIN (joe) x", 8, "A string is expected"},
		{"a LOGIN \"joe", 12, "The quoted string does not end"},
		{"a LOGIN \"j\\oe\" x", 10, "Only \\\" and \\\\ may be escaped"},
		{"a LOGIN \"joe\\", 12, "Only \\\" and \\\\ may be escaped"},
		{"a LOGIN \"j\xf6\" x", 10, "This character may not be in a quoted string"},
		{"a LOGIN \"j\roe\" x", 10, "This character may not be in a quoted string"},
		{"a LOGIN j\xc3\xb6 x", 9, "A space is expected"}, {"a LOGIN a{ x", 9, "A space is expected"},
		{"a LOGIN {4}\r\njoe", 13, "The literal is cut short"}, {"a LOGIN {3 }\r\njoe x", 10, "A closing brace is expected"},
		{"a LOGIN {}\r\n x", 9, "A number is expected"},
		{"a LOGIN {3}joe x", 11, "A line end is expected behind a literal's size"},
		{"a LOGIN ~{3}\r\njoe x", 9, "A space is expected"}, {"a LOGIN {3}\r\njoex", 16, "A space is expected"},
		{"a LOGIN {9223372036854775808}\r\n", 27, "The number is too large"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

static void test_nul_is_nowhere(void **state)
{
	static const struct {
		const char *text;
		size_t len, offset;
	} cases[] = {{"a\0 NOOP", 7, 1}, {"a NO\0OP", 7, 4}, {"a LOGIN \"\0\" x", 13, 9}, {"a LOGIN {1}\r\n\0 x", 16, 8},
		     {"a LOGIN x\0 y", 12, 9}, {"a NOOP\0", 7, 6}};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct arena a;
		struct request r;
		struct parse_error error;
		arena_init(&a);
		assert_int_equal(parse_request(&a, span_make(cases[i].text, cases[i].len), DIALECT_REV1, &r, &error), PARSE_BAD);
		if (i != 1)
			assert_int_equal(error.offset, cases[i].offset);
		arena_finish(&a);
	}
}

/* UTF-8 may be in quoted strings, also of a client that has enabled nothing; what is not UTF-8 stays refused. */
static void test_utf8_dialect(void **state)
{
	struct arena a;
	struct request r;
	struct parse_error error;
	(void)state;
	arena_init(&a);
	assert_int_equal(parse_request(&a, span_of("a SELECT \"\xc3\xa4\\\\\""), DIALECT_REV1, &r, &error), PARSE_OK);
	assert_true(span_equal(r.mailbox.name, span_of("\xc3\xa4\\")));
	assert_int_equal(parse_request(&a, span_of("a SELECT \"\xc3\""), DIALECT_UTF8, &r, &error), PARSE_BAD);
	assert_int_equal(error.offset, 10);
	assert_int_equal(parse_request(&a, span_of("a SELECT \xc3\xa4"), DIALECT_UTF8, &r, &error), PARSE_BAD);
	arena_finish(&a);
}

/* What the dialect changes of SEARCH and STATUS (RFC 9051 6.4.4, 9, E 12; RFC 9755 3). */
static void test_dialects(void **state)
{
	enum { REV2 = DIALECT_REV2 | DIALECT_UTF8 };
	struct arena a;
	struct request r;
	struct parse_error error;
	(void)state;
	arena_init(&a);
	assert_int_equal(parse_request(&a, span_of("a SEARCH ALL"), DIALECT_UTF8, &r, &error), PARSE_OK);
	assert_false(r.search.has_return);
	assert_int_equal(parse_request(&a, span_of("a SEARCH ALL"), REV2, &r, &error), PARSE_OK);
	assert_true(r.search.has_return && r.search.returns == RETURN_ALL);
	assert_int_equal(parse_request(&a, span_of("a SEARCH RETURN (MIN) ALL"), REV2, &r, &error), PARSE_OK);
	assert_true(r.search.has_return && r.search.returns == RETURN_MIN);
	assert_int_equal(parse_request(&a, span_of("a SEARCH LARGER 5000000000"), DIALECT_UTF8, &r, &error), PARSE_BAD);
	assert_int_equal(parse_request(&a, span_of("a SEARCH LARGER 5000000000"), REV2, &r, &error), PARSE_OK);
	assert_int_equal(parse_request(&a, span_of("a SEARCH CHARSET UTF-8 ALL"), DIALECT_UTF8, &r, &error), PARSE_BAD);
	assert_int_equal(parse_request(&a, span_of("a SEARCH CHARSET UTF-8 ALL"), REV2, &r, &error), PARSE_OK);
	assert_int_equal(parse_request(&a, span_of("a STATUS b (RECENT UNSEEN)"), REV2, &r, &error), PARSE_OK);
	assert_int_equal(r.status.items, STATUS_UNSEEN);
	assert_int_equal(parse_request(&a, span_of("a STATUS b (RECENT UNSEEN)"), DIALECT_UTF8, &r, &error), PARSE_OK);
	assert_int_equal(r.status.items, STATUS_UNSEEN | STATUS_RECENT);
	arena_finish(&a);
}

static void test_auth(void **state)
{
	static const struct good good[] = {
		{"a AUTHENTICATE PLAIN", NULL}, {"a AUTHENTICATE SCRAM-SHA-256 =", NULL},
		{"a AUTHENTICATE PLAIN AGpvZQBzZWNyZXQ=", NULL}, {"a AUTHENTICATE PLAIN YQ==", NULL},
		{"a ENABLE CONDSTORE x-y", NULL}, {"a ID NIL", "a ID ()"}, {"a ID ()", NULL},
		{"a ID (\"name\" \"x\" \"os\" NIL)", NULL}, {"a ID ({4}\r\nname nil)", "a ID (\"name\" NIL)"},
	};
	static const struct bad bad[] = {
		{"a AUTHENTICATE", 14, "A space is expected"}, {"a AUTHENTICATE \"PLAIN\"", 15, "A word is expected"},
		{"a AUTHENTICATE PLAIN ", 21, "A word is expected"},
		{"a AUTHENTICATE PLAIN YQ=", 24, "The initial response is not base64"},
		{"a AUTHENTICATE PLAIN Y===", 25, "The initial response is not base64"},
		{"a AUTHENTICATE PLAIN Y!Q=", 25, "The initial response is not base64"},
		{"a ENABLE", 8, "A space is expected"}, {"a ENABLE ", 9, "A word is expected"},
		{"a ENABLE A  B", 11, "A word is expected"}, {"a ID", 4, "A space is expected"},
		{"a ID x", 5, "A parenthesis is expected"}, {"a ID (\"a\")", 9, "A space is expected"},
		{"a ID (\"a\" \"b\" )", 14, "A string is expected"}, {"a ID (NIL \"b\")", 6, "A string is expected"},
		{"a ID (\"a\" x)", 10, "A string is expected"}, {"a ID (\"a\" \"b\" \"A\" \"c\")", 21, "An ID field is there twice"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

static void test_mailboxes(void **state)
{
	static const struct good good[] = {
		{"a SELECT INBOX", NULL}, {"a EXAMINE \"a b\"", NULL}, {"a DELETE a/b", NULL}, {"a SUBSCRIBE a&AOk-", NULL},
		{"a UNSUBSCRIBE \"%\"", NULL}, {"a RENAME a \"b c\"", NULL}, {"a CREATE a/", NULL},
		{"a CREATE a (USE (\\drafts \\SENT))", "a CREATE a (USE (\\Drafts \\Sent))"},
		{"a CREATE a (USE (\\Other))", "a CREATE a (USE (\\Unknown))"}, {"a CREATE a (USE ())", "a CREATE a"},
		{"a STATUS a (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE APPENDLIMIT MAILBOXID)", NULL},
		{"a STATUS a (unseen messages unseen)", "a STATUS a (MESSAGES UNSEEN)"},
	};
	static const struct bad bad[] = {
		{"a SELECT", 8, "A space is expected"}, {"a SELECT a b", 11, "A parenthesis is expected"},
		{"a SELECT a (FROB)", 12, "This parameter is not known, or there twice"},
		{"a SELECT a (CONDSTORE CONDSTORE)", 22, "This parameter is not known, or there twice"},
		{"a SELECT a (QRESYNC (1 2))", 26, "QRESYNC was not enabled"}, {"a SELECT a%", 10, "Unexpected text at the end"},
		{"a DELETE a b", 10, "Unexpected text at the end"}, {"a RENAME a", 10, "A space is expected"},
		{"a CREATE a USE", 11, "A parenthesis is expected"}, {"a CREATE a ()", 13, "A parameter is expected"},
		{"a CREATE a (X (\\Sent))", 12, "This parameter is not known, or there twice"},
		{"a CREATE a (USE (Sent))", 17, "A special use is expected"},
		{"a CREATE a (USE (\\Sent) USE (\\Junk))", 24, "This parameter is not known, or there twice"},
		{"a CREATE a (USE (\\Sent)) ", 24, "Unexpected text at the end"},
		{"a STATUS a ()", 13, "A STATUS item is expected"}, {"a STATUS a (X)", 13, "This STATUS item is not known"},
		{"a STATUS a MESSAGES", 11, "A parenthesis is expected"},
		{"a STATUS a (MESSAGES )", 21, "A word is expected"}, {"a STATUS a ( MESSAGES)", 12, "A word is expected"},
		{"a STATUS a (MESSAGES  UNSEEN)", 21, "A word is expected"},
		{"a STATUS a (MESSAGES", 20, "A space or a closing parenthesis is expected"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

static void test_list(void **state)
{
	static const struct good good[] = {
		{"a LIST \"\" *", "a LIST \"\" \"*\""}, {"a LIST \"\" \"\"", NULL}, {"a LIST a/ b%]*", "a LIST a/ \"b%]*\""},
		{"a LSUB \"\" %", "a LSUB \"\" \"%\""}, {"a LIST {1}\r\nx {1}\r\n%", "a LIST x \"%\""},
		{"a LIST () \"\" a", "a LIST () \"\" (\"a\") RETURN ()"},
		{"a LIST \"\" (a \"b%\")", "a LIST () \"\" (\"a\" \"b%\") RETURN ()"},
		{"a LIST \"\" a RETURN ()", "a LIST () \"\" (\"a\") RETURN ()"},
		{"a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" * RETURN (CHILDREN STATUS (UNSEEN) SPECIAL-USE)",
		 "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"*\") RETURN (CHILDREN SPECIAL-USE STATUS (UNSEEN))"},
		{"a LIST (remote special-use SPECIAL-USE) \"\" x return (subscribed)",
		 "a LIST (SPECIAL-USE REMOTE) \"\" (\"x\") RETURN (SUBSCRIBED)"},
	};
	static const struct bad bad[] = {
		{"a LIST \"\"", 9, "A space is expected"}, {"a LIST \"\" ", 10, "A mailbox pattern is expected"},
		{"a LIST \"\" ()", 12, "A mailbox pattern is expected"}, {"a LIST % *", 7, "A string is expected"},
		{"a LIST (RECURSIVEMATCH) \"\" *", 23, "RECURSIVEMATCH needs another option"},
		{"a LIST (RECURSIVEMATCH REMOTE) \"\" *", 30, "RECURSIVEMATCH needs another option"},
		{"a LIST (SPECIAL-USE RECURSIVEMATCH) \"\" *", 35, "RECURSIVEMATCH needs another option"},
		{"a LIST (X) \"\" *", 9, "This selection option is not known"},
		{"a LIST \"\" * RETURN (X)", 20, "This return option is not known"},
		{"a LIST \"\" * X ()", 12, "RETURN is expected"}, {"a LIST \"\" * ", 12, "RETURN is expected"},
		{"a LIST \"\" * RETURN (STATUS ())", 29, "A STATUS item is expected"},
		{"a LIST \"\" * RETURN (CHILDREN) ", 29, "Unexpected text at the end"},
		{"a LSUB (SUBSCRIBED) \"\" *", 7, "A string is expected"}, {"a LSUB \"\" (a)", 10, "A mailbox pattern is expected"},
		{"a LSUB \"\" a RETURN ()", 11, "Unexpected text at the end"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

/* RFC 5465 8 */
static void test_notify(void **state)
{
	static const struct good good[] = {
		{"a notify none", "a NOTIFY NONE"},
		{"a notify set status (selected (messagenew (uid flags) messageexpunge)) (subtree {1}\r\nx NONE)",
		 "a NOTIFY SET STATUS (SELECTED (MessageNew (UID FLAGS) MessageExpunge)) (SUBTREE (x) NONE)"},
		{"a notify set (mailboxes (a b) (messageexpunge flagchange messagenew)) (personal (mailboxname"
		 " subscriptionchange mailboxmetadatachange servermetadatachange)) (inboxes none) (subscribed none)",
		 "a NOTIFY SET (MAILBOXES (a b) (MessageNew MessageExpunge FlagChange)) (PERSONAL (MailboxName SubscriptionChange"
		 " MailboxMetadataChange ServerMetadataChange)) (INBOXES NONE) (SUBSCRIBED NONE)"},
		{"a notify set (selected-delayed messagenew messageexpunge)",
		 "a NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))"},
		{"a notify set (personal (annotationchange messagenew messageexpunge other))",
		 "a NOTIFY SET (PERSONAL (MessageNew MessageExpunge AnnotationChange X))"},
	};
	static const struct bad bad[] = {
		{"a NOTIFY SET (SELECTED (MessageNew))", 36, "MessageNew and MessageExpunge are needed together"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

/* RFC 5464 5, RFC 9590 5 */
static void test_metadata(void **state)
{
	static const struct good good[] = {
		{"a getmetadata (depth INFINITY) INBOX /private", "a GETMETADATA (DEPTH infinity) INBOX (/private)"},
		{"a GETMETADATA INBOX (MAXSIZE 5) (/shared/a \"/private/b c\")",
		 "a GETMETADATA (DEPTH 0 MAXSIZE 5) INBOX (/shared/a \"/private/b c\")"},
		{"a getquota \"\"", "a GETQUOTA \"\""}, {"a GETQUOTAROOT inbox", "a GETQUOTAROOT inbox"},
		{"a setquota user (STORAGE 512 message 9223372036854775807)", "a SETQUOTA user (STORAGE 512 message 9223372036854775807)"},
		{"a setquota \"\" ()", "a SETQUOTA \"\" ()"},
		{"a SETQUOTA user (storage 512 X-1 9223372036854775807)", "a SETQUOTA user (storage 512 X-1 9223372036854775807)"},
		{"a GETMETADATA \"\" \"/shared/admin\"", "a GETMETADATA (DEPTH 0) \"\" (/shared/admin)"},
		{"a SETMETADATA \"\" (/private/a \"v\" /private/b NIL)", NULL},
		{"a SETMETADATA b (/private/a ~{1+}\r\nx)", "a SETMETADATA b (/private/a \"x\")"},
		{"a LIST () \"\" (\"a\") RETURN (METADATA (/shared/a /private/b))", NULL},
	};
	static const struct bad bad[] = {
		{"a GETMETADATA (DEPTH 2) b /shared/a", 21, "DEPTH is 0, 1 or infinity"},
		{"a GETQUOTA", 10, "A space is expected"},
		{"a SETQUOTA user (STORAGE)", 24, "A space is expected"},
		{"a GETMETADATA b /shared", 23, "The entry's name has too few components"},
		{"a GETMETADATA b /shared/vendor/x", 32, "The entry's name has too few components"},
		{"a GETMETADATA b /other/x", 24, "This is not the name of an entry"},
		{"a GETMETADATA b", 15, "A space is expected"},
		{"a GETMETADATA b ()", 18, "An entry is expected"},
		{"a SETMETADATA b (/shared/a v)", 27, "A string is expected"},
		{"a SETMETADATA b /shared/a \"v\"", 16, "A parenthesis is expected"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

static void test_sets(void **state)
{
	static const struct good good[] = {
		{"a COPY 1 b", NULL}, {"a MOVE 4:2,*,1:*,*:4 b", NULL}, {"a UID COPY 4294967295 b", NULL}, {"a UID MOVE 1:1 b", "a UID MOVE 1 b"},
	};
	static const struct bad bad[] = {
		{"a COPY 0 b", 7, "A number from 1 is expected, without leading zeros"},
		{"a COPY 01 b", 7, "A number from 1 is expected, without leading zeros"},
		{"a COPY 1:0 b", 9, "A number from 1 is expected, without leading zeros"},
		{"a COPY 4294967296 b", 16, "The number is too large"}, {"a COPY , b", 7, "A number is expected"},
		{"a COPY 1, b", 9, "A number is expected"}, {"a COPY 1: b", 9, "A number is expected"},
		{"a COPY 1:2:3 b", 10, "A space is expected"}, {"a COPY ** b", 8, "A space is expected"},
		{"a COPY -1 b", 7, "A number is expected"},
		{"a COPY 1", 8, "A space is expected"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

static void test_fetch(void **state)
{
	static const struct good good[] = {
		{"a FETCH 1 FAST", "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)"},
		{"a FETCH 1 all", "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"},
		{"a FETCH 1 FULL", "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)"},
		{"a UID FETCH 1:* (UID FLAGS flags UID)", "a UID FETCH 1:* (UID FLAGS)"},
		{"a FETCH 1 RFC822", "a FETCH 1 (RFC822)"}, {"a FETCH 1 (RFC822.HEADER RFC822.TEXT BODYSTRUCTURE)", NULL},
		{"a FETCH 1 BODY", "a FETCH 1 (BODY)"}, {"a FETCH 1 body[]", "a FETCH 1 (BODY[])"},
		{"a FETCH 1 BODY.PEEK[1.2.mime]", "a FETCH 1 (BODY.PEEK[1.2.MIME])"},
		{"a FETCH 1 (BODY[HEADER] BODY[TEXT] BODY[1.HEADER] BODY[3.TEXT] BODY[4294967295])", NULL},
		{"a FETCH 1 BODY[HEADER.FIELDS (From \"t o\" {4}\r\nDate)]", "a FETCH 1 (BODY[HEADER.FIELDS (FROM \"T O\" DATE)])"},
		{"a FETCH 1 BODY[2.HEADER.FIELDS.NOT (x)]", "a FETCH 1 (BODY[2.HEADER.FIELDS.NOT (X)])"},
		{"a FETCH 1 (BODY[]<0.1> BODY.PEEK[TEXT]<1024.4294967295>)", NULL},
		{"a FETCH 1 (BODY[]<00.1> BODY[]<0.1>)", "a FETCH 1 (BODY[]<0.1>)"},
		/* once each, and \Seen is set when any of them sets it */
		{"a FETCH 1 (BODY.PEEK[1] BODY[1] BODY[2] BODY.PEEK[2])", "a FETCH 1 (BODY[1] BODY[2])"},
		{"a FETCH 1 (BINARY[] BINARY.PEEK[1.2] BINARY[3]<0.5> BINARY.SIZE[4] BINARY.SIZE[])", NULL},
		{"a FETCH 1 (BINARY.PEEK[1] BINARY[1] binary.size[1])", "a FETCH 1 (BINARY[1] BINARY.SIZE[1])"},
		{"a FETCH 1 (EMAILID THREADID SAVEDATE PREVIEW)", NULL}, {"a FETCH 1 PREVIEW", "a FETCH 1 (PREVIEW)"},
		{"a FETCH 1 preview (lazy)", "a FETCH 1 (PREVIEW)"}, {"a FETCH 1 (PREVIEW (LAZY LAZY) PREVIEW UID)", "a FETCH 1 (PREVIEW UID)"},
		{"a FETCH 1 (BODY[HEADER.FIELDS (a)] BODY[HEADER.FIELDS (A)] BODY[HEADER.FIELDS (A B)])",
		 "a FETCH 1 (BODY[HEADER.FIELDS (A)] BODY[HEADER.FIELDS (A B)])"},
	};
	static const struct bad bad[] = {
		{"a FETCH 1", 9, "A space is expected"}, {"a FETCH 1 ()", 12, "A FETCH item is expected"},
		{"a FETCH 1 FLAGS UID", 16, "A parenthesis is expected"}, {"a FETCH 1 (FAST)", 15, "This FETCH item is not known"},
		{"a FETCH 1 FAST FLAGS", 15, "A parenthesis is expected"}, {"a FETCH 1 (FLAGS ALL)", 20, "This FETCH item is not known"},
		{"a FETCH 1 X", 11, "This FETCH item is not known"}, {"a FETCH 1 (FLAGS )", 17, "A word is expected"},
		{"a FETCH 1 (FLAGS", 16, "A space or a closing parenthesis is expected"},
		{"a FETCH 1 BODY.PEEK", 19, "A section is expected"}, {"a FETCH 1 BODYSTRUCTURE[1]", 23, "Unexpected text at the end"},
		{"a FETCH 1 BODY[MIME]", 15, "There is no such section"}, {"a FETCH 1 BODY[1.]", 17, "There is no such section"},
		{"a FETCH 1 BODY[0]", 15, "A number from 1 is expected, without leading zeros"},
		{"a FETCH 1 BODY[1.0]", 17, "A number from 1 is expected, without leading zeros"},
		{"a FETCH 1 BODY[1TEXT]", 16, "A dot or a closing bracket is expected in the section"},
		{"a FETCH 1 BODY[HEADERS]", 15, "There is no such section"}, {"a FETCH 1 BODY[TEXT", 19, "A closing bracket is expected"},
		{"a FETCH 1 BODY[HEADER.FIELDS]", 28, "A space is expected"},
		{"a FETCH 1 BODY[HEADER.FIELDS ()]", 31, "A header field is expected"},
		{"a FETCH 1 BODY[HEADER.FIELDS (a )]", 32, "A string is expected"},
		{"a FETCH 1 BODY[HEADER.FIELDS a]", 29, "A parenthesis is expected"},
		{"a FETCH 1 BODY[]<0.0>", 19, "A number from 1 is expected, without leading zeros"},
		{"a FETCH 1 BODY[]<0>", 18, "A dot is expected in the partial"}, {"a FETCH 1 BODY[]<.5>", 17, "A number is expected"},
		{"a FETCH 1 BODY[]<1.2", 20, "A closing > is expected"}, {"a FETCH 1 BODY[] <1.2>", 17, "A parenthesis is expected"},
		{"a FETCH 1 (FLAGS) (CHANGEDSINCE 1 CHANGEDSINCE 2)", 34, "This modifier is not known, or there twice"},
		{"a FETCH 1 (PREVIEW (X))", 19, "A word is expected"}, {"a FETCH 1 PREVIEW (LAZY X)", 24, "This modifier of PREVIEW is not known"},
		{"a FETCH 1 PREVIEW (LAZY", 23, "A closing parenthesis is expected"},
		{"a FETCH 1 BINARY", 16, "A section is expected"}, {"a FETCH 1 BINARY.SIZE[1]<0.1>", 24, "Unexpected text at the end"},
		{"a FETCH 1 BINARY[HEADER]", 17, "A number is expected"},
		{"a FETCH 1 BINARY[1.MIME]", 19, "A number is expected"},
		{"a FETCH 1 BINARY[1.]", 19, "A number is expected"},
		{"a FETCH 1 BINARY.PEEK[1]<1.0>", 27, "A number from 1 is expected, without leading zeros"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

static void test_store(void **state)
{
	static const struct good good[] = {
		{"a STORE 1 FLAGS ()", NULL}, {"a STORE 1 +FLAGS (\\seen $Junk)", "a STORE 1 +FLAGS (\\Seen $Junk)"},
		{"a UID STORE 1:3 -flags.silent \\Deleted b c \\Draft", "a UID STORE 1:3 -FLAGS.SILENT (\\Deleted \\Draft b c)"},
		{"a STORE * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)", NULL},
	};
	static const struct bad bad[] = {
		{"a STORE 1 FLAGS", 15, "A space is expected"}, {"a STORE 1 FLAGS ", 16, "A word is expected"},
		{"a STORE 1 FLAG (x)", 10, "FLAGS is expected"}, {"a STORE 1 + FLAGS (x)", 11, "FLAGS is expected"},
		{"a STORE 1 FLAGS (\\Recent)", 24, "This flag cannot be set"}, {"a STORE 1 FLAGS (\\*)", 18, "A word is expected"},
		{"a STORE 1 FLAGS (\\Foo)", 21, "This flag cannot be set"}, {"a STORE 1 FLAGS \\Seen ", 22, "A word is expected"},
		{"a STORE 1 FLAGS (\\Seen) x", 23, "Unexpected text at the end"}, {"a STORE 1 FLAGS (\"x\")", 17, "A word is expected"},
		{"a STORE 1 FLAGS (a  b)", 19, "A word is expected"}, {"a STORE 1 (UNCHANGEDSINC 5) FLAGS (x)", 11, "This modifier is not known"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

/* RFC 5256 5, RFC 5957 5, RFC 5267 6 */
static void test_sort(void **state)
{
	static const struct good good[] = {
		{"a SORT (DATE) UTF-8 ALL", NULL},
		{"a uid sort (reverse date from) \"us-ascii\" not seen",
		 "a UID SORT (REVERSE DATE FROM) us-ascii NOT Seen"},
		{"a SORT (ARRIVAL CC DATE DISPLAYFROM DISPLAYTO FROM SIZE SUBJECT TO) x 1", NULL},
		{"a SORT (DATE REVERSE DATE TO DATE) x 1", "a SORT (DATE TO) x 1"},
		{"a SORT RETURN () (SIZE) x ALL", "a SORT RETURN (ALL) (SIZE) x ALL"},
		{"a SORT (REVERSE RELEVANCY SIZE) x FUZZY ALL", NULL}, /* RFC 6203 6 */
		{"a SORT RETURN (ALL RELEVANCY) (SIZE) x FUZZY ALL", NULL},
		{"a SORT RETURN (MIN PARTIAL -1:-5) (SIZE) x ALL", NULL},
		{"a THREAD references UTF-8 ALL", "a THREAD REFERENCES UTF-8 ALL"},
		{"a UID THREAD ORDEREDSUBJECT x OR 1 UID 2", NULL}, {"a THREAD REFS x $", NULL},
	};
	static const struct bad bad[] = {
		{"a SORT", 6, "A space is expected"}, {"a SORT DATE UTF-8 ALL", 7, "A parenthesis is expected"},
		{"a SORT () UTF-8 ALL", 9, "A sort key is expected"}, {"a SORT (X) UTF-8 ALL", 9, "This sort key is not known"},
		{"a SORT (REVERSE) UTF-8 ALL", 15, "A space is expected"}, {"a SORT (DATE) UTF-8", 19, "A space is expected"},
		{"a SORT (DATE", 12, "A space or a closing parenthesis is expected"},
		{"a SORT (DATE)  ALL", 14, "A string is expected"}, {"a THREAD", 8, "A space is expected"},
		{"a THREAD LATEST UTF-8 ALL", 15, "This threading algorithm is not known"},
		{"a THREAD REFS UTF-8", 19, "A space is expected"},
		{"a SORT (RELEVANCY) x ALL", 24, "RELEVANCY is of FUZZY searches"},
	};
	struct arena a;
	struct request r;
	struct parse_error error;
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
	/* RFC 9755 3 */
	arena_init(&a);
	assert_int_equal(parse_request(&a, span_of("a SORT (DATE) US-ASCII ALL"), DIALECT_UTF8, &r, &error), PARSE_BAD);
	assert_int_equal(parse_request(&a, span_of("a THREAD REFS utf-8 ALL"), DIALECT_UTF8, &r, &error), PARSE_OK);
	assert_true(r.search.algorithm == THREAD_REFS && !r.search.has_modseq);
	/* RFC 5182 2.1: what cannot be read to its end was to be saved all the same. */
	assert_int_equal(parse_request(&a, span_of("a SORT RETURN (SAVE) (X) y ALL"), DIALECT_REV1, &r, &error), PARSE_BAD);
	assert_true(request_saves(&r));
	arena_finish(&a);
}

static void test_search(void **state)
{
	static const struct good good[] = {
		{"a SEARCH ALL", NULL}, {"a SEARCH 1:4,9 UID 5:*", NULL}, {"a SEARCH *", NULL},
		{"a SEARCH answered deleted draft flagged seen recent", "a SEARCH Answered Deleted Draft Flagged Seen RECENT"},
		{"a SEARCH UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN UNKEYWORD x OLD",
		 "a SEARCH NOT Answered NOT Deleted NOT Draft NOT Flagged NOT Seen NOT KEYWORD x NOT RECENT"},
		{"a SEARCH NEW", "a SEARCH (RECENT NOT Seen)"},
		{"a SEARCH FROM x TO \"y z\" CC {1}\r\nc BCC b SUBJECT \"\"",
		 "a SEARCH FROM \"x\" TO \"y z\" CC \"c\" BCC \"b\" SUBJECT \"\""},
		{"a SEARCH HEADER X-Y \"\" BODY b TEXT t", "a SEARCH HEADER X-Y \"\" BODY \"b\" TEXT \"t\""},
		{"a SEARCH BEFORE 1-Feb-1994 ON \"01-feb-1994\" SINCE 31-Feb-2024",
		 "a SEARCH BEFORE 1-Feb-1994 ON 1-Feb-1994 SINCE 2-Mar-2024"},
		{"a SEARCH SENTBEFORE 29-Dec-0000 SENTON 9-Jul-2024 SENTSINCE 31-Dec-9999", NULL},
		{"a SEARCH LARGER 0 SMALLER 4294967295 OLDER 1 YOUNGER 86400", NULL},
		{"a SEARCH SAVEDBEFORE 1-Feb-1994 SAVEDON 1-Feb-1994 SAVEDSINCE 31-Dec-9999", NULL},
		{"a SEARCH SAVEDATESUPPORTED", "a SEARCH ALL"}, {"a SEARCH EMAILID M_-9 THREADID a", NULL},
		{"a SEARCH OR NOT SEEN (1 FROM x) KEYWORD $Junk", "a SEARCH OR NOT Seen (1 FROM \"x\") KEYWORD $Junk"},
		{"a SEARCH NOT NOT NOT 1", NULL}, {"a SEARCH ((1))", NULL},
		{"a SEARCH fuzzy (FROM x 1) Fuzzy NOT SEEN", "a SEARCH FUZZY (FROM \"x\" 1) FUZZY NOT Seen"},
		{"a SEARCH RETURN (RELEVANCY) OR 1 NOT FUZZY 2", NULL},
		{"a UID SEARCH RETURN () ALL", "a UID SEARCH RETURN (ALL) ALL"},
		{"a SEARCH RETURN (count MIN MAX) CHARSET UTF-8 ALL", "a SEARCH RETURN (MIN MAX COUNT) CHARSET UTF-8 ALL"},
		{"a SEARCH RETURN (SAVE) $", NULL}, {"a SEARCH OR $ NOT UID $", "a SEARCH OR $ NOT $"},
		{"a SEARCH RETURN (MAX save partial 1:500) ALL", "a SEARCH RETURN (MAX SAVE PARTIAL 1:500) ALL"},
		{"a SEARCH RETURN (PARTIAL -500:-1) ALL", NULL},
		{"a FETCH $ (FLAGS)", NULL}, {"a UID FETCH 1:* (UID) (PARTIAL -1:-3)", NULL},
		{"a STORE $ +FLAGS.SILENT (\\Deleted)", NULL}, {"a MOVE $ x", NULL}, {"a UID EXPUNGE $", NULL},
		{"a UIDBATCHES 500", NULL}, {"a uidbatches 4294967295 10:20", "a UIDBATCHES 4294967295 10:20"},
		{"a SEARCH CHARSET \"x y\" ALL", NULL}, {"a SEARCH TEXT {2}\r\n\xc3\xa4", NULL},
	};
	static const struct bad bad[] = {
		{"a SEARCH", 8, "A space is expected"}, {"a SEARCH ", 9, "A word is expected"},
		{"a SEARCH X", 9, "This search key is not known"}, {"a SEARCH ALL ", 13, "A word is expected"},
		{"a SEARCH ()", 10, "A word is expected"}, {"a SEARCH (1", 11, "A closing parenthesis is expected"},
		{"a SEARCH (1 )", 12, "A word is expected"}, {"a SEARCH NOT", 12, "A space is expected"},
		{"a SEARCH OR 1", 13, "A space is expected"}, {"a SEARCH OR 1 ", 14, "A word is expected"},
		{"a SEARCH ON 32-Jan-2024", 23, "This is not a date"}, {"a SEARCH ON 0-Jan-2024", 22, "This is not a date"},
		{"a SEARCH ON 1-Foo-2024", 22, "This is not a date"}, {"a SEARCH ON 1-Jan-24", 20, "This is not a date"},
		{"a SEARCH ON \" 1-Jan-2024\"", 25, "This is not a date"}, {"a SEARCH OLDER 0", 15, "A number from 1 is expected, without leading zeros"},
		{"a SEARCH LARGER 4294967296", 25, "The number is too large"}, {"a SEARCH LARGER x", 16, "A number is expected"},
		{"a SEARCH KEYWORD \\Seen", 17, "A word is expected"}, {"a SEARCH KEYWORD \"x\"", 17, "A word is expected"},
		{"a SEARCH HEADER x", 17, "A space is expected"}, {"a SEARCH RETURN (X) ALL", 18, "This RETURN option is not known"},
		{"a SEARCH RETURN (MIN)", 21, "A space is expected"}, {"a SEARCH RETURN MIN ALL", 16, "A parenthesis is expected"},
		{"a SEARCH CHARSET UTF-8", 22, "A space is expected"}, {"a SEARCH CHARSET UTF-8 RETURN () ALL", 23, "This search key is not known"},
		{"a SEARCH FUZZY", 14, "A space is expected"}, {"a SEARCH FUZZY ", 15, "A word is expected"},
		{"a SEARCH RETURN (RELEVANCY) ALL", 31, "RELEVANCY is of FUZZY searches"},
		{"a SEARCH UID", 12, "A space is expected"}, {"a SEARCH UID x", 13, "A number is expected"},
		{"a SEARCH EMAILID \"M1\"", 17, "A word is expected"}, {"a SEARCH THREADID T.1", 21, "This is not an object id"},
		{"a SEARCH MODSEQ \"/flags/x\" 5", 27, "priv, shared or all is expected"},
		{"a UIDBATCHES", 12, "A space is expected"}, {"a UIDBATCHES 0", 13, "A number from 1 is expected, without leading zeros"},
		{"a UIDBATCHES 500 1", 18, "A range is expected"}, {"a UIDBATCHES 500 1:*", 19, "A number is expected"},
		{"a UIDBATCHES 500 4:1", 20, "The range of batches does not ascend"},
		{"a UIDBATCHES 500 1:2 3:4", 20, "Unexpected text at the end"},
		{"a UID UIDBATCHES 500", 16, "This command has no UID form"},
		{"a SEARCH $,1", 10, "Unexpected text at the end"}, {"a FETCH 1,$ UID", 10, "A number is expected"},
		{"a SEARCH RETURN (PARTIAL) ALL", 24, "A space is expected"},
		{"a SEARCH RETURN (PARTIAL 1) ALL", 26, "A range is expected"},
		{"a SEARCH RETURN (PARTIAL 1:*) ALL", 27, "A number is expected"},
		{"a SEARCH RETURN (PARTIAL 0:1) ALL", 25, "A number from 1 is expected, without leading zeros"},
		{"a SEARCH RETURN (PARTIAL -1:1) ALL", 28, "Both ends of a range count from the same side"},
		{"a SEARCH RETURN (PARTIAL 1:-1) ALL", 27, "A number is expected"},
		{"a SEARCH RETURN (ALL PARTIAL 1:2) ALL", 28, "PARTIAL stands alone, without ALL"},
		{"a SEARCH RETURN (PARTIAL 1:2 ALL) ALL", 32, "PARTIAL stands alone, without ALL"},
		{"a SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL", 36, "PARTIAL stands alone, without ALL"},
		{"a FETCH 1 UID (PARTIAL 1:2)", 15, "This modifier is not known, or there twice"},
		{"a UID FETCH 1 UID (PARTIAL 1:2 PARTIAL 1:2)", 31, "This modifier is not known, or there twice"},
		{"a UID FETCH 1 UID ()", 20, "A modifier is expected"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
}

/* Builds begin, then n times item (with %zu for a number, from 1), then end, and tells how it was answered. */
static enum parse_limit limit_of(const char *begin, const char *item, size_t n, const char *end)
{
	struct buf text, out;
	struct parse_error error;
	buf_init(&text, 1 << 22);
	buf_init(&out, 1 << 22);
	buf_add_text(&text, begin);
	for (size_t i = 0; i < n; i++) {
		const char *number = strchr(item, '#');
		buf_add(&text, item, number ? (size_t)(number - item) : strlen(item));
		if (number) {
			buf_add_u64(&text, i + 1);
			buf_add_text(&text, number + 1);
		}
	}
	buf_add_text(&text, end);
	buf_add_char(&text, '\0');
	enum parse_status status = parse_and_print(text.data, &out, &error);
	if (status == PARSE_BAD)
		fail_msg("<%.60s...>: %s (at %zu)", text.data, error.message, error.offset);
	assert_int_equal(status == PARSE_LIMIT, error.limit != LIMIT_NONE);
	buf_finish(&text);
	buf_finish(&out);
	return error.limit;
}

static void test_limits(void **state)
{
	static const struct {
		enum parse_limit limit;
		const char *begin, *item, *end;
		size_t fewer; /* how many less than the limit fit, for what stands in begin and end */
	} cases[] = {
		{LIMIT_SET_RANGES, "a COPY 1", ",#", " b", 1}, {LIMIT_SET_RANGES, "a SEARCH UID *", ",#", "", 1},
		{LIMIT_FETCH_ITEMS, "a FETCH 1 (FLAGS", " BODY[#]", ")", 1},
		{LIMIT_PART_LEVELS, "a FETCH 1 BODY[1", ".#", "]", 1}, {LIMIT_PART_LEVELS, "a FETCH 1 BINARY[1", ".#", "]", 1},
		{LIMIT_HEADER_FIELDS, "a FETCH 1 (BODY[HEADER.FIELDS (a)] BODY[HEADER.FIELDS (b", " x#", ")])", 2},
		{LIMIT_SEARCH_DEPTH, "a SEARCH ", "NOT ", "ALL", 0}, {LIMIT_SEARCH_DEPTH, "a SEARCH ", "OR 1 ", "ALL", 0},
		{LIMIT_SEARCH_KEYS, "a SEARCH ALL", " #", "", 1},
		{LIMIT_KEYWORDS, "a STORE 1 FLAGS (\\Seen", " k#", ")", 0}, {LIMIT_KEYWORD_BYTES, "a STORE 1 FLAGS ", "k", "", 0},
		{LIMIT_LIST_PATTERNS, "a LIST \"\" (a", " p#", ")", 1}, {LIMIT_ENABLE_NAMES, "a ENABLE a", " x#", "", 1},
		{LIMIT_ID_PAIRS, "a ID (\"a\" NIL", " \"k#\" NIL", ")", 1}, {LIMIT_ID_KEY_BYTES, "a ID (\"", "k", "\" NIL)", 0},
		{LIMIT_ID_VALUE_BYTES, "a ID (\"a\" \"", "v", "\")", 0},
		{LIMIT_METADATA_ENTRIES, "a GETMETADATA b (/shared/a", " /shared/x#", ")", 1},
		{LIMIT_METADATA_ENTRIES, "a SETMETADATA b (/shared/a NIL", " /shared/x# NIL", ")", 1},
		{LIMIT_METADATA_NAME_BYTES, "a GETMETADATA b /shared/", "x", "", 8},
	};
	bool seen[PARSE_LIMITS] = {[LIMIT_NONE] = true, [LIMIT_TAG_BYTES] = true};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		size_t most = parse_limits[cases[i].limit].max - cases[i].fewer;
		assert_int_equal(limit_of(cases[i].begin, cases[i].item, most, cases[i].end), LIMIT_NONE);
		assert_int_equal(limit_of(cases[i].begin, cases[i].item, most + 1, cases[i].end), cases[i].limit);
		seen[cases[i].limit] = true;
	}
	for (size_t i = 0; i < PARSE_LIMITS; i++)
		assert_true(seen[i]);
}

/* Parentheses cost a level each: a line full of them is refused, not followed. */
static void test_deep_parentheses(void **state)
{
	(void)state;
	char text[65536] = "a SEARCH ";
	memset(text + 9, '(', sizeof(text) - 10);
	text[sizeof(text) - 1] = '\0';
	struct parse_error error;
	struct buf out;
	buf_init(&out, 1);
	assert_int_equal(parse_and_print(text, &out, &error), PARSE_LIMIT);
	assert_int_equal(error.limit, LIMIT_SEARCH_DEPTH);
	buf_finish(&out);
}

static void test_tag_is_known_where_readable(void **state)
{
	static const struct {
		const char *text, *tag;
	} cases[] = {{"a1 ZZZ", "a1"}, {"a1 FETCH", "a1"}, {"a1", "a1"}, {"a1+ NOOP", NULL}, {"(x NOOP", NULL}, {"", NULL}, {"a1 (", "a1"}};
	struct arena a;
	struct request r;
	struct parse_error error;
	struct span tag;
	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(cases); i++) {
		assert_int_equal(parse_request(&a, span_of(cases[i].text), DIALECT_REV1, &r, &error), PARSE_BAD);
		parse_peek(span_of(cases[i].text), &tag);
		if (cases[i].tag) {
			assert_true(span_equal(r.tag, span_of(cases[i].tag)));
			assert_true(span_equal(tag, span_of(cases[i].tag)));
		} else {
			assert_null(r.tag.ptr);
			assert_null(tag.ptr);
		}
	}
	char text[200];
	memset(text, 't', sizeof(text));
	memcpy(text + parse_limits[LIMIT_TAG_BYTES].max, " NOOP", 5);
	struct span longest = span_make(text, parse_limits[LIMIT_TAG_BYTES].max + 5);
	assert_int_equal(parse_request(&a, longest, DIALECT_REV1, &r, &error), PARSE_OK);
	text[parse_limits[LIMIT_TAG_BYTES].max] = 't';
	memcpy(text + parse_limits[LIMIT_TAG_BYTES].max + 1, " NOOP", 5);
	longest.len++;
	assert_int_equal(parse_request(&a, longest, DIALECT_REV1, &r, &error), PARSE_BAD);
	assert_null(r.tag.ptr);
	arena_finish(&a);
}

/* RFC 9586 3, 3.2, 3.5: no sequence numbers, in whatever depth. */
static void test_uidonly(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{"a FETCH 1 FLAGS", false}, {"a STORE 1 FLAGS ()", false}, {"a SEARCH ALL", false}, {"a COPY * x", false},
		{"a MOVE 1 x", false}, {"a UID SEARCH 1", false}, {"a UID SEARCH *", false}, {"a UID SEARCH NOT (OR SEEN 1:2)", false},
		{"a UID FETCH 1:* FLAGS", true}, {"a UID STORE * FLAGS ()", true}, {"a UID SEARCH UID 1:*", true},
		{"a SELECT x (QRESYNC (1 1 1:5 (1 1)))", false}, {"a SELECT x (QRESYNC (1 1 1:5))", true},
		{"a UID COPY * x", true}, {"a UID MOVE 1 x", true}, {"a EXPUNGE", true}, {"a UID EXPUNGE 1", true},
	};
	struct arena a;
	struct request r;
	struct parse_error error;
	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(cases); i++) {
		assert_int_equal(parse_request(&a, span_of(cases[i].text), DIALECT_UIDONLY | DIALECT_QRESYNC, &r, &error),
				 cases[i].ok ? PARSE_OK : PARSE_BAD);
		assert_string_equal(cases[i].ok ? "UIDREQUIRED" : error.code, "UIDREQUIRED");
		assert_int_equal(parse_request(&a, span_of(cases[i].text), DIALECT_QRESYNC, &r, &error), PARSE_OK);
	}
	/* What is wrong otherwise is not about numbers. */
	assert_int_equal(parse_request(&a, span_of("a UID FETCH x FLAGS"), DIALECT_UIDONLY, &r, &error), PARSE_BAD);
	assert_null(error.code);
	arena_finish(&a);
}

static void test_peek(void **state)
{
	struct span tag;
	(void)state;
	assert_int_equal(parse_peek(span_of("a append x {5}"), &tag), CMD_APPEND);
	assert_int_equal(parse_peek(span_of("a UID FETCH"), &tag), CMD_FETCH);
	assert_int_equal(parse_peek(span_of("a UID"), &tag), CMD_UNKNOWN);
	assert_int_equal(parse_peek(span_of("a {5}"), &tag), CMD_UNKNOWN);
	static const char *const streams[] = {"a APPEND x {5}", "a append {1}\r\nx {5}", "a APPEND x CATENATE (TEXT {5}",
					      "a REPLACE 1 x {5}", "a UID REPLACE * x ~{5+}", "a APPEND x (", "a APPEND"};
	static const char *const keeps[] = {"a APPEND {5}", "a APPEND {5+}", "a APPEND x CATENATE (URL {5}",
					    "a REPLACE 1 {5}", "a UID REPLACE 1 x CATENATE (URL \"y\" URL {5+}"};
	for (size_t i = 0; i < countof(streams); i++)
		assert_true(parse_append_streams(span_of(streams[i])));
	for (size_t i = 0; i < countof(keeps); i++)
		assert_false(parse_append_streams(span_of(keeps[i])));
}

/* `printed` as it is written again, with its stop; NULL: it is refused at `offset`. */
static void check_append(const char *text, enum append_place place, bool single, const char *printed, size_t offset)
{
	struct arena a;
	struct request r = {0};
	struct parse_error error;
	struct buf out;
	arena_init(&a);
	buf_init(&out, 1 << 16);
	enum parse_status status = parse_append(&a, span_of(text), DIALECT_REV1, place, single, &r, &error);
	if (status != (printed ? PARSE_OK : PARSE_BAD))
		fail_msg("<%s>: %s (at %zu)", text, error.message, error.offset);
	if (printed) {
		append_print(&out, &r.append, place == APPEND_IN_LIST);
		if (!span_equal(buf_span(&out), span_of(printed)))
			fail_msg("<%s> is printed <%.*s>", text, (int)out.len, out.data);
	} else if (error.offset != offset) {
		fail_msg("<%s>: %s (at %zu)", text, error.message, error.offset);
	}
	buf_finish(&out);
	arena_finish(&a);
}

static void check_start(const char *text, const char *printed, size_t offset)
{
	check_append(text, APPEND_AT_START, false, printed, offset);
}

static void test_append(void **state)
{
	(void)state;
	check_start("a APPEND x {5}", "x ", 0);
	check_start("a APPEND \"x y\" () {5+}", "\"x y\" () ", 0);
	check_start("a APPEND {1}\r\nx (\\Seen $A b) \" 7-Feb-1994 21:52:25 -0800\" {5}",
		    "x (\\Seen $A b) \" 7-Feb-1994 21:52:25 -0800\" ", 0);
	check_start("a APPEND x \"7-feb-1994 21:52:25 +0000\" {5}", "x \" 7-Feb-1994 21:52:25 +0000\" ", 0);
	check_start("a APPEND x ~{5}", "x ", 0);
	check_start("a APPEND {5}", "", 0);
	check_start("a APPEND x{5}", NULL, 10);
	check_start("a APPEND x  {5}", NULL, 11);
	check_start("a APPEND x \\Seen {5}", NULL, 11);
	check_start("a APPEND x (\\Recent) {5}", NULL, 19);
	check_start("a APPEND x () \"7-Feb-1994\" {5}", NULL, 26);
	check_start("a APPEND x \" 7-Feb-1994 21:52:25 -0800\" () {5}", NULL, 40);
	check_start("a APPEND x ~5}", NULL, 11);
	check_start("a APPEND x (){5}", NULL, 13);
	check_start("a APPEND x UTF8 (~{5}", NULL, 11);
	check_start("a UID APPEND x {5}", NULL, 6);
	check_append(" {5}", APPEND_AFTER, false, "", 0);
	check_append(" (\\Draft) {5}", APPEND_AFTER, false, "(\\Draft) ", 0);
	check_append("", APPEND_AFTER, false, "", 0);
	check_append("{5}", APPEND_AFTER, false, NULL, 0);
	check_append(" x {5}", APPEND_AFTER, false, NULL, 1);
	check_append(" ", APPEND_AFTER, false, NULL, 1);
}

static void test_replace(void **state)
{
	(void)state;
	check_start("a REPLACE 4 x (\\Seen) {5}", "4 x (\\Seen) ", 0);
	check_start("a UID REPLACE * \"x\" {5}", "* x ", 0);
	check_start("a UID REPLACE 7 x CATENATE (TEXT {5}", "7 x CATENATE (TEXT ", 0);
	check_start("a REPLACE 4 {5}", "4 ", 0);
	check_start("a REPLACE 1:2 x {5}", NULL, 13);
	check_start("a REPLACE 1,2 x {5}", NULL, 13);
	check_start("a REPLACE 0 x {5}", NULL, 10);
	check_start("a REPLACE x {5}", NULL, 10);
	check_append("", APPEND_AFTER, true, "", 0);
	check_append(" {5}", APPEND_AFTER, true, NULL, 0);
	check_append(") {5}", APPEND_IN_LIST, true, NULL, 1);
}

static void test_catenate(void **state)
{
	static const struct good good[] = {
		{"a APPEND x CATENATE (URL \"/y;uid=1\" URL /z)", "a APPEND x CATENATE (URL \"/y;uid=1\" URL \"/z\")"},
		{"a APPEND x (\\Seen) catenate (url {2}\r\n/y) CATENATE (URL z)",
		 "a APPEND x (\\Seen) CATENATE (URL \"/y\") CATENATE (URL \"z\")"},
		{"a UID REPLACE 3 x CATENATE (URL y)", "a UID REPLACE 3 x CATENATE (URL \"y\")"},
	};
	static const struct bad bad[] = {
		{"a APPEND x", 10, "A space is expected"}, {"a APPEND x {5}", 14, "The literal is not there"},
		{"a APPEND x CATENATE ()", 21, "TEXT or URL is expected"}, {"a APPEND x CATENATE (URL)", 24, "A space is expected"},
		{"a APPEND x CATENATE (URL y", 26, "A space is expected"}, {"a APPEND x CATENATE (URL y )", 27, "TEXT or URL is expected"},
		{"a APPEND x CATENATE (TEXT \"y\")", 26, "A literal is expected"}, {"a APPEND x CATENATE URL y", 20, "A parenthesis is expected"},
		{"a REPLACE 1 x CATENATE (URL y) CATENATE (URL z)", 30, "Unexpected text at the end"},
	};
	(void)state;
	check_all(good, countof(good), bad, countof(bad));
	check_start("a APPEND x CATENATE (URL y TEXT {5}", "x CATENATE (URL \"y\" TEXT ", 0);
	check_start("a APPEND x CATENATE (URL {5}", "x CATENATE (URL ", 0);
	check_start("a APPEND x CATENATE (TEXT ~{5}", NULL, 26);
	check_append(" URL y TEXT {5}", APPEND_IN_LIST, false, "URL \"y\" TEXT ", 0);
	check_append(" URL {5}", APPEND_IN_LIST, false, "URL ", 0);
	check_append(")", APPEND_IN_LIST, false, ")", 0);
	check_append(") () CATENATE (TEXT {5}", APPEND_IN_LIST, false, ") () CATENATE (TEXT ", 0);
	check_append("", APPEND_IN_LIST, false, NULL, 0);
	check_append(" )", APPEND_IN_LIST, false, NULL, 1);
	check_append(")x", APPEND_IN_LIST, false, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags_and_names), cmocka_unit_test(test_strings),
		cmocka_unit_test(test_nul_is_nowhere), cmocka_unit_test(test_utf8_dialect), cmocka_unit_test(test_dialects),
		cmocka_unit_test(test_auth), cmocka_unit_test(test_mailboxes), cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_notify), cmocka_unit_test(test_list),
		cmocka_unit_test(test_sets), cmocka_unit_test(test_fetch), cmocka_unit_test(test_store),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_search), cmocka_unit_test(test_limits), cmocka_unit_test(test_deep_parentheses),
		cmocka_unit_test(test_tag_is_known_where_readable), cmocka_unit_test(test_uidonly), cmocka_unit_test(test_peek),
		cmocka_unit_test(test_append), cmocka_unit_test(test_replace),
		cmocka_unit_test(test_catenate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
