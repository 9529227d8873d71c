/* server/delivery: what is computed of a message is computed once, whoever gets it. */
#include "server/delivery.h"

#include "storage/content.h"
#include "storage/roster.h"
#include "tests/unit/account_fixture.h"

enum { RECIPIENTS = 50 };

static const char text[] = "Subject: to many\r\nFrom: a@example.org\r\nDate: Tue, 1 Sep 2026 10:00:00 +0000\r\n\r\nas it is\r\n";

static uint32_t copy(struct account_fixture *f, const struct delivery *d, struct span head)
{
	struct delivery_copy c;
	struct slice whole = {.until_us = UINT64_MAX};
	bool more;
	uint32_t uid;
	fixture_begin(f);
	delivery_copy_begin(&c, d, f->account, head);
	assert_int_equal(delivery_copy_write(&c, &whole, &more), STORE_OK);
	assert_false(more);
	assert_int_equal(delivery_copy_publish(&c, f->account, span_of(""), &uid), STORE_OK);
	delivery_copy_end(&c);
	fixture_end(f);
	return uid;
}

/* The summary is changed behind the copies' back: who parsed the bytes once more would not have what it says. */
static void test_parsed_once(void **state)
{
	struct account_fixture *f = *state;
	const struct delivery_rules rules = {.junk_header = ""};
	struct delivery *d = delivery_create(NULL, 100000, span_of("Received: here\r\n"), &rules);
	assert_int_equal(delivery_write(d, span_of(text)), STORE_OK);
	assert_int_equal(delivery_seal(d), STORE_OK);
	struct mime_summary summary = *d->summary;
	assert_true(summary.preview.len == strlen("as it is") && memcmp(summary.preview.ptr, "as it is", summary.preview.len) == 0);
	summary.preview = span_of("the one summary");
	d->summary = &summary;
	for (int i = 0; i < RECIPIENTS; i++) {
		char head[100];
		snprintf(head, sizeof(head), "Delivered-To: user%d@example.org\r\n", i);
		assert_int_equal(copy(f, d, span_of(head)), i + 1);
	}
	struct roster *r;
	assert_int_equal(roster_get(f->account, fixture_mailbox(f, "INBOX"), &r), STORE_OK);
	assert_int_equal(r->info.messages, RECIPIENTS);
	for (uint32_t i = 0; i < RECIPIENTS; i++) {
		struct roster_entry entry;
		struct content_row row;
		char expected[500], got[500];
		roster_read(r, i, &entry);
		assert_int_equal(content_get(f->account, entry.content, &row), STORE_OK);
		assert_int_equal(row.preview.len, summary.preview.len);
		assert_memory_equal(row.preview.ptr, summary.preview.ptr, summary.preview.len);
		int n = snprintf(expected, sizeof(expected), "Delivered-To: user%u@example.org\r\nReceived: here\r\n%s", i, text);
		assert_int_equal(row.size, n);
		assert_int_equal(content_read(f->account, entry.content, 0, row.size, got), STORE_OK);
		assert_memory_equal(got, expected, row.size);
	}
	delivery_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parsed_once, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
