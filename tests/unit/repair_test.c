/* storage/repair: after each damage that the check finds, the account is sound, and what can be read is there. */
#include "storage/repair.h"

#include "storage/jump.h"
#include "storage/sweep.h"
#include "storage/usage.h"
#include "tests/unit/check_sample.h"

enum { MESSAGES = 271 };

struct told {
	char lines[40][200];
	size_t n;
};

static void on_mended(void *ctx, const char *line)
{
	struct told *told = ctx;
	if (told->n < countof(told->lines))
		snprintf(told->lines[told->n++], sizeof(told->lines[0]), "%s", line);
}

static void sweep(struct account_fixture *f)
{
	sweep_start(f->account, 7 * 86400, true);
	for (bool more = true; more;) {
		fixture_begin(f);
		assert_int_equal(sweep_step(f->account, &more), STORE_OK);
		fixture_end(f);
	}
}

/* What the server does with it, but that a damaged message becomes some bytes that say so. */
static struct repair repair(struct account_fixture *f, struct told *told)
{
	struct found found = {0};
	struct repair_uses uses;
	uint64_t recovered = 0;
	*told = (struct told){0};
	struct check *c = check_create(f->account, &digest, on_problem, &found);
	for (bool more = true; more;)
		assert_int_equal(check_step(c, &more), STORE_OK);
	struct repair r = {.report = on_mended, .ctx = told};
	r.damaged = check_damaged(c, &r.damaged_n);
	fixture_begin(f);
	assert_int_equal(repair_structure(&r, f->account), STORE_OK);
	fixture_end(f);
	assert_int_equal(repair_uses(&r, f->account, &uses), STORE_OK);
	for (size_t i = 0; i < uses.n; i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "In place of content %lld", (long long)uses.v[i].entry.content);
		fixture_begin(f);
		assert_int_equal(repair_disown(f->account, uses.v[i].entry.content), STORE_OK);
		fixture_end(f);
		int64_t content = fixture_store(f, text, (size_t)len, 0);
		fixture_begin(f);
		assert_int_equal(repair_replace(f->account, &uses.v[i], content, (uint32_t)len), STORE_OK);
		fixture_end(f);
	}
	repair_uses_finish(&uses);
	fixture_begin(f);
	if (r.has_lost_segments)
		assert_int_equal(repair_recover(&r, f->account, &recovered), STORE_OK);
	assert_int_equal(repair_tidy(f->account), STORE_OK);
	fixture_end(f);
	assert_int_equal(account_jump(f->account, f->account->modseq, r.uids_are_in_doubt), STORE_OK);
	sweep(f);
	assert_int_equal(usage_load(f->account), STORE_OK);
	check_destroy(c);
	r.damaged = NULL;
	return r;
}

static uint32_t messages_of(struct account_fixture *f, const char *name)
{
	int64_t box;
	struct mailbox_info info;
	enum store_err err = mailbox_find(f->account, name, &box);
	if (err == STORE_NOTFOUND)
		return 0;
	assert_int_equal(err, STORE_OK);
	assert_int_equal(mailbox_info(f->account, box, &info), STORE_OK);
	return info.messages;
}

/* On a copy of `sound`, the account's directory with the sample in it. */
static void damage_and_repair(struct account_fixture *f, const char *sound, const struct sample *s, bool set_back, const char *sql)
{
	struct found found;
	struct told told;
	scratch_copy(sound, scratch_path(&f->dir, "account"));
	fixture_open(f);
	name_sample(f, s);
	fixture_execute(f, sql);
	fixture_close(f); /* nothing of it is in memory */
	fixture_open(f);
	f->account->modseq -= set_back;
	repair(f, &told);
	check(f, &found);
	if (found.n)
		fail_msg("%s: %s is left; %s", sql, found.lines[0], told.n ? told.lines[0] : "nothing was done");
	struct mailbox_names names = {0};
	uint32_t messages = 0;
	assert_int_equal(mailbox_list(f->account, &names), STORE_OK);
	for (size_t i = 0; i < names.n; i++)
		messages += names.v[i].info.messages;
	mailbox_names_finish(&names);
	/* 201 copies in INBOX, and those of the sample.  Where a row is lost, a content that INBOX has too is not: nobody can
	 * know that it was in both. */
	bool is_row_lost = strstr(sql, "segment SET data") || strstr(sql, "DELETE FROM segment");
	if (messages < MESSAGES + (is_row_lost ? 0 : 201))
		fail_msg("%s: %u messages are left", sql, messages);
	fixture_close(f);
	fixture_open(f);
	check(f, &found);
	assert_int_equal(found.n, 0);
	fixture_close(f);
	scratch_remove(scratch_path(&f->dir, "account"));
}

static void test_each_damage_is_mended(void **state)
{
	struct account_fixture *f = *state;
	char sound[160];
	struct sample s = make_mail(f);
	fixture_close(f);
	snprintf(sound, sizeof(sound), "%s", scratch_path(&f->dir, "sound"));
	assert_int_equal(rename(scratch_path(&f->dir, "account"), sound), 0);
	for (size_t i = 0; i < countof(damages); i++)
		/* An INBOX that is missing is made when the account opens. */
		damage_and_repair(f, sound, &s, i == 0, damages[i].sql);
}

static void test_what_lost_its_name_is_recovered(void **state)
{
	struct account_fixture *f = *state;
	struct told told;
	struct sample s = make_mail(f);
	name_sample(f, &s);
	/* Not INBOX's copies: what these name is not lost. */
	fixture_remove(f, fixture_mailbox(f, "INBOX"), 1, 1000);
	fixture_execute(f, "DELETE FROM gone WHERE mailbox<>(SELECT box FROM sample)");
	fixture_execute(f, "UPDATE segment SET data=zeroblob(length(data)) WHERE id=(SELECT box FROM sample)<<32|1");
	fixture_close(f);
	fixture_open(f);
	struct repair r = repair(f, &told);
	assert_true(r.has_lost_segments && r.uids_are_in_doubt && r.mended == told.n && told.n >= 3);
	assert_int_equal(messages_of(f, "Lists/Sample") + messages_of(f, "Recovered"), MESSAGES);
	assert_true(messages_of(f, "Recovered") > 200);
}

static void test_a_sound_account_is_left_alone(void **state)
{
	struct account_fixture *f = *state;
	struct told told;
	struct found found;
	make_mail(f);
	struct repair r = repair(f, &told);
	assert_true(r.mended == 0 && !r.has_lost_segments && !r.uids_are_in_doubt);
	check(f, &found);
	assert_int_equal(found.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_damage_is_mended, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_what_lost_its_name_is_recovered, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_sound_account_is_left_alone, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
