/* Every string that SEARCH can find in a message has all its grams in what the index is given. */
#include "protocol/mime/grams.h"
#include "protocol/mime/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <utf8proc.h>

static bool has(const struct mime_grams *g, uint64_t gram)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->grams[i] == gram)
			return true;
	return false;
}

/* Is there a gram that begins with these two, and one with the last of them? */
static bool begins_one(const struct mime_grams *g, uint64_t two)
{
	const uint64_t mask = 0x1fffff;
	bool pair = false, one = false;
	for (size_t i = 0; i < g->n && !(pair && one); i++) {
		pair = pair || g->grams[i] >> 21 == two;
		one = one || g->grams[i] >> 42 == (two & mask);
	}
	return pair && one;
}

/* All grams of a folded text, and some that begin with each two characters of it; false when one is missing.  `skip_accents`: of the text without them. */
static bool has_all(const struct mime_grams *g, struct span text, bool skip_accents)
{
	uint64_t last = 0;
	size_t chars = 0;
	while (text.len) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text.ptr, (utf8proc_ssize_t)text.len, &c);
		text = span_after(text, n > 0 ? (size_t)n : 1);
		if (n > 0 && skip_accents && c >= 0x300 && c < 0x370)
			continue;
		last = (last << 21 | (uint64_t)(n > 0 ? c : 0)) & 0x7fffffffffffffff;
		chars = n > 0 && c ? chars + 1 : 0;
		if ((chars >= 3 && !has(g, last)) || (chars >= 2 && !begins_one(g, last & 0x3ffffffffff)))
			return false;
	}
	return true;
}

static bool text_has_all(const struct mime_grams *g, const char *text, bool skip_accents)
{
	struct buf folded;
	buf_init(&folded, 1 << 16);
	mime_fold(span_of(text), &folded);
	bool all = has_all(g, buf_span(&folded), skip_accents);
	buf_finish(&folded);
	return all;
}

/* Keeps each string, with a byte between them that is no text. */
static bool keep(void *ctx, enum mime_stream stream, struct span folded, bool ends)
{
	struct buf *kept = ctx;
	buf_add_span(&kept[stream], folded);
	if (ends)
		buf_add_char(&kept[stream], '\xff');
	return true;
}

static void walk(struct span message, mime_take_string *take, void *ctx)
{
	struct mime_parser *p = mime_parser_create();
	struct mime_strings s;
	uint32_t offset, len;
	mime_parser_feed(p, message);
	mime_strings_init(&s, buf_span(&mime_parser_end(p)->parts), MIME_SEARCH_TEXT, take, ctx);
	while (mime_strings_next(&s, &offset, &len) && mime_strings_feed(&s, span_make(message.ptr + offset, len)))
		;
	mime_strings_finish(&s);
	mime_parser_destroy(p);
}

static void test_grams_of_a_message(void **state)
{
	(void)state;
	const char *m = "Subject: =?utf-8?Q?Caf=C3=A9?= du Nord\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
			"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
			"voil=E0 une tr=\r\n=E8s longue histoire\r\nsur deux lignes \xff oui\r\n--b\r\n"
			"Content-Type: text/html\r\n\r\n<p>Gr&uuml;&szlig;e</p>\r\n--b\r\n"
			"Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht.pdf\r\n\r\nx\r\n--b--\r\n";
	struct mime_grams g;
	mime_grams_init(&g);
	walk(span_of(m), mime_grams_take, &g);
	assert_false(g.full);
	static const char *const there[] = {"caf\xc3\xa9 du nord", "VOIL\xc3\x80 une tr\xc3\xa8s longue histoire\r\nsur",
					    "subject: caf", "<p>gr&uuml;", "gr\xc3\xbc\xc3\x9f" "e", "\xc3\xbc" "bersicht.pdf"};
	for (size_t i = 0; i < countof(there); i++)
		assert_true(text_has_all(&g, there[i], false));
	assert_true(text_has_all(&g, there[0], true));
	assert_true(text_has_all(&g, there[1], true));
	assert_true(text_has_all(&g, there[5], true));
	assert_false(text_has_all(&g, "nordcontent", false)); /* not from string to string */
	assert_false(text_has_all(&g, "absent", false));
	/* Marked ones are others. */
	size_t before = g.n;
	g.mark = MIME_GRAM_MARKS;
	assert_true(mime_grams_take(&g, MIME_STREAM_AS_IS, span_of("VOIL"), true));
	assert_int_equal(g.n, before + 4);
	assert_true(has(&g, MIME_GRAM_MARKS | (uint64_t)'V' << 42 | (uint64_t)'O' << 21 | 'I'));
	/* The next message has none of it. */
	mime_grams_reset(&g);
	assert_int_equal(g.n, 0);
	walk(span_of("Subject: x\r\n\r\nhello"), mime_grams_take, &g);
	assert_true(text_has_all(&g, "hello", false));
	assert_false(text_has_all(&g, "nord", false));
	mime_grams_finish(&g);
}

