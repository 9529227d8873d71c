/* storage/check: a sound account has no problems, and each kind of damage is found and told from garbage. */
#include "storage/check.h"

#include "tests/unit/check_sample.h"

static void test_a_sound_account(void **state)
{
	struct account_fixture *f = *state;
	struct found found;
	check(f, &found);
	assert_int_equal(found.n, 0);
	make_mail(f);
	struct check_counts counts = check(f, &found);
	if (found.n)
		print_message("%s\n", found.lines[0]);
	assert_int_equal(found.n, 0);
	assert_int_equal(counts.messages, 271 + 201);
	assert_int_equal(counts.contents, 293);
	assert_true(counts.mailboxes >= 8 && counts.bytes > 300000);
}

static void test_each_damage_is_found(void **state)
{
	struct account_fixture *f = *state;
	struct sample s = make_mail(f);
	struct found found;
	name_sample(f, &s);
	for (size_t i = 0; i < countof(damages); i++) {
		fixture_execute(f, "SAVEPOINT damage");
		fixture_execute(f, damages[i].sql);
		f->account->modseq -= i == 0;
		check(f, &found);
		f->account->modseq += i == 0;
		fixture_execute(f, "ROLLBACK TO damage; RELEASE damage");
		bool told = false;
		for (size_t j = 0; j < found.n; j++)
			told = told || (strncmp(found.lines[j], "damage:", 7) == 0 &&
					strstr(found.lines[j], damages[i].expected));
		if (!told)
			print_error("%s: nobody said \"%s\" but \"%s\"\n", damages[i].sql, damages[i].expected,
				    found.n ? found.lines[0] : "");
		assert_true(told);
	}
	check(f, &found);
	assert_int_equal(found.n, 0);
	/* In the file, where one byte is not what it was. */
	FILE *file = fopen(fixture_blob(f, s.large), "r+");
	assert_non_null(file);
	fseek(file, 70000, SEEK_SET);
	fputc(fgetc(file) ^ 1, file);
	fclose(file);
	check(f, &found);
	assert_int_equal(found.n, 1);
	assert_non_null(strstr(found.lines[0], "bytes 65536 to 131071 are damaged"));
}

static void expect_garbage(struct account_fixture *f, const char *expected)
{
	struct found found;
	struct check_counts counts = check(f, &found);
	assert_int_equal(counts.damage, 0);
	assert_true(counts.garbage > 0);
	for (size_t j = 0; j < found.n; j++)
		if (strstr(found.lines[j], expected))
			return;
	fail_msg("nobody said \"%s\"", expected);
}

static void make_file(const char *path)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
}

static void test_garbage_is_no_damage(void **state)
{
	struct account_fixture *f = *state;
	struct sample s = make_mail(f);
	struct found found;
	int64_t never = store(f, 2001);
	expect_garbage(f, "nobody names it");
	fixture_publish(f, s.box, never, 2001);
	check(f, &found);
	assert_int_equal(found.n, 0);
	fixture_execute(f, "SAVEPOINT garbage; INSERT INTO header VALUES(100000, x'00'); INSERT INTO body VALUES(99999, x'', x'');"
			   "INSERT INTO keys(content, reply) VALUES(99998, 0);"
			   "INSERT INTO segment SELECT 77<<32|1, count, modseq, unseen, deleted, data FROM segment LIMIT 1");
	expect_garbage(f, "1 rows of table header belong to no content");
	expect_garbage(f, "1 rows of table body belong to no content");
	expect_garbage(f, "1 rows of table keys belong to no content");
	expect_garbage(f, "its mailbox is not there");
	fixture_execute(f, "ROLLBACK TO garbage; RELEASE garbage");
	make_file(scratch_path(&f->dir, "account/tmp/left"));
	expect_garbage(f, "file tmp/left");
	unlink(scratch_path(&f->dir, "account/tmp/left"));
	char name[64];
	snprintf(name, sizeof(name), "account/blob/%02x", (unsigned)(s.small & 0xff));
	mkdir(scratch_path(&f->dir, name), 0700);
	make_file(fixture_blob(f, s.small));
	expect_garbage(f, "no content names it");
}

/* A message that arrives while the check looks is not garbage. */
static void test_mail_arrives_between_the_slices(void **state)
{
	struct account_fixture *f = *state;
	struct sample s = make_mail(f);
	struct found found = {0};
	char *message = fixture_message(f, 900, false);
	int64_t waiting = fixture_store(f, message, 900, 10);
	struct check *c = check_create(f->account, &digest, on_problem, &found);
	int steps = 0;
	for (bool more = true; more; steps++) {
		assert_int_equal(check_step(c, &more), STORE_OK);
		if (steps % 3 == 0) {
			fixture_publish(f, s.box, waiting, 900);
			fixture_publish(f, fixture_mailbox(f, "INBOX"), store(f, 1001), 1001);
			fixture_remove(f, s.box, 290, UINT32_MAX);
		}
	}
	check_destroy(c);
	free(message);
	if (found.n)
		print_error("%s\n", found.lines[0]);
	assert_int_equal(found.n, 0);
	assert_true(steps > 20);
}

/* One check an account; one whose account was closed under it goes no further, at whatever step that was: the first ones,
 * and then each third. */
static void test_the_account_is_closed_meanwhile(void **state)
{
	struct account_fixture *f = *state;
	make_mail(f);
	struct found found = {0};
	bool more = true;
	for (int steps = 0; more; steps += steps < 4 ? 1 : 3) {
		struct check *c = check_create(f->account, &digest, on_problem, &found);
		assert_non_null(c);
		assert_null(check_create(f->account, &digest, on_problem, &found));
		for (int i = 0; i < steps && more; i++)
			assert_int_equal(check_step(c, &more), STORE_OK);
		fixture_close(f);
		fixture_open(f);
		if (more) {
			bool again;
			assert_int_equal(check_step(c, &again), STORE_IO);
			assert_false(again);
		}
		check_destroy(c);
	}
	assert_int_equal(found.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_sound_account, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_each_damage_is_found, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_garbage_is_no_damage, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_mail_arrives_between_the_slices, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_the_account_is_closed_meanwhile, fixture_set_up,
						fixture_tear_down),
	};
	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
