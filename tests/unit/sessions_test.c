/* The sessions of the server: counted by user, listed in order, found for being ended. */
#include "server/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct session_entry make(uint64_t id, const char *address)
{
	struct session_entry e = {.id = id};
	snprintf(e.address, sizeof(e.address), "%s", address);
	return e;
}

static void test_limit(void **state)
{
	struct sessions *s = sessions_create(2);
	struct session_entry a = make(1, "alice@example.org"), b = make(2, "alice@example.org"), c = make(3, "alice@example.org"),
			     d = make(4, "bob@example.org");
	(void)state;
	assert_true(sessions_enter(s, &a));
	assert_true(sessions_enter(s, &b));
	assert_false(sessions_enter(s, &c));
	assert_true(sessions_enter(s, &d));
	c.exempt = true;
	assert_true(sessions_enter(s, &c));
	assert_int_equal(sessions_count(s), 4);
	sessions_leave(s, &a);
	sessions_leave(s, &a); /* once more does nothing */
	assert_true(sessions_enter(s, &a));
	sessions_set_max(s, 1);
	sessions_leave(s, &b);
	assert_false(sessions_enter(s, &b));
	sessions_leave(s, &a);
	assert_true(sessions_enter(s, &b));
	sessions_leave(s, &b);
	sessions_leave(s, &c);
	sessions_leave(s, &d);
	assert_int_equal(sessions_count(s), 0);
	sessions_destroy(s);
}

struct seen {
	uint64_t ids[8];
	size_t n, max;
};

static bool on_session(void *ctx, const struct session_entry *e)
{
	struct seen *seen = ctx;
	seen->ids[seen->n++] = e->id;
	return seen->n < seen->max;
}

static void test_order(void **state)
{
	struct sessions *s = sessions_create(10);
	struct session_entry each[] = {make(300, "a@b"), make(7, "a@b"), make(64, "c@d"), make(65, "a@b")};
	(void)state;
	for (size_t i = 0; i < countof(each); i++)
		assert_true(sessions_enter(s, &each[i]));
	struct seen first = {.max = 2}, rest = {.max = 8};
	sessions_each(s, 0, on_session, &first);
	assert_int_equal(first.n, 2);
	assert_true(first.ids[0] == 7 && first.ids[1] == 64);
	sessions_each(s, first.ids[1], on_session, &rest);
	assert_int_equal(rest.n, 2);
	assert_true(rest.ids[0] == 65 && rest.ids[1] == 300);
	for (size_t i = 0; i < countof(each); i++)
		sessions_leave(s, &each[i]);
	sessions_destroy(s);
}

/* Whom it fits is told by real sessions (tests/clients/credentials.py); here, that none at all fits nobody. */
static void test_ending(void **state)
{
	struct sessions *s = sessions_create(10);
	struct session_entry a = make(1, "alice@example.org");
	(void)state;
	assert_true(sessions_enter(s, &a));
	uint64_t before = sessions_endings(s);
	assert_int_equal(sessions_end(s, &(struct sessions_match){.id = 0}), 0);
	assert_int_equal(sessions_end(s, &(struct sessions_match){.address = "bob@example.org"}), 0);
	assert_int_equal(sessions_end(s, &(struct sessions_match){.address = "alice@example.org", .credential = "abc"}), 0);
	assert_true(sessions_endings(s) == before + 3);
	sessions_leave(s, &a);
	sessions_destroy(s);
}

/* A login that was under way while others were ended, or itself. */
static void test_ended_since(void **state)
{
	struct sessions *s = sessions_create(10);
	struct session_entry alice = make(1, "alice@example.org"), phone = make(2, "bob@example.org");
	const struct sessions_match bobs_phone = {.address = "bob@example.org", .credential = "abc"}, first = {.id = 1};
	(void)state;
	snprintf(phone.credential, sizeof(phone.credential), "abc");
	sessions_end(s, &(struct sessions_match){.address = "alice@example.org"}); /* before they began */
	uint64_t began = sessions_endings(s);
	assert_false(sessions_ended_since(s, &alice, began));
	sessions_end(s, &(struct sessions_match){.address = "carol@example.org"});
	sessions_end(s, &(struct sessions_match){.credential = "def"});
	assert_false(sessions_ended_since(s, &alice, began) || sessions_ended_since(s, &phone, began));
	sessions_end(s, &bobs_phone);
	assert_true(sessions_ended_since(s, &phone, began));
	assert_false(sessions_ended_since(s, &alice, began));
	assert_false(sessions_ended_since(s, &phone, began + 3));
	sessions_end(s, &first);
	assert_true(sessions_ended_since(s, &alice, began));
	began = sessions_endings(s);
	for (size_t i = 0; i < SESSIONS_ENDINGS_KEPT; i++)
		sessions_end(s, &(struct sessions_match){.address = "carol@example.org"});
	assert_false(sessions_ended_since(s, &alice, began));
	sessions_end(s, &(struct sessions_match){.address = "carol@example.org"});
	assert_true(sessions_ended_since(s, &alice, began)); /* more than are remembered */
	sessions_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_ending),
		cmocka_unit_test(test_ended_since),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