/* Random octets: whatever comes out of the walker has its grams, however many there are. */
static void test_nothing_is_lost(void **state)
{
	(void)state;
	static const char *const pieces[] = {"\xc3\xa9", "\xcc\x81", "\xe2\x82", "\x80", "\xac", "ab", "\xed\xa0\x80", "&eacute;",
					     "<p>", " \r\n ", "\xf0\x9f\x90\x94", "=", "\xc3", "Z", "\xc5\xbf"};
	uint64_t random = 88172645463325252u;
	for (int round = 0; round < 24; round++) {
		struct buf m, kept[MIME_STREAMS];
		struct mime_grams g;
		buf_init(&m, 1 << 20);
		for (size_t i = 0; i < MIME_STREAMS; i++)
			buf_init(&kept[i], 1 << 20);
		buf_add_text(&m, "Content-Type: text/html; charset=");
		buf_add_text(&m, round % 3 ? "utf-8\r\n\r\n" : "x-none\r\n\r\n");
		for (int i = 0; i < 1500; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			buf_add_text(&m, pieces[(random >> 40) % countof(pieces)]);
			if (round % 2)
				buf_printf(&m, "%c", (int)('A' + (random >> 20) % 26));
		}
		mime_grams_init(&g);
		walk(buf_span(&m), mime_grams_take, &g);
		walk(buf_span(&m), keep, kept);
		assert_false(g.full);
		for (size_t i = 0; i < MIME_STREAMS; i++) {
			assert_true(kept[i].len > 100);
			assert_true(has_all(&g, buf_span(&kept[i]), false));
			assert_true(has_all(&g, buf_span(&kept[i]), true));
			buf_finish(&kept[i]);
		}
		mime_grams_finish(&g);
		buf_finish(&m);
	}
}

/* A long string, taken in stretches and in uneven bites: each MIME_GRAMS_OVERLAP characters of it stand in one of them, and
 * without their accents too. */
static void test_stretches(void **state)
{
	(void)state;
	enum { CHARS = 3000, STRETCHES_MAX = 200 };
	static const char *const chars[] = {"A", "B", "\xc3\x89", "E\xcc\x81", "\xe2\x82\xac", "\xf0\x9f\x90\x94",
					    " ", "Z"};
	static struct mime_grams stretches[STRETCHES_MAX];
	static size_t starts[CHARS + 1];
	uint64_t random = 88172645463325252u;
	size_t n = 0;
	struct mime_grams g;
	struct buf text;
	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < CHARS; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		starts[i] = text.len;
		buf_add_text(&text, chars[(random >> 33) % countof(chars)]);
	}
	starts[CHARS] = text.len;
	mime_grams_init(&g);
	for (size_t at = 0, take; at < CHARS; at += take) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		take = 1 + (random >> 33) % 60 < CHARS - at ? 1 + (random >> 33) % 60 : CHARS - at;
		assert_true(mime_grams_take(&g, MIME_STREAM_AS_IS,
					    span_make(text.data + starts[at], starts[at + take] - starts[at]),
					    at + take == CHARS));
		if ((random >> 50) % 3 && at + take < CHARS)
			continue;
		assert_in_range(n, 0, STRETCHES_MAX - 1);
		stretches[n] = (struct mime_grams){.grams = xmalloc((g.n + 1) * sizeof(*g.grams)), .n = g.n};
		memcpy(stretches[n++].grams, g.grams, g.n * sizeof(*g.grams));
		mime_grams_next(&g);
	}
	assert_int_equal(g.n, 0); /* the string has ended */
	assert_in_range(n, 10, STRETCHES_MAX - 1);
	for (size_t at = 0; at + MIME_GRAMS_OVERLAP <= CHARS; at++) {
		struct span part = span_make(text.data + starts[at], starts[at + MIME_GRAMS_OVERLAP / 2] - starts[at]);
		bool as_is = false, plain = false;
		for (size_t i = 0; i < n; i++) {
			as_is = as_is || has_all(&stretches[i], part, false);
			plain = plain || has_all(&stretches[i], part, true);
		}
		assert_true(as_is && plain);
	}
	for (size_t i = 0; i < n; i++)
		free(stretches[i].grams);
	mime_grams_finish(&g);
	buf_finish(&text);
}

static void test_too_many(void **state)
{
	(void)state;
	struct mime_grams g;
	struct buf text;
	uint64_t random = 88172645463325252u;
	mime_grams_init(&g);
	buf_init(&text, 1 << 21);
	for (int i = 0; i < MIME_GRAMS_MAX + 1000; i++) {
		utf8proc_uint8_t utf8[4];
		random = random * 6364136223846793005u + 1442695040888963407u;
		buf_add(&text, utf8, (size_t)utf8proc_encode_char((utf8proc_int32_t)(0x4e00 + (random >> 33) % 20000), utf8));
	}
	assert_true(mime_grams_take(&g, MIME_STREAM_AS_IS, span_make(text.data, 300), true));
	assert_int_equal(g.n, 98 + 2); /* and how it ends */
	assert_false(mime_grams_take(&g, MIME_STREAM_AS_IS, buf_span(&text), true));
	assert_true(g.full);
	assert_int_equal(g.n, MIME_GRAMS_MAX);
	/* The next message starts with little. */
	mime_grams_reset(&g);
	assert_false(g.full);
	assert_in_range(g.cap, 1, 32768);
	buf_finish(&text);
	mime_grams_finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grams_of_a_message),
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_stretches),
		cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
