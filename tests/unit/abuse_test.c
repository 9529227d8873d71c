/* Failed logins: who is held, who is not though others guess, and that it stays bounded. */
#include "server/abuse.h"

#include "server/limits.h"
#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { MAX = 4, HOLD_S = 100 };

static const struct abuse_limits rules = {MAX, HOLD_S};

static struct abuse_login from(unsigned host, const char *user)
{
	struct abuse_login login = {.remote = "192.0.2.1", .user = user};
	memcpy(login.from.bytes, &host, sizeof(host));
	return login;
}

static void fails(struct abuse *a, unsigned host, const char *user, unsigned times, uint64_t now_s)
{
	struct abuse_login login = from(host, user);
	for (unsigned i = 0; i < times; i++)
		abuse_failed(a, &login, now_s);
}

static bool held(struct abuse *a, unsigned host, const char *user, uint64_t now_s)
{
	struct abuse_login login = from(host, user);
	return abuse_is_held(a, &login, now_s);
}

static void test_one_login(void **state)
{
	struct abuse *a = abuse_create(&rules);
	(void)state;
	fails(a, 1, "alice@example.org", MAX - 1, 1000);
	assert_false(held(a, 1, "alice@example.org", 1000));
	fails(a, 1, "alice@example.org", 1, 1010);
	assert_true(held(a, 1, "alice@example.org", 1010));
	assert_true(held(a, 1, "alice@example.org", 1010 + HOLD_S - 1));
	assert_false(held(a, 1, "alice@example.org", 1010 + HOLD_S));
	/* Neither the same user from elsewhere nor another one from there. */
	assert_false(held(a, 2, "alice@example.org", 1010));
	assert_false(held(a, 1, "bob@example.org", 1010));
	abuse_destroy(a);
}

static void test_a_success_forgives(void **state)
{
	struct abuse *a = abuse_create(&rules);
	struct abuse_login login = from(1, "alice@example.org");
	(void)state;
	fails(a, 1, "alice@example.org", MAX - 1, 1000);
	abuse_succeeded(a, &login, 1001);
	fails(a, 1, "alice@example.org", MAX - 1, 1002);
	assert_false(held(a, 1, "alice@example.org", 1002));
	assert_int_equal(abuse_failed(a, &login, 1003), MAX);
	assert_true(held(a, 1, "alice@example.org", 1003));
	abuse_destroy(a);
}

/* Many addresses guess one user's password; one address guesses many users'. */
static void test_spread(void **state)
{
	struct abuse *a = abuse_create(&rules);
	char user[32];
	(void)state;
	for (unsigned host = 10; host < 10 + 3 * MAX; host++)
		fails(a, host, "alice@example.org", 1, 1000);
	assert_true(held(a, 99, "alice@example.org", 1000));
	assert_false(held(a, 99, "bob@example.org", 1000));
	for (unsigned i = 0; i < 3 * MAX; i++) {
		snprintf(user, sizeof(user), "user%u@example.org", i);
		fails(a, 7, user, 1, 1000);
	}
	assert_true(held(a, 7, "carol@example.org", 1000));
	assert_false(held(a, 8, "carol@example.org", 1000));
	abuse_destroy(a);
}

static void test_the_owner_gets_in(void **state)
{
	struct abuse *a = abuse_create(&rules);
	struct abuse_login home = from(1, "alice@example.org");
	(void)state;
	abuse_succeeded(a, &home, 500);
	for (unsigned host = 10; host < 10 + 10 * MAX; host++)
		fails(a, host, "alice@example.org", 1, 1000);
	fails(a, 1, "bob@example.org", 4 * MAX, 1000); /* a neighbour behind the same address */
	assert_true(held(a, 99, "alice@example.org", 1000));
	assert_true(held(a, 1, "carol@example.org", 1000));
	assert_false(held(a, 1, "alice@example.org", 1000));
	fails(a, 1, "alice@example.org", MAX, 1000);
	assert_true(held(a, 1, "alice@example.org", 1000));
	/* For 30 days. */
	assert_false(held(a, 1, "alice@example.org", 500 + ABUSE_KNOWN_S));
	for (unsigned host = 10; host < 10 + 10 * MAX; host++)
		fails(a, host, "alice@example.org", 1, 500 + ABUSE_KNOWN_S);
	assert_true(held(a, 1, "alice@example.org", 500 + ABUSE_KNOWN_S));
	abuse_destroy(a);
}

