/* What is derived for SORT, THREAD and PREVIEW: base subjects, message IDs, keys as stored, previews, HTML. */
#include "protocol/mime/keys.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/preview.h"
#include "protocol/mime/references.h"
#include "protocol/mime/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void expect_span(struct span got, const char *want)
{
	if (!span_equal(got, span_of(want)))
		fail_msg("got \"%.*s\", wanted \"%s\"", (int)got.len, got.ptr, want);
}

static void expect_subject(const char *raw, const char *want, bool reply)
{
	struct buf out;
	buf_init(&out, 4096);
	bool got = mime_base_subject(span_of(raw), &out);
	expect_span(buf_span(&out), want);
	if (got != reply)
		fail_msg("%s: reply %d", raw, got);
	buf_finish(&out);
}

/* RFC 5256 2.1, step by step. */
static void test_base_subjects(void **state)
{
	(void)state;
	expect_subject("", "", false);
	expect_subject(" Hello\tthere\r\n  all ", "Hello there all", false);
	expect_subject("=?utf-8?Q?Re=3A_caf=C3=A9?=", "caf\xc3\xa9", true);
	expect_subject("Re: hello", "hello", true);
	expect_subject("RE : fwd: Fw:hello", "hello", true);
	expect_subject("Re[2]: hello", "hello", true);
	expect_subject("Re [list] : hello", "hello", true);
	expect_subject("[list] Re: [a] [b]fw[c]: hello", "hello", true);
	expect_subject("[list] hello", "hello", false);
	expect_subject("[list] [other] hello", "hello", false);
	expect_subject("[list]", "[list]", false);
	expect_subject("Re: [list]", "[list]", true);
	expect_subject("hello (fwd) (FWD)  ", "hello", true);
	expect_subject("[Fwd: hello]", "hello", true);
	expect_subject("[fwd: Re: [x] hello (fwd)] (fwd)", "hello", true);
	expect_subject("[fwd:]", "", true);
	expect_subject("Re:", "", true);
	expect_subject("Regarding: hello", "Regarding: hello", false);
	expect_subject("Re hello", "Re hello", false);
	expect_subject("[a[b] hello", "[a[b] hello", false);
	expect_subject("Re: Re: Re: ", "", true);
	expect_subject("forward (fwd) it", "forward (fwd) it", false);
}

static void expect_ids(const char *raw, const char *want)
{
	struct span rest = span_of(raw);
	struct buf id, all;
	buf_init(&id, 4096);
	buf_init(&all, 4096);
	while (mime_message_id_next(&rest, &id)) {
		buf_add_span(&all, buf_span(&id));
		buf_add_char(&all, ' ');
	}
	expect_span(buf_span(&all), want);
	buf_finish(&id);
	buf_finish(&all);
}

static void test_message_ids(void **state)
{
	(void)state;
	expect_ids("", "");
	expect_ids("<a@b>", "a@b ");
	expect_ids("  <a@b>\r\n\t<C@d>junk<e@f>", "a@b C@d e@f ");
	expect_ids("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", "01KF8JCEOCBS0045PS@xxx.yyy.com ");
	expect_ids("<\"a\\\"b>c\"@d>", "a\"b>c@d ");
	expect_ids("<> <@> <a> <@b> <a@> <a b@c> <a\tb@c>", "");
	expect_ids("<a@b <c@d> no brackets e@f <unclosed@g", "c@d ");
	expect_ids("<long-\r\n folded@id>", "long-folded@id ");
	expect_ids("<\"open@a> <c@d>", "c@d ");
	expect_ids("Your message of \"Monday\" <a@b> Joe <joe@example.org>", "a@b joe@example.org ");
}

static void read_header(const char *text, struct mime_header *h)
{
	mime_header_read(span_of(text), h);
}

