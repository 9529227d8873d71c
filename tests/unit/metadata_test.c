/* Annotations as storage keeps them (RFC 5464): limits, what goes with a mailbox, modseqs, the journal, the check. */
#include "storage/metadata.h"

#include "storage/changes.h"
#include "storage/check.h"
#include "tests/unit/account_fixture.h"

/* One op, committed. */
#define DO(f, call)                                                                                                            \
	({                                                                                                                     \
		assert_int_equal(account_begin((f)->account), STORE_OK);                                                       \
		enum store_err done = (call);                                                                                  \
		assert_int_equal(account_end((f)->account, done == STORE_OK), STORE_OK);                                       \
		assert_int_equal(fixture_commit(f), STORE_OK);                                                                 \
		done;                                                                                                          \
	})

static enum store_err set(struct account_fixture *f, int64_t mailbox, const char *name, const char *value)
{
	struct metadata_value v = {.name = name, .value = {value, value ? strlen(value) : 0}};
	return DO(f, metadata_set(f->account, mailbox, &v, 1));
}

static void assert_value(struct account_fixture *f, int64_t mailbox, const char *name, const char *want)
{
	struct bytes value;
	enum store_err err = metadata_get(f->account, mailbox, name, &value);
	assert_int_equal(err, want ? STORE_OK : STORE_NOTFOUND);
	if (!want)
		return;
	assert_int_equal(value.len, strlen(want));
	assert_memory_equal(value.ptr, want, value.len);
}

static uint64_t modseq(struct account_fixture *f, int64_t mailbox)
{
	struct mailbox_info info;
	assert_int_equal(mailbox_info(f->account, mailbox, &info), STORE_OK);
	return info.modseq;
}

static void on_report(void *ctx, enum check_kind kind, const char *line)
{
	(void)kind;
	snprintf(ctx, 512, "%s", line);
}

/* The last problem the check has found; "" for none. */
static void assert_check(struct account_fixture *f, const char *want)
{
	char line[512] = "";
	struct check *c = check_create(f->account, NULL, on_report, line);
	bool more = true;
	while (more)
		assert_int_equal(check_step(c, &more), STORE_OK);
	check_destroy(c);
	assert_string_equal(line, want);
}

static void test_set(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX");
	assert_value(f, inbox, "/private/comment", NULL);
	assert_int_equal(set(f, inbox, "/private/comment", "one"), STORE_OK);
	assert_int_equal(set(f, inbox, "/PRIVATE/comment", "two"), STORE_OK);
	assert_int_equal(set(f, 0, "/private/comment", ""), STORE_OK);
	fixture_close(f);
	fixture_open(f);
	assert_value(f, inbox, "/private/comment", "two");
	assert_value(f, 0, "/private/comment", "");
	assert_int_equal(set(f, inbox, "/private/Comment", NULL), STORE_OK);
	assert_value(f, inbox, "/private/comment", NULL);
	assert_check(f, "");
}

static void test_list(void **state)
{
	struct account_fixture *f = *state;
	struct metadata_entries e;
	int64_t inbox = fixture_mailbox(f, "INBOX");
	set(f, inbox, "/shared/b", "12345");
	set(f, inbox, "/Private/a", "1");
	assert_int_equal(metadata_list(f->account, inbox, &e), STORE_OK);
	assert_int_equal(e.n, 2);
	assert_string_equal(e.v[0].name, "/Private/a");
	assert_int_equal(e.v[0].size, 1);
	assert_string_equal(e.v[1].name, "/shared/b");
	assert_int_equal(e.v[1].size, 5);
	metadata_entries_finish(&e);
}

/* RFC 5464 4.3: all of it or nothing. */
static void test_failed_op(void **state)
{
	struct account_fixture *f = *state;
	struct metadata_value values[METADATA_ENTRIES_MAX + 1];
	char names[METADATA_ENTRIES_MAX + 1][32];
	int64_t inbox = fixture_mailbox(f, "INBOX");
	for (unsigned i = 0; i < countof(values); i++) {
		snprintf(names[i], sizeof(names[i]), "/private/%u", i);
		values[i] = (struct metadata_value){.name = names[i], .value = {"v", 1}};
	}
	uint64_t before = modseq(f, inbox);
	assert_int_equal(DO(f, metadata_set(f->account, inbox, values, countof(values))), STORE_LIMIT);
	assert_value(f, inbox, "/private/0", NULL);
	assert_int_equal(modseq(f, inbox), before);
	assert_int_equal(DO(f, metadata_set(f->account, inbox, values, METADATA_ENTRIES_MAX)), STORE_OK);
	assert_int_equal(set(f, inbox, "/private/more", "v"), STORE_LIMIT);
	assert_int_equal(set(f, inbox, "/private/5", "other"), STORE_OK);
	assert_check(f, "");
}

