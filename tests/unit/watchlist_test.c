/* What a NOTIFY session is told of other mailboxes: each thing once, its own changes not, an overflow as the end. */
#include "server/watchlist.h"

#include "server/command.h"
#include "server/limits.h"
#include "server/view.h"
#include "storage/roster.h"
#include "tests/unit/account_fixture.h"

struct watch {
	struct watchlist *list;
	struct command *cmd;
	struct notify_group group;
	struct fetch_request none;
};

static void watch_begin(struct watch *t, struct account *a)
{
	t->list = watchlist_create();
	t->cmd = command_create();
	t->group = (struct notify_group){.filter = NOTIFY_PERSONAL, .events = EVENTS_MESSAGE | EVENT_MAILBOX_NAME};
	t->none = (struct fetch_request){0};
	t->list->groups = &t->group;
	t->list->groups_n = 1;
	t->list->attributes = &t->none;
	t->list->since = t->list->next = a->modseq;
}

static void watch_end(struct watch *t)
{
	watchlist_destroy(t->list);
	command_dispose(t->cmd);
}

/* What one op is told; `well`: it goes well. */
static const char *tell(struct watch *t, struct account *a, bool well)
{
	buf_reset(&t->cmd->out);
	watchlist_tell(t->list, t->cmd, a);
	if (well)
		watchlist_advance(t->list, 0, false);
	buf_add(&t->cmd->out, "", 1);
	return t->cmd->out.data;
}

/* Makes `n` mailboxes in one op. */
static void make(struct account *a, const char *stem, unsigned n)
{
	assert_int_equal(account_begin(a), STORE_OK);
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		int64_t id;
		snprintf(name, sizeof(name), "%s%u", stem, i);
		assert_int_equal(mailbox_create(a, name, 0, &id), STORE_OK);
	}
	const struct account_touched *touched;
	size_t touched_n;
	assert_int_equal(account_end(a, true), STORE_OK);
	assert_int_equal(account_commit(a, &touched, &touched_n), STORE_OK);
}

static void test_told_once(void **state)
{
	struct account_fixture *f = *state;
	struct watch t;
	watch_begin(&t, f->account);
	assert_string_equal(tell(&t, f->account, true), "");
	make(f->account, "a", 1);
	assert_non_null(strstr(tell(&t, f->account, true), "a0\r\n"));
	assert_true(watchlist_is_known(t.list, f->account));
	assert_string_equal(tell(&t, f->account, true), "");
	watch_end(&t);
}

static void test_told_again_after_a_failure(void **state)
{
	struct account_fixture *f = *state;
	struct watch t;
	watch_begin(&t, f->account);
	make(f->account, "a", 1);
	assert_non_null(strstr(tell(&t, f->account, false), "a0\r\n"));
	assert_non_null(strstr(tell(&t, f->account, true), "a0\r\n"));
	watch_end(&t);
}

static void test_own_changes(void **state)
{
	struct account_fixture *f = *state;
	struct watch t;
	watch_begin(&t, f->account);
	make(f->account, "a", 1);
	watchlist_advance(t.list, f->account->modseq, false);
	make(f->account, "b", 1);
	const char *told = tell(&t, f->account, true);
	assert_null(strstr(told, "a0\r\n"));
	assert_non_null(strstr(told, "b0\r\n"));
	watch_end(&t);
}

/* RFC 5465 5.8: one op that changes too much is the end, once the client has heard so. */
static void test_overflow(void **state)
{
	struct account_fixture *f = *state;
	struct watch t;
	watch_begin(&t, f->account);
	make(f->account, "a", LIMIT_NOTIFY_CHANGES + 1);
	assert_non_null(strstr(tell(&t, f->account, false), "* OK [NOTIFICATIONOVERFLOW]"));
	assert_int_equal(t.list->groups_n, 1);
	assert_non_null(strstr(tell(&t, f->account, true), "* OK [NOTIFICATIONOVERFLOW]"));
	assert_int_equal(t.list->groups_n, 0);
	make(f->account, "b", 1);
	assert_string_equal(tell(&t, f->account, true), "");
	watch_end(&t);
}

/* Many ops are told in several chunks. */
static void test_chunks(void **state)
{
	struct account_fixture *f = *state;
	struct watch t;
	unsigned told = 0, chunks = 0;
	watch_begin(&t, f->account);
	for (unsigned i = 0; i < 3; i++) {
		char stem[8];
		snprintf(stem, sizeof(stem), "%c", 'a' + (int)i);
		make(f->account, stem, LIMIT_NOTIFY_CHANGES / 2);
	}
	do {
		const char *at = tell(&t, f->account, true);
		while ((at = strstr(at, "* LIST ")))
			told++, at++;
		chunks++;
	} while (watchlist_is_due(t.list));
	assert_int_equal(told, 3 * (LIMIT_NOTIFY_CHANGES / 2));
	assert_in_range(chunks, 2, 4);
	watch_end(&t);
}

/* Of a mailbox that was left nothing is due to a list that watches none: else it would be asked for ever. */
static void test_left_without_groups(void **state)
{
	struct account_fixture *f = *state;
	struct watch t;
	struct roster *r;
	int64_t inbox = fixture_mailbox(f, "INBOX");
	watch_begin(&t, f->account);
	t.list->groups_n = 0;
	assert_int_equal(roster_get(f->account, inbox, &r), STORE_OK);
	struct view *v = view_create(f->account, r, false);
	watchlist_leave(t.list, f->account, v);
	watchlist_advance(t.list, 0, true);
	assert_string_equal(tell(&t, f->account, true), "");
	assert_false(watchlist_is_due(t.list));
	view_destroy(v);
	watch_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_told_once, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_told_again_after_a_failure, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_own_changes, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_overflow, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_chunks, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_left_without_groups, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