static void test_sort_keys(void **state)
{
	(void)state;
	struct mime_header h;
	struct mime_sort_key key;
	struct mime_date date = {.utc_s = -5};
	struct buf out;
	buf_init(&out, 1 << 16);
	read_header("Subject: Re: =?iso-8859-1?Q?=E9t=E9?=\r\nFrom: =?utf-8?Q?J=C3=B6rg?= <jo@example.org>, b@c\r\n"
		    "To: friends: x@y;\r\n\r\n", &h);
	mime_sort_key_write(&h, &date, &out);
	assert_true(mime_sort_key_read(buf_span(&out), &key));
	assert_true(key.has_date && key.is_reply && key.utc_s == -5);
	expect_span(key.string[SORT_SUBJECT], "E\xcc\x81TE\xcc\x81");
	expect_span(key.string[SORT_FROM], "JO");
	expect_span(key.string[SORT_DISPLAY_FROM], "JO\xcc\x88RG");
	expect_span(key.string[SORT_TO], "FRIENDS");
	expect_span(key.string[SORT_DISPLAY_TO], "FRIENDS");
	expect_span(key.string[SORT_CC], "");
	for (size_t cut = 0; cut < out.len; cut++)
		assert_false(mime_sort_key_read(span_make(out.data, cut), &key));
	buf_reset(&out);
	read_header("From: a@example.org\r\nTo: <b>\r\n\r\n", &h);
	mime_sort_key_write(&h, NULL, &out);
	assert_true(mime_sort_key_read(buf_span(&out), &key) && !key.has_date && !key.is_reply);
	expect_span(key.string[SORT_DISPLAY_FROM], "A@EXAMPLE.ORG");
	expect_span(key.string[SORT_DISPLAY_TO], "B");
	buf_reset(&out);
	read_header("From: <>\r\nTo: Nobody <>\r\n\r\n", &h);
	mime_sort_key_write(&h, NULL, &out);
	assert_true(mime_sort_key_read(buf_span(&out), &key));
	expect_span(key.string[SORT_FROM], "");
	expect_span(key.string[SORT_DISPLAY_FROM], "");
	expect_span(key.string[SORT_DISPLAY_TO], "NOBODY");
	buf_finish(&out);
}

static void test_thread_keys(void **state)
{
	(void)state;
	struct mime_header h;
	struct mime_thread_key key;
	struct buf text, out;
	buf_init(&out, 1 << 16);
	buf_init(&text, 1 << 16);
	read_header("Message-ID: <me@x>\r\nIn-Reply-To: <p@x> <q@x>\r\n\r\n", &h);
	mime_thread_key_write(&h, &out);
	assert_true(mime_thread_key_read(buf_span(&out), &key) && key.references_n == 1);
	expect_span(key.id, "me@x");
	expect_span(key.reference[0], "p@x");
	buf_reset(&out);
	read_header("Message-ID: none\r\nReferences: nothing\r\n\r\n", &h);
	mime_thread_key_write(&h, &out);
	assert_true(mime_thread_key_read(buf_span(&out), &key) && key.references_n == 0 && key.id.len == 0);
	/* The eldest and the youngest of many. */
	buf_add_text(&text, "References:");
	for (int i = 0; i < 500; i++)
		buf_printf(&text, " <%d@x>", i);
	buf_add_text(&text, "\r\n\r\n");
	mime_header_read(buf_span(&text), &h);
	buf_reset(&out);
	mime_thread_key_write(&h, &out);
	assert_true(mime_thread_key_read(buf_span(&out), &key) && key.references_n == MIME_REFERENCES_MAX);
	expect_span(key.reference[0], "0@x");
	expect_span(key.reference[1], "401@x");
	expect_span(key.reference[MIME_REFERENCES_MAX - 1], "499@x");
	for (size_t cut = 0; cut < 12; cut++)
		assert_int_equal(mime_thread_key_read(span_make(out.data, cut), &key), cut == 4 || cut == 9);
	/* Long ones are held to their bytes. */
	buf_reset(&text);
	buf_reset(&out);
	buf_add_text(&text, "References:");
	for (int i = 0; i < 50; i++)
		buf_printf(&text, " <%0900d@x>", i);
	buf_add_text(&text, "\r\n\r\n");
	mime_header_read(buf_span(&text), &h);
	mime_thread_key_write(&h, &out);
	assert_true(mime_thread_key_read(buf_span(&out), &key));
	assert_in_range(out.len, MIME_THREAD_MAX - 1000, MIME_THREAD_MAX + 10);
	buf_finish(&out);
	buf_finish(&text);
}

static void expect_preview(const char *message, const char *want)
{
	struct span in = span_of(message);
	for (size_t step = 1; step <= in.len + 1; step += step < 5 ? 1 : in.len) {
		struct mime_parser *p = mime_parser_create();
		for (size_t at = 0; at < in.len; at += step)
			mime_parser_feed(p, span_make(in.ptr + at, in.len - at < step ? in.len - at : step));
		expect_span(mime_parser_end(p)->preview, want);
		mime_parser_destroy(p);
	}
}