/* A device with an old password tries it for ever; who guesses does not. */
static void test_the_same_again(void **state)
{
	struct abuse *a = abuse_create(&rules);
	struct abuse_login login = from(1, "alice@example.org");
	(void)state;
	login.tried = abuse_tag_password(a, "old", 3);
	assert_int_not_equal(login.tried, abuse_tag_password(a, "old", 2));
	for (int i = 0; i < 10 * MAX; i++)
		assert_int_equal(abuse_failed(a, &login, 1000), 1);
	assert_false(held(a, 1, "alice@example.org", 1000));
	for (char guess = 'a'; guess < 'a' + MAX - 1; guess++) {
		login.tried = abuse_tag_password(a, &guess, 1);
		abuse_failed(a, &login, 1000);
	}
	assert_true(held(a, 1, "alice@example.org", 1000));
	abuse_destroy(a);
}

/* Whoever fails from everywhere pushes out the small counts, not the large one. */
static void test_bounded(void **state)
{
	struct abuse *a = abuse_create(&rules);
	(void)state;
	fails(a, 1, "alice@example.org", MAX, 1000);
	for (unsigned host = 2; host < LIMIT_ABUSE_COUNTS; host++)
		fails(a, host, "nobody@example.org", 1, 1001);
	assert_true(held(a, 1, "alice@example.org", 1002));
	abuse_destroy(a);
}

static void on_row(void *ctx, const struct abuse_row *row)
{
	char *all = ctx;
	snprintf(all + strlen(all), 400, "%s %s %u %u;", row->kind, row->who, row->failures, (unsigned)row->held_s);
}

static void test_list_and_clear(void **state)
{
	struct abuse *a = abuse_create(&rules);
	char all[4000] = "";
	(void)state;
	fails(a, 1, "alice@example.org", MAX, 1000);
	abuse_each(a, 1001, on_row, all);
	assert_non_null(strstr(all, "login alice@example.org from 192.0.2.1 4 99;"));
	assert_non_null(strstr(all, "address 192.0.2.1 4 0;"));
	assert_non_null(strstr(all, "user alice@example.org 4 0;"));
	assert_int_equal(abuse_clear(a, "bob@example.org"), 0);
	assert_int_equal(abuse_clear(a, "alice@example.org"), 2);
	assert_false(held(a, 1, "alice@example.org", 1001));
	assert_int_equal(abuse_clear(a, NULL), 1);
	abuse_destroy(a);
}

/* Over a restart, which begins the clock anew; the time of day goes on. */
static void test_known_is_kept(void **state)
{
	const struct abuse_login home = from(1, "alice@example.org");
	const int64_t day = 1800000000;
	struct scratch_dir dir;
	(void)state;
	scratch_dir_create(&dir);
	const char *path = scratch_path(&dir, "known");
	struct abuse *a = abuse_create(&rules);
	abuse_succeeded(a, &home, 100000);
	assert_true(abuse_save(a, path, 100060, day));
	abuse_destroy(a);
	for (int late = 0; late < 2; late++) {
		a = abuse_create(&rules);
		abuse_load(a, path, 10, late ? day + ABUSE_KNOWN_S - 60 : day + 20);
		for (unsigned host = 10; host < 10 + 3 * MAX; host++)
			fails(a, host, "alice@example.org", 1, 11);
		assert_true(held(a, 99, "alice@example.org", 12));
		assert_int_equal(held(a, 1, "alice@example.org", 12), late);
		/* What was read is written again, as old as it is. */
		assert_true(abuse_save(a, path, 20, late ? day + ABUSE_KNOWN_S - 50 : day + 30));
		abuse_destroy(a);
	}
	a = abuse_create(&rules);
	assert_false(abuse_save(a, scratch_path(&dir, "none/known"), 1, day));
	abuse_destroy(a);
	scratch_dir_destroy(&dir);
}

static void test_never(void **state)
{
	struct abuse *a = abuse_create(&(struct abuse_limits){1, 0});
	(void)state;
	fails(a, 1, "alice@example.org", 100, 1000);
	assert_false(held(a, 1, "alice@example.org", 1000));
	abuse_destroy(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_login),      cmocka_unit_test(test_a_success_forgives),
		cmocka_unit_test(test_spread),         cmocka_unit_test(test_the_owner_gets_in),
		cmocka_unit_test(test_bounded),        cmocka_unit_test(test_list_and_clear),
		cmocka_unit_test(test_known_is_kept),
		cmocka_unit_test(test_never),          cmocka_unit_test(test_the_same_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
