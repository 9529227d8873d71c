/* Names: the rules of RFC 9051 6.3.4 to 6.3.8 as storage keeps them. */
#include "storage/mailbox.h"

#include "storage/append.h"
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

static enum store_err create(struct account_fixture *f, const char *name)
{
	int64_t id;
	return DO(f, mailbox_create(f->account, name, 0, &id));
}

static enum store_err delete(struct account_fixture *f, const char *name)
{
	return DO(f, mailbox_delete(f->account, name));
}

static enum store_err move(struct account_fixture *f, const char *from, const char *to)
{
	return DO(f, mailbox_rename(f->account, from, to));
}

static int64_t find(struct account_fixture *f, const char *name)
{
	int64_t id = 0;
	return mailbox_find(f->account, name, &id) == STORE_OK ? id : 0;
}

static struct mailbox_info info(struct account_fixture *f, const char *name)
{
	struct mailbox_info i;
	assert_int_equal(mailbox_info(f->account, find(f, name), &i), STORE_OK);
	return i;
}

static void append(struct account_fixture *f, const char *name, uint32_t n)
{
	struct append_item items[16] = {0};
	uint32_t first;
	for (uint32_t i = 0; i < n; i++)
		items[i] = (struct append_item){.content = i + 1, .size = 10};
	assert_int_equal(DO(f, messages_append(f->account, find(f, name), items, n, &first)), STORE_OK);
}

/* "name[!][+]..." : "!" only a name, "+" has children, "*" subscribed; in order, separated by spaces. */
static void assert_names(struct account_fixture *f, const char *want)
{
	struct mailbox_names names;
	char got[4000] = "";
	size_t at = 0;
	assert_int_equal(mailbox_list(f->account, &names), STORE_OK);
	for (size_t i = 0; i < names.n; i++)
		at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%s%s%s%s", i ? " " : "", names.v[i].name,
				       names.v[i].noselect ? "!" : "", names.v[i].has_children ? "+" : "",
				       names.v[i].subscribed ? "*" : "");
	mailbox_names_finish(&names);
	assert_string_equal(got, want);
}

static void test_first_mailboxes(void **state)
{
	struct account_fixture *f = *state;
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash*");
	assert_int_equal(info(f, "Archive").special, SPECIAL_ARCHIVE);
	assert_int_equal(info(f, "Drafts").special, SPECIAL_DRAFTS);
	assert_int_equal(info(f, "Junk").special, SPECIAL_JUNK);
	assert_int_equal(info(f, "Sent").special, SPECIAL_SENT);
	assert_int_equal(info(f, "Trash").special, SPECIAL_TRASH);
	assert_int_equal(info(f, "INBOX").special, 0);
	assert_true(info(f, "INBOX").modseq > 0); /* RFC 7162 3.1.2.1: positive also for an empty mailbox */
	assert_int_equal(info(f, "INBOX").uidnext, 1);
}

static void test_create(void **state)
{
	struct account_fixture *f = *state;
	assert_int_equal(create(f, "INBOX"), STORE_EXISTS);
	assert_int_equal(create(f, "a/b/c"), STORE_OK); /* RFC 9051 6.3.4: missing parents are made */
	assert_int_equal(create(f, "a/b"), STORE_EXISTS);
	assert_int_equal(create(f, "a b"), STORE_OK); /* sorts between a and its children */
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash* a+ a b a/b+ a/b/c");
	assert_int_equal(create(f, "INBOX/x"), STORE_OK);
	assert_true(find(f, "INBOX/x"));
}

/* Deleting what has children leaves the name, which cannot be deleted, can be created anew, and goes with its last
 * child. */
