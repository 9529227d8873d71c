/* Interned flag sets: what they are made of, first spellings, limits, and what a failed op leaves. */
#include "storage/flagset.h"

#include "storage/append.h"
#include "storage/copy.h"
#include "storage/mailbox.h"
#include "storage/store.h"
#include "tests/unit/account_fixture.h"

static void begin(struct account_fixture *f)
{
	assert_int_equal(account_begin(f->account), STORE_OK);
}

static void end(struct account_fixture *f, bool ok)
{
	assert_int_equal(account_end(f->account, ok), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
}

static uint32_t apply(struct account_fixture *f, uint32_t from, enum flag_op op, uint32_t system, const char *keywords)
{
	struct flag_spec spec = {system, keywords};
	uint32_t id = UINT32_MAX;
	assert_int_equal(flagset_apply(f->account, from, op, &spec, &id), STORE_OK);
	return id;
}

static const char *text(struct account_fixture *f, uint32_t id)
{
	const struct flagset *set = flagset_get(f->account, id);
	assert_int_equal(strlen(set->text), set->text_len);
	assert_int_equal(flagset_system(f->account, id), set->system);
	return set->text;
}

static void test_sets_are_shared(void **state)
{
	struct account_fixture *f = *state;
	begin(f);
	uint32_t a = apply(f, 0, FLAG_ADD, FLAG_SEEN, "work");
	assert_string_equal(text(f, a), "\\Seen work");
	assert_int_equal(apply(f, 0, FLAG_SET, FLAG_SEEN, "work"), a);
	uint32_t b = apply(f, a, FLAG_ADD, FLAG_FLAGGED, "home work");
	assert_string_equal(text(f, b), "\\Flagged \\Seen work home");
	assert_int_equal(apply(f, b, FLAG_REMOVE, FLAG_FLAGGED, "home"), a);
	assert_int_equal(apply(f, b, FLAG_SET, 0, ""), 0);
	assert_int_equal(apply(f, b, FLAG_SET, 0, NULL), 0);
	assert_int_equal(apply(f, a, FLAG_REMOVE, FLAG_DRAFT, "unheard-of"), a);
	assert_string_equal(text(f, 0), "");
	assert_string_equal(text(f, apply(f, 0, FLAG_ADD, 31, "")), "\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	end(f, true);
}

/* RFC 3501 9: flags are case-insensitive; the first spelling stays, also over a restart. */
static void test_first_spelling(void **state)
{
	struct account_fixture *f = *state;
	begin(f);
	uint32_t id = apply(f, 0, FLAG_ADD, 0, "$Forwarded MixedCase");
	assert_int_equal(apply(f, 0, FLAG_ADD, 0, "mixedcase $FORWARDED mixedCASE"), id);
	end(f, true);
	fixture_close(f);
	fixture_open(f);
	begin(f);
	assert_int_equal(apply(f, 0, FLAG_ADD, 0, "MIXEDCASE $forwarded"), id);
	assert_string_equal(text(f, id), "$Forwarded MixedCase");
	assert_true(flagset_has_keyword(f->account, flagset_get(f->account, id), "mixedCase", 9));
	assert_false(flagset_has_keyword(f->account, flagset_get(f->account, id), "mixed", 5));
	end(f, true);
}

/* Ids that a failed op made are given again; nothing of it is on disk. */
static void test_failed_op(void **state)
{
	struct account_fixture *f = *state;
	begin(f);
	uint32_t kept = apply(f, 0, FLAG_ADD, 0, "kept");
	end(f, true);
	for (int alone = 0; alone < 2; alone++) {
		if (!alone) { /* an op before it in the same transaction */
			begin(f);
			assert_int_equal(account_end(f->account, true), STORE_OK);
		}
		begin(f);
		for (uint32_t i = 0; i < 200; i++) {
			char name[16];
			snprintf(name, sizeof(name), "k%u", i);
			assert_int_equal(apply(f, 0, FLAG_ADD, 0, name), kept + 1 + i);
		}
		end(f, false);
		assert_int_equal(f->account->flags->n, kept + 1);
		assert_int_equal(keyword_find(f->account, "k7", 2), -1);
	}
	begin(f);
	assert_int_equal(apply(f, 0, FLAG_ADD, 0, "other"), kept + 1);
	assert_int_equal(apply(f, 0, FLAG_ADD, 0, "KEPT"), kept);
	end(f, true);
	fixture_close(f);
	fixture_open(f);
	assert_string_equal(text(f, kept + 1), "other");
	assert_int_equal(f->account->flags->n, kept + 2);
}

/* "k000 k001 ...", n of them. */
static char *many(uint32_t from, uint32_t n)
{
	char *words = xmalloc(n * 8 + 1), *at = words;
	for (uint32_t i = from; i < from + n; i++)
		at += sprintf(at, "k%05u ", i);
	*at = '\0';
	return words;
}

static void test_limits_of_a_set(void **state)
{
	struct account_fixture *f = *state;
	char *most = many(0, FLAG_KEYWORDS_MAX), *more = many(0, FLAG_KEYWORDS_MAX + 1), name[FLAG_KEYWORD_BYTES_MAX + 2];
	memset(name, 'n', sizeof(name));
	name[FLAG_KEYWORD_BYTES_MAX] = '\0';
	uint32_t id;
	begin(f);
	uint32_t full = apply(f, 0, FLAG_ADD, 0, most);
	assert_int_equal(flagset_get(f->account, full)->keywords_n, FLAG_KEYWORDS_MAX);
	struct flag_spec spec = {0, more};
	assert_int_equal(flagset_apply(f->account, 0, FLAG_ADD, &spec, &id), STORE_LIMIT);
	spec.keywords = "another";
	assert_int_equal(flagset_apply(f->account, full, FLAG_ADD, &spec, &id), STORE_LIMIT);
	assert_int_equal(flagset_apply(f->account, full, FLAG_REMOVE, &spec, &id), STORE_OK);
	apply(f, 0, FLAG_ADD, 0, name);
	name[FLAG_KEYWORD_BYTES_MAX] = 'n';
	name[FLAG_KEYWORD_BYTES_MAX + 1] = '\0';
	spec.keywords = name;
	assert_int_equal(flagset_apply(f->account, 0, FLAG_ADD, &spec, &id), STORE_LIMIT);
	end(f, true);
	free(most);
	free(more);
}

static void test_limit_of_the_account(void **state)
{
	struct account_fixture *f = *state;
	begin(f);
	for (uint32_t from = 0; from < KEYWORDS_MAX; from += FLAG_KEYWORDS_MAX) {
		char *words = many(from, FLAG_KEYWORDS_MAX);
		apply(f, 0, FLAG_SET, 0, words);
		free(words);
	}
	struct flag_spec spec = {0, "one-more"};
	uint32_t id;
	assert_int_equal(flagset_apply(f->account, 0, FLAG_ADD, &spec, &id), STORE_LIMIT);
	apply(f, 0, FLAG_SET, 0, "K04095 k00000");
	end(f, true);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(f->account->flags->keywords_n, KEYWORDS_MAX);
}

static int64_t mailbox(struct account_fixture *f, const char *name)
{
	int64_t id;
	assert_int_equal(mailbox_find(f->account, name, &id), STORE_OK);
	return id;
}

static enum store_err append(struct account_fixture *f, int64_t id, const char *keywords)
{
	struct append_item item = {.content = 1, .size = 1, .flagset = apply(f, 0, FLAG_SET, 0, keywords)};
	uint32_t uid;
	return messages_append(f->account, id, &item, 1, &uid);
}

/* All keywords of a mailbox stand in its FLAGS response, so their number has a limit of its own. */
static void test_limit_of_a_mailbox(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX"), other = mailbox(f, "Archive");
	struct uidset all = {0}, changed = {0};
	struct copy_result copied;
	struct flag_spec extra = {0, "extra"}, known = {0, "k00000"};
	uidset_append(&all, 1, UINT32_MAX);
	begin(f);
	for (uint32_t from = 0; from < MAILBOX_KEYWORDS_MAX; from += FLAG_KEYWORDS_MAX) {
		char *words = many(from, FLAG_KEYWORDS_MAX);
		assert_int_equal(append(f, inbox, words), STORE_OK);
		free(words);
	}
	assert_int_equal(append(f, inbox, "extra"), STORE_LIMIT);
	assert_int_equal(append(f, other, "extra"), STORE_OK);
	assert_int_equal(append(f, inbox, "k00001 k00200"), STORE_OK);
	assert_int_equal(append(f, inbox, ""), STORE_OK);
	assert_int_equal(messages_copy(f->account, other, &all, inbox, &copied), STORE_LIMIT);
	copy_result_finish(&copied);
	end(f, true);
	begin(f);
	struct uidset last = {0};
	uidset_append(&last, 6, 6);
	assert_int_equal(messages_store(f->account, inbox, &last, FLAG_ADD, &extra, &changed), STORE_LIMIT);
	assert_int_equal(changed.n, 0);
	assert_int_equal(f->account->op_modseq, 0);
	assert_int_equal(messages_store(f->account, inbox, &last, FLAG_ADD, &known, &changed), STORE_OK);
	assert_int_equal(changed.n, 1);
	end(f, true);
	uidset_finish(&all);
	uidset_finish(&last);
	uidset_finish(&changed);
}

static void test_keyword_sets(void **state)
{
	struct account_fixture *f = *state;
	struct keyword_set set = {0};
	begin(f);
	for (uint32_t i = 0; i < 130; i += 2) {
		char name[16];
		snprintf(name, sizeof(name), "n%u", i);
		uint32_t id = apply(f, 0, FLAG_SET, 0, name);
		if (i % 4 == 0)
			keyword_set_add(&set, flagset_get(f->account, id));
	}
	end(f, true);
	assert_int_equal(keyword_set_count(&set), 33);
	int n = 0;
	for (int id = -1; (id = keyword_set_next(&set, id + 1)) >= 0; n++)
		assert_int_equal(id, n * 2);
	assert_int_equal(n, 33);
	assert_string_equal(keyword_name(f->account, 2), "n4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sets_are_shared, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_first_spelling, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_failed_op, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_limits_of_a_set, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_limit_of_the_account, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_limit_of_a_mailbox, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_keyword_sets, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