#define HTML "Content-Type: text/html; charset=utf-8\r\n\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static void test_previews(void **state)
{
	(void)state;
	expect_preview("\r\n", "");
	expect_preview("\r\n  Hello,\r\n\r\n\tworld \r\n", "Hello, world");
	expect_preview("\r\nOn Monday X wrote:\r\n> quoted\r\n > too\r\nanswer\r\n-- \r\nsignature\r\n", "On Monday X wrote: answer");
	expect_preview("\r\n--\r\n-- x\r\n------------\r\n", "-- -- x ---");
	expect_preview("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
		       "caf=E9=\r\n noir=00=07\r\n", "caf\xc3\xa9 noir");
	expect_preview("Content-Type: text/plain; charset=utf-8\r\n\r\nbad \xff\xc3 octets\r\n", "bad octets");
	/* The first part that says something. */
	expect_preview(MIXED "preamble\r\n--b\r\n\r\n \r\n--b\r\nContent-Disposition: attachment\r\n\r\nattached\r\n--b\r\n"
			     "Content-Type: image/png\r\n\r\npng\r\n--b\r\n" HTML "<p>shown\r\n--b\r\n\r\nlate\r\n--b--\r\n", "shown");
	expect_preview("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninside\r\n", "inside");
	expect_preview(MIXED "--b\r\n\r\n--not\r\n-a delimiter\r\n--b--\r\n", "--not -a delimiter");
}

static void test_previews_of_html(void **state)
{
	(void)state;
	expect_preview(HTML "<html><head><title>No</title><style>p { x: '<p>' }</style></head><body>\r\n<p>One</p><p>tw<b>o</b>"
			    "<br/>three</p><script>if (a < b) x = '</p>';</script><!-- no -> <p> no --> four", "One two three four");
	expect_preview(HTML "a &amp; b &lt;c&gt; caf&eacute; &Eacute; &#233;&#x4E2D;&nbsp;x &bogus; &amp &", "a & b <c> caf\xc3\xa9 "
			    "\xc3\x89 \xc3\xa9\xe4\xb8\xad x &bogus; &");
	expect_preview(HTML "1 < 2 <3 <a title=\"x > y\" href='q'>link</a> it's <b class=it's>ok</b> &#0; &#xD800;",
		       "1 < 2 <3 link it's ok &#0; &#xD800;");
	expect_preview(HTML "Sale&zwnj;&nbsp;&zwnj;&nbsp;&#8203;&#847; now", "Sale\xe2\x80\x8c now");
	expect_preview(HTML "<!DOCTYPE html><?xml version='1'?><div>x</div ></ p>y", "x y");
	expect_preview(HTML "cut off in a <tag", "cut off in a");
}

static void test_previews_are_short(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 1 << 22);
	buf_add_text(&text, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	for (int i = 0; i < 1000; i++)
		buf_add_text(&text, "\xf0\x9f\x90\x94");
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, buf_span(&text));
	assert_int_equal(mime_parser_end(p)->preview.len, MIME_PREVIEW_CHARS * 4);
	mime_parser_destroy(p);
	buf_finish(&text);
}

/* What comes too late is not looked for, to the byte, whatever the cuts. */
static void test_previews_look_so_far(void **state)
{
	(void)state;
	static const size_t steps[] = {SIZE_MAX, 1000, 4096, 4097, 65536};
	struct buf text;
	buf_init(&text, 1 << 22);
	buf_add_text(&text, HTML);
	size_t body = text.len;
	buf_add_text(&text, "<style>");
	while (text.len - body < MIME_PREVIEW_READ_MAX - 20)
		buf_add_char(&text, 'x');
	buf_add_text(&text, "</style>abcdefghijklmnopqrstuvwxyz");
	for (size_t i = 0; i < countof(steps); i++) {
		struct mime_parser *p = mime_parser_create();
		for (struct span rest = buf_span(&text); rest.len; rest = span_after(rest, steps[i]))
			mime_parser_feed(p, span_make(rest.ptr, rest.len < steps[i] ? rest.len : steps[i]));
		expect_span(mime_parser_end(p)->preview, "abcdefghijkl");
		mime_parser_destroy(p);
	}
	buf_finish(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_subjects),
		cmocka_unit_test(test_message_ids),
		cmocka_unit_test(test_sort_keys),
		cmocka_unit_test(test_thread_keys),
		cmocka_unit_test(test_previews),
		cmocka_unit_test(test_previews_of_html),
		cmocka_unit_test(test_previews_are_short),
		cmocka_unit_test(test_previews_look_so_far),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