static void test_delete(void **state)
{
	struct account_fixture *f = *state;
	char before[MAILBOX_OBJECTID_BYTES], after[MAILBOX_OBJECTID_BYTES];
	assert_int_equal(delete(f, "INBOX"), STORE_CANNOT);
	assert_int_equal(delete(f, "missing"), STORE_NOTFOUND);
	assert_int_equal(create(f, "a/b/c"), STORE_OK);
	append(f, "a", 3);
	struct mailbox_info old = info(f, "a");
	assert_int_equal(mailbox_objectid(f->account, old.id, before), STORE_OK);
	assert_int_equal(delete(f, "a"), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash* a!+ a/b+ a/b/c");
	assert_int_equal(find(f, "a"), 0);
	assert_int_equal(delete(f, "a"), STORE_HASCHILDREN);
	assert_int_equal(create(f, "a"), STORE_OK);
	struct mailbox_info new = info(f, "a");
	assert_int_equal(mailbox_objectid(f->account, new.id, after), STORE_OK);
	assert_true(new.uidvalidity > old.uidvalidity);
	assert_int_not_equal(new.id, old.id); /* who had the old one selected is not to take this for it */
	assert_string_not_equal(before, after);
	assert_int_equal(new.messages, 0);
	assert_int_equal(new.uidnext, 1);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash* a+ a/b+ a/b/c");
	assert_int_equal(delete(f, "a"), STORE_OK);
	assert_int_equal(delete(f, "a/b"), STORE_OK);
	assert_int_equal(delete(f, "a/b/c"), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash*");
}

static void test_rename(void **state)
{
	struct account_fixture *f = *state;
	char before[MAILBOX_OBJECTID_BYTES], after[MAILBOX_OBJECTID_BYTES];
	assert_int_equal(create(f, "a/b/c"), STORE_OK);
	append(f, "a/b", 3);
	struct mailbox_info old = info(f, "a/b");
	assert_int_equal(mailbox_objectid(f->account, old.id, before), STORE_OK);
	assert_int_equal(move(f, "missing", "x"), STORE_NOTFOUND);
	assert_int_equal(move(f, "a/b", "Sent"), STORE_EXISTS);
	assert_int_equal(move(f, "a/b", "INBOX"), STORE_EXISTS);
	assert_int_equal(move(f, "a/b", "a/b/c/d"), STORE_CANNOT);
	assert_int_equal(move(f, "a/b", "a/b"), STORE_EXISTS);
	assert_int_equal(move(f, "a/b", "x/y/z"), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash* a x+ x/y+ x/y/z+ x/y/z/c");
	struct mailbox_info new = info(f, "x/y/z");
	assert_int_equal(mailbox_objectid(f->account, new.id, after), STORE_OK);
	assert_string_equal(before, after); /* RFC 8474 4 */
	assert_int_equal(new.id, old.id);
	assert_int_equal(new.uidvalidity, old.uidvalidity);
	assert_int_equal(new.messages, 3);
	/* A name without mailbox moves too, and the one it leaves empty goes. */
	assert_int_equal(delete(f, "x/y"), STORE_OK);
	assert_int_equal(move(f, "x/y/z", "z"), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash* a x z+ z/c");
	assert_int_equal(delete(f, "z"), STORE_OK);
	assert_int_equal(move(f, "z", "y"), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash* a x y!+ y/c");
}

/* RFC 9051 6.3.6: the messages go, INBOX and its children stay. */
static void test_rename_inbox(void **state)
{
	struct account_fixture *f = *state;
	assert_int_equal(create(f, "INBOX/child"), STORE_OK);
	append(f, "INBOX", 5);
	struct mailbox_info old = info(f, "INBOX");
	assert_int_equal(move(f, "INBOX", "Sent"), STORE_EXISTS);
	assert_int_equal(move(f, "INBOX", "saved/mail"), STORE_OK);
	struct mailbox_info inbox = info(f, "INBOX"), saved = info(f, "saved/mail");
	assert_int_equal(inbox.id, old.id);
	assert_int_equal(inbox.uidvalidity, old.uidvalidity);
	assert_int_equal(inbox.messages, 0);
	assert_int_equal(inbox.uidnext, 6);
	assert_int_equal(inbox.expunge_modseq, inbox.modseq);
	assert_int_equal(saved.messages, 5);
	assert_true(saved.uidvalidity > old.uidvalidity);
	assert_names(f, "Archive* Drafts* INBOX+* INBOX/child Junk* Sent* Trash* saved+ saved/mail");
	assert_int_equal(move(f, "INBOX/child", "child"), STORE_OK);
	assert_int_equal(move(f, "INBOX", "INBOX/old"), STORE_OK); /* below itself is no circle: INBOX does not move */
	assert_names(f, "Archive* Drafts* INBOX+* INBOX/old Junk* Sent* Trash* child saved+ saved/mail");
}

/* RFC 9051 6.3.7: a subscription is a name; it needs no mailbox and does not follow one. */
static void test_subscriptions(void **state)
{
	struct account_fixture *f = *state;
	assert_int_equal(create(f, "b"), STORE_OK);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(DO(f, subscription_add(f->account, "b")), STORE_OK);
		assert_int_equal(DO(f, subscription_add(f->account, "ghost/x")), STORE_OK);
		assert_int_equal(f->account->op_modseq != 0, !again);
	}
	assert_int_equal(move(f, "b", "c"), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash* b!* c ghost/x!*");
	assert_int_equal(delete(f, "Trash"), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash!* b!* c ghost/x!*");
	for (int again = 0; again < 2; again++)
		assert_int_equal(DO(f, subscription_remove(f->account, "b")), STORE_OK);
	assert_names(f, "Archive* Drafts* INBOX* Junk* Sent* Trash!* c ghost/x!*");
}

/* Never twice, whatever the clock does (RFC 9051 2.3.1.1), also after a restart. */
static void test_uidvalidity(void **state)
{
	struct account_fixture *f = *state;
	uint32_t last = 0;
	for (int i = 0; i < 30; i++) {
		assert_int_equal(create(f, "x"), STORE_OK);
		uint32_t now = info(f, "x").uidvalidity;
		assert_true(now > last);
		last = now;
		assert_int_equal(delete(f, "x"), STORE_OK);
		f->now_s += i % 3 == 0 ? -1000 : 1;
		if (i % 10 == 5) {
			fixture_close(f);
			fixture_open(f);
		}
	}
	f->now_s = 2000000000;
	assert_int_equal(create(f, "x"), STORE_OK);
	assert_true(info(f, "x").uidvalidity >= 2000000000);
	assert_true(info(f, "x").uidvalidity < INT32_MAX);
}

/* An address may get another account in the second in which it lost one. */
static void test_uidvalidity_of_another_account(void **state)
{
	struct account_fixture *f = *state;
	uint32_t inbox = info(f, "INBOX").uidvalidity;
	fixture_close(f);
	assert_int_equal(account_open(&f->env, scratch_path(&f->dir, "another"), true, &f->account), STORE_OK);
	assert_int_not_equal(info(f, "INBOX").uidvalidity, inbox);
}

static void test_limits(void **state)
{
	struct account_fixture *f = *state;
	char deep[2 * MAILBOX_LEVELS_MAX + 2], name[MAILBOX_NAME_BYTES_MAX + 2];
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? '/' : 'd';
	deep[2 * MAILBOX_LEVELS_MAX + 1] = '\0';
	assert_int_equal(create(f, deep), STORE_LIMIT);
	deep[2 * MAILBOX_LEVELS_MAX - 1] = '\0';
	assert_int_equal(create(f, deep), STORE_OK);
	assert_int_equal(move(f, "d", "e/d"), STORE_LIMIT); /* its deepest child would be too deep */
	assert_int_equal(find(f, "e"), 0);                  /* and nothing was done */
	assert_int_equal(move(f, "d", "e"), STORE_OK);
	memset(name, 'n', sizeof(name));
	name[MAILBOX_NAME_BYTES_MAX + 1] = '\0';
	assert_int_equal(create(f, name), STORE_LIMIT);
	name[MAILBOX_NAME_BYTES_MAX] = '\0';
	assert_int_equal(create(f, name), STORE_OK);
	char path[MAILBOX_NAME_BYTES_MAX + 1];
	assert_int_equal(mailbox_path(f->account, find(f, name), path), STORE_OK);
	assert_string_equal(path, name);
	assert_int_equal(create(f, "p/q"), STORE_OK);
	name[MAILBOX_NAME_BYTES_MAX - 1] = '\0';
	name[0] = 'm';
	assert_int_equal(move(f, "p", name), STORE_LIMIT);
}

static void test_number_of_mailboxes(void **state)
{
	struct account_fixture *f = *state;
	char name[32];
	int64_t id;
	assert_int_equal(account_begin(f->account), STORE_OK);
	assert_int_equal(db_exec(&f->account->db,
				 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<9993)"
				 " INSERT INTO mailbox SELECT NULL, 0, 'n' || i, 'M' || i, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0"
				 " FROM n"), STORE_OK);
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "last%d", i);
		assert_int_equal(mailbox_create(f->account, name, 0, &id), i ? STORE_LIMIT : STORE_OK);
	}
	struct mailbox_names names;
	assert_int_equal(mailbox_list(f->account, &names), STORE_OK);
	assert_int_equal(names.n, MAILBOX_MAX);
	mailbox_names_finish(&names);
	assert_int_equal(account_end(f->account, false), STORE_OK);
}

/* A row whose parent is missing, or that is its own ancestor, is damage and not a crash. */
static void test_damaged_tree(void **state)
{
	struct account_fixture *f = *state;
	static const char *const damage[] = {"UPDATE mailbox SET parent=99 WHERE leaf='c'",
					     "UPDATE mailbox SET parent=(SELECT id FROM mailbox WHERE leaf='c') WHERE leaf='a'"};
	assert_int_equal(create(f, "a/b/c"), STORE_OK);
	for (size_t i = 0; i < countof(damage); i++) {
		struct mailbox_names names;
		char path[MAILBOX_NAME_BYTES_MAX + 1];
		int64_t id = find(f, "a/b/c");
		assert_int_equal(account_begin(f->account), STORE_OK);
		assert_int_equal(db_exec(&f->account->db, damage[i]), STORE_OK);
		assert_int_equal(mailbox_list(f->account, &names), STORE_CORRUPT);
		mailbox_names_finish(&names);
		assert_int_not_equal(mailbox_path(f->account, id, path), STORE_OK);
		assert_int_equal(account_end(f->account, false), STORE_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_mailboxes, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_create, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_delete, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_rename, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_rename_inbox, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_subscriptions, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_uidvalidity, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_uidvalidity_of_another_account, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_limits, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_number_of_mailboxes, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_tree, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