static void test_account_limit(void **state)
{
	struct account_fixture *f = *state;
	static char large[METADATA_VALUE_BYTES_MAX];
	enum store_err err = STORE_OK;
	unsigned n = 0;
	for (; !err && n < 300; n++) {
		char name[32];
		snprintf(name, sizeof(name), "m%u", n / METADATA_ENTRIES_MAX);
		int64_t mailbox = fixture_mailbox(f, name);
		snprintf(name, sizeof(name), "/private/%u", n);
		struct metadata_value v = {.name = name, .value = {large, sizeof(large)}};
		err = DO(f, metadata_set(f->account, mailbox, &v, 1));
	}
	assert_int_equal(err, STORE_OVERQUOTA);
	assert_int_equal(n, METADATA_BYTES_MAX / METADATA_VALUE_BYTES_MAX);
	assert_int_equal(DO(f, mailbox_delete(f->account, "m0")), STORE_OK);
	assert_int_equal(set(f, 0, "/private/again", "room"), STORE_OK);
	assert_check(f, "");
}

static void test_with_mailbox(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), one = fixture_mailbox(f, "one"), moved, name, again;
	set(f, inbox, "/private/comment", "inbox");
	set(f, one, "/private/comment", "one");
	assert_int_equal(DO(f, mailbox_rename(f->account, "one", "two/three")), STORE_OK);
	assert_value(f, one, "/private/comment", "one");
	assert_int_equal(DO(f, mailbox_rename(f->account, "INBOX", "old")), STORE_OK);
	moved = fixture_mailbox(f, "old");
	assert_value(f, inbox, "/private/comment", "inbox");
	assert_value(f, moved, "/private/comment", "inbox");
	/* What DELETE leaves of a mailbox with children has none, may get some, and gives them to a mailbox made of it. */
	set(f, fixture_mailbox(f, "two"), "/private/comment", "mailbox");
	assert_int_equal(DO(f, mailbox_delete(f->account, "two")), STORE_OK);
	assert_int_equal(mailbox_find_name(f->account, "two", &name), STORE_OK);
	assert_value(f, name, "/private/comment", NULL);
	assert_int_equal(set(f, name, "/private/comment", "name"), STORE_OK);
	assert_int_equal(DO(f, mailbox_create(f->account, "two", 0, &again)), STORE_OK);
	assert_value(f, again, "/private/comment", "name");
	assert_int_equal(DO(f, mailbox_delete(f->account, "two")), STORE_OK);
	assert_int_equal(mailbox_find_name(f->account, "two", &name), STORE_OK);
	assert_int_equal(set(f, name, "/private/comment", "name"), STORE_OK);
	assert_int_equal(DO(f, mailbox_delete(f->account, "two/three")), STORE_OK);
	assert_value(f, name, "/private/comment", NULL);
	assert_check(f, "");
}

/* RFC 7162 3.2: a change raises the mailbox's modseq, whether its roster is in memory or not; setting nothing does not. */
static void test_modseq(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX");
	struct roster *r;
	uint64_t before = modseq(f, inbox);
	set(f, inbox, "/private/comment", "x");
	assert_int_equal(modseq(f, inbox), before + 1);
	assert_int_equal(roster_get(f->account, inbox, &r), STORE_OK);
	set(f, inbox, "/private/comment", "y");
	set(f, inbox, "/private/none", NULL);
	assert_int_equal(modseq(f, inbox), before + 2);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(modseq(f, inbox), before + 2);
	assert_int_equal(DO(f, metadata_set_special(f->account, inbox, SPECIAL_ALL)), STORE_OK);
	assert_int_equal(DO(f, metadata_set_special(f->account, inbox, SPECIAL_ALL)), STORE_OK);
	assert_int_equal(modseq(f, inbox), before + 3);
	fixture_close(f);
	fixture_open(f);
	struct mailbox_info info;
	assert_int_equal(mailbox_info(f->account, inbox, &info), STORE_OK);
	assert_int_equal(info.special, SPECIAL_ALL);
	assert_check(f, "");
}

struct heard {
	char text[512];
	unsigned left; /* so many are listened to */
};

static bool on_change(void *ctx, uint64_t modseq, int64_t mailbox, const char *names)
{
	struct heard *h = ctx;
	size_t at = strlen(h->text);
	(void)modseq;
	snprintf(h->text + at, sizeof(h->text) - at, "%s%s", mailbox ? "m:" : "0:", names);
	strncat(h->text, ";", 2);
	return --h->left > 0;
}

static void assert_changes(struct account_fixture *f, uint64_t since, unsigned most, const char *want)
{
	struct heard h = {.left = most};
	assert_int_equal(metadata_changes(f->account, since, on_change, &h), STORE_OK);
	assert_string_equal(h.text, want);
}

static void test_changes(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX");
	const struct metadata_value two[] = {{"/private/a", {"1", 1}}, {"/private/b", {"1", 1}}};
	uint64_t start = f->account->modseq;
	assert_true(metadata_is_known(f->account, start));
	assert_changes(f, start, 10, "");
	DO(f, metadata_set(f->account, inbox, two, 2));
	assert_false(metadata_is_known(f->account, start));
	uint64_t middle = f->account->modseq;
	set(f, 0, "/private/c", "1");
	fixture_mailbox(f, "other");
	set(f, inbox, "/private/a", NULL);
	assert_changes(f, start, 10, "m:/private/a\n/private/b;0:/private/c;m:/private/a;");
	assert_changes(f, start, 2, "m:/private/a\n/private/b;0:/private/c;");
	assert_changes(f, middle, 10, "0:/private/c;m:/private/a;");
	assert_changes(f, f->account->modseq, 10, "");
	/* A failed op leaves nothing, and what came before is still told. */
	assert_int_equal(account_begin(f->account), STORE_OK);
	assert_int_equal(metadata_set(f->account, inbox, two, 2), STORE_OK);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_changes(f, f->account->modseq, 10, "");
	assert_changes(f, middle, 10, "0:/private/c;m:/private/a;");
	fixture_close(f);
	fixture_open(f);
	assert_changes(f, middle, 10, "0:/private/c;m:/private/a;");
	/* What the journal has forgotten is not told as if nothing had happened. */
	bool more;
	struct heard h = {.left = 10};
	DO(f, history_prune(f->account, INT64_MAX, 100, &more));
	assert_int_equal(metadata_changes(f->account, middle, on_change, &h), STORE_LIMIT);
	assert_string_equal(h.text, "");
	assert_changes(f, f->account->modseq, 10, "");
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(metadata_changes(f->account, middle, on_change, &h), STORE_LIMIT);
}

static void test_next(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = fixture_mailbox(f, "INBOX"), other = fixture_mailbox(f, "other"), id;
	fixture_execute(f, "UPDATE mailbox SET special=0");
	assert_int_equal(metadata_next(f->account, 0, &id), STORE_NOTFOUND);
	set(f, 0, "/private/a", "1");
	set(f, other, "/private/a", "1");
	set(f, other, "/private/b", "1");
	assert_int_equal(metadata_next(f->account, 0, &id), STORE_OK);
	assert_int_equal(id, 0);
	assert_int_equal(metadata_next(f->account, 1, &id), STORE_OK);
	assert_int_equal(id, other);
	assert_int_equal(metadata_next(f->account, other + 1, &id), STORE_NOTFOUND);
	DO(f, metadata_set_special(f->account, inbox, SPECIAL_ALL));
	assert_int_equal(metadata_next(f->account, 1, &id), STORE_OK);
	assert_int_equal(id, inbox < other ? inbox : other);
}

static void test_check(void **state)
{
	struct account_fixture *f = *state;
	set(f, fixture_mailbox(f, "INBOX"), "/private/comment", "x");
	assert_check(f, "");
	fixture_execute(f, "UPDATE metadata SET value='longer'");
	assert_check(f, "mailbox 0: what its annotations hold is miscounted");
	fixture_execute(f, "UPDATE metadata SET value='x', mailbox=99");
	assert_check(f, "mailbox 99: it is not there and has annotations");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
		TEST(test_set),          TEST(test_list),   TEST(test_failed_op), TEST(test_account_limit),
		TEST(test_with_mailbox), TEST(test_modseq), TEST(test_changes),   TEST(test_next),
		TEST(test_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
