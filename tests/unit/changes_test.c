/* The journal, the graveyard and the op's transaction: what is written down about a change, and when nothing is. */
#include "storage/changes.h"

#include "storage/append.h"
#include "storage/copy.h"
#include "storage/expunge.h"
#include "storage/gone.h"
#include "storage/mailbox.h"
#include "storage/store.h"
#include "tests/unit/account_fixture.h"

static void begin(struct account_fixture *f)
{
	assert_int_equal(account_begin(f->account), STORE_OK);
}

static void end(struct account_fixture *f)
{
	assert_int_equal(account_end(f->account, true), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
}

static int64_t mailbox(struct account_fixture *f, const char *name)
{
	int64_t id;
	assert_int_equal(mailbox_find(f->account, name, &id), STORE_OK);
	return id;
}

static void append(struct account_fixture *f, int64_t id, uint32_t n, uint32_t system)
{
	struct append_item *items = xcalloc(n, sizeof(*items));
	struct flag_spec spec = {system, ""};
	uint32_t first;
	for (uint32_t i = 0; i < n; i++) {
		items[i] = (struct append_item){.content = i + 1, .size = 100 + i};
		assert_int_equal(flagset_apply(f->account, 0, FLAG_SET, &spec, &items[i].flagset), STORE_OK);
	}
	assert_int_equal(messages_append(f->account, id, items, n, &first), STORE_OK);
	free(items);
}

static void store(struct account_fixture *f, int64_t id, uint32_t lo, uint32_t hi, enum flag_op op, uint32_t system)
{
	struct uidset set = {0}, changed = {0};
	struct flag_spec spec = {system, ""};
	uidset_append(&set, lo, hi);
	assert_int_equal(messages_store(f->account, id, &set, op, &spec, &changed), STORE_OK);
	uidset_finish(&set);
	uidset_finish(&changed);
}

static void expunge(struct account_fixture *f, int64_t id, uint32_t lo, uint32_t hi)
{
	struct uidset set = {0}, gone = {0};
	uidset_append(&set, lo, hi);
	assert_int_equal(messages_expunge(f->account, id, &set, &gone), STORE_OK);
	uidset_finish(&set);
	uidset_finish(&gone);
}

/* The journal's row as text: "kinds login device first last name". */
static char *row(struct account_fixture *f, uint64_t modseq, int64_t id, struct flag_log_reader *flags)
{
	static char text[300];
	static unsigned char bytes[100000];
	sqlite3_stmt *stmt = db_prepare(&f->account->db,
					"SELECT kinds, login, device, first_uid, last_uid, name, flags, at FROM change"
					" JOIN actor ON actor.id=actor WHERE modseq=? AND mailbox=?");
	sqlite3_bind_int64(stmt, 1, (int64_t)modseq);
	sqlite3_bind_int64(stmt, 2, id);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	snprintf(text, sizeof(text), "%d %s %s %d %d %s", sqlite3_column_int(stmt, 0), sqlite3_column_text(stmt, 1),
		 sqlite3_column_text(stmt, 2), sqlite3_column_int(stmt, 3), sqlite3_column_int(stmt, 4),
		 sqlite3_column_text(stmt, 5) ? (const char *)sqlite3_column_text(stmt, 5) : "-");
	assert_int_equal(sqlite3_column_int64(stmt, 7), f->now_s);
	if (flags) {
		size_t len = (size_t)sqlite3_column_bytes(stmt, 6);
		assert_true(len <= sizeof(bytes));
		memcpy(bytes, sqlite3_column_blob(stmt, 6), len);
		assert_true(flag_log_open(flags, (struct bytes){bytes, len}));
	}
	sqlite3_reset(stmt);
	return text;
}

static void test_what_is_written(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX"), archive = mailbox(f, "Archive"), id;
	struct uidset two = {0};
	struct copy_result moved;
	char want[100];
	account_set_actor(f->account, "alice@example.org", "192.0.2.1");
	begin(f);
	append(f, inbox, 10, FLAG_SEEN);
	end(f);
	assert_string_equal(row(f, f->account->modseq, inbox, NULL), "1 alice@example.org 192.0.2.1 1 10 -");
	account_set_actor(f->account, "alice@example.org", "192.0.2.2");
	uidset_append(&two, 4, 5);
	begin(f);
	assert_int_equal(messages_move(f->account, inbox, &two, archive, &moved), STORE_OK);
	end(f);
	assert_string_equal(row(f, f->account->modseq, inbox, NULL), "4 alice@example.org 192.0.2.2 0 0 -");
	assert_string_equal(row(f, f->account->modseq, archive, NULL), "1 alice@example.org 192.0.2.2 1 2 -");
	account_set_actor(f->account, NULL, NULL);
	begin(f);
	assert_int_equal(mailbox_create(f->account, "new/box", 0, &id), STORE_OK);
	assert_int_equal(mailbox_rename(f->account, "new/box", "old"), STORE_OK);
	assert_int_equal(subscription_add(f->account, "old"), STORE_OK);
	end(f);
	snprintf(want, sizeof(want), "%d   0 0 old\nnew/box", CHANGE_MADE | CHANGE_RENAMED);
	assert_string_equal(row(f, f->account->modseq, id, NULL), want);
	assert_string_equal(row(f, f->account->modseq, mailbox(f, "new"), NULL), "8   0 0 new");
	assert_string_equal(row(f, f->account->modseq, 0, NULL), "64   0 0 old");
	begin(f);
	assert_int_equal(mailbox_delete(f->account, "old"), STORE_OK);
	end(f);
	assert_string_equal(row(f, f->account->modseq, id, NULL), "32   0 0 old");
	copy_result_finish(&moved);
	uidset_finish(&two);
}

static void assert_run(struct flag_log_reader *flags, uint32_t lo, uint32_t hi, uint32_t from, uint32_t to)
{
	struct roster_flag_run run;
	assert_true(flag_log_next(flags, &run));
	assert_int_equal(run.lo, lo);
	assert_int_equal(run.hi, hi);
	assert_int_equal(run.from, from);
	assert_int_equal(run.to, to);
}

static void test_flag_runs(void **state)
{
	struct account_fixture *f = *state;
	struct flag_log_reader flags;
	struct roster_flag_run run;
	int64_t inbox = mailbox(f, "INBOX");
	begin(f);
	append(f, inbox, 3, 0);
	append(f, inbox, 3, FLAG_FLAGGED | FLAG_DELETED);
	append(f, inbox, 400, 0);
	end(f);
	begin(f);
	expunge(f, inbox, 5, 5);
	store(f, inbox, 4, 4, FLAG_ADD, FLAG_SEEN);
	end(f);
	struct roster *r;
	struct roster_entry e;
	assert_int_equal(roster_get(f->account, inbox, &r), STORE_OK);
	roster_read(r, 3, &e);
	uint32_t flagged_seen = e.flagset, flagged = 1, seen;
	begin(f);
	store(f, inbox, 1, UINT32_MAX, FLAG_ADD, FLAG_SEEN);
	store(f, inbox, 2, 2, FLAG_REMOVE, FLAG_SEEN); /* a second pass of the op starts below */
	end(f);
	roster_read(r, 0, &e);
	seen = e.flagset;
	assert_string_equal(row(f, f->account->modseq, inbox, &flags), "2   0 0 -");
	assert_run(&flags, 1, 3, 0, seen);
	assert_run(&flags, 6, 6, flagged, flagged_seen);
	assert_run(&flags, 7, 406, 0, seen);
	assert_run(&flags, 2, 2, seen, 0);
	assert_false(flag_log_next(&flags, &run));
}

static void test_flag_log_is_not_believed(void **state)
{
	(void)state;
	struct change c = {0};
	struct flag_log_reader r;
	struct roster_flag_run run;
	static const unsigned char bad_pair[] = {0, 0, 0, 0, 1, 1, 0}, many_pairs[] = {9, 0, 0, 0, 1, 0, 0, 0},
				   endless[] = {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	assert_false(flag_log_open(&r, (struct bytes){bad_pair, 3}));
	assert_false(flag_log_open(&r, (struct bytes){many_pairs, sizeof(many_pairs)}));
	assert_true(flag_log_open(&r, (struct bytes){bad_pair, sizeof(bad_pair)}));
	assert_false(flag_log_next(&r, &run));
	assert_true(flag_log_open(&r, (struct bytes){endless, sizeof(endless)}));
	assert_false(flag_log_next(&r, &run));
	change_finish(&c);
}

static bool has_row(struct account_fixture *f, uint64_t modseq)
{
	sqlite3_stmt *stmt = db_prepare(&f->account->db, "SELECT 1 FROM change WHERE modseq=?");
	sqlite3_bind_int64(stmt, 1, (int64_t)modseq);
	bool has = sqlite3_step(stmt) == SQLITE_ROW;
	sqlite3_reset(stmt);
	return has;
}

/* RFC 7162 3.1: what changes nothing takes no modseq; neither does housekeeping. */
static void test_no_change_no_modseq(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX");
	struct uidset none = {0};
	struct copy_result copied;
	uint32_t old;
	bool more;
	begin(f);
	append(f, inbox, 3, FLAG_SEEN);
	end(f);
	uint64_t modseq = f->account->modseq;
	const struct account_touched *touched;
	size_t n;
	begin(f);
	store(f, inbox, 1, 9, FLAG_ADD, FLAG_SEEN);
	store(f, inbox, 1, 9, FLAG_REMOVE, FLAG_FLAGGED);
	store(f, inbox, 90, 99, FLAG_SET, 0);
	expunge(f, inbox, 1, 9);
	assert_int_equal(messages_copy(f->account, inbox, &none, inbox, &copied), STORE_OK);
	assert_int_equal(subscription_add(f->account, "INBOX"), STORE_OK);
	assert_int_equal(mailbox_take_recent(f->account, inbox, &old), STORE_OK);
	assert_int_equal(history_prune(f->account, 0, 100, &more), STORE_OK);
	assert_int_equal(account_end(f->account, true), STORE_OK);
	assert_int_equal(account_commit(f->account, &touched, &n), STORE_OK);
	assert_int_equal(n, 0);
	assert_int_equal(f->account->modseq, modseq);
	assert_false(has_row(f, modseq + 1));
}

/* Three ops to a commit: each its own modseq, the failed one's is given to the next. */
static void test_group_commit(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX");
	uint64_t modseq = f->account->modseq;
	const struct account_touched *touched;
	size_t n;
	for (int i = 0; i < 3; i++) {
		begin(f);
		append(f, inbox, 1, 0);
		assert_int_equal(account_end(f->account, i != 1), STORE_OK);
	}
	assert_int_equal(account_commit(f->account, &touched, &n), STORE_OK);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(touched[i].mailbox, inbox);
		assert_int_equal(touched[i].modseq, modseq + 1 + i);
	}
	struct mailbox_info info;
	assert_int_equal(mailbox_info(f->account, inbox, &info), STORE_OK);
	assert_int_equal(info.messages, 2);
	assert_int_equal(info.uidnext, 3);
	assert_int_equal(info.modseq, modseq + 2);
}

/* A failed op drops the rosters it changed, and only those. */
static void test_failed_op_keeps_other_rosters(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX"), archive = mailbox(f, "Archive");
	struct roster *a, *b;
	begin(f);
	append(f, inbox, 3, 0);
	append(f, archive, 3, 0);
	end(f);
	assert_int_equal(roster_get(f->account, inbox, &a), STORE_OK);
	assert_int_equal(roster_get(f->account, archive, &b), STORE_OK);
	begin(f);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_ptr_equal(roster_loaded(f->account, inbox), a);
	begin(f);
	append(f, inbox, 1, 0);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	assert_null(roster_loaded(f->account, inbox));
	assert_ptr_equal(roster_loaded(f->account, archive), b);
	assert_int_equal(roster_get(f->account, inbox, &a), STORE_OK);
	assert_int_equal(a->uids.n, 3);
	assert_int_equal(fixture_commit(f), STORE_OK);
}

/* UIDNEXT must be a UID itself, so 4294967294 is the last that is given. */
static void test_end_of_uids(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX"), archive = mailbox(f, "Archive");
	struct append_item items[3] = {{.content = 1}, {.content = 2}, {.content = 3}};
	struct uidset all = {0};
	struct copy_result copied;
	uint32_t first;
	begin(f);
	append(f, archive, 3, 0);
	assert_int_equal(db_exec(&f->account->db, "UPDATE mailbox SET uidnext=4294967293 WHERE leaf='INBOX'"), STORE_OK);
	end(f);
	uidset_append(&all, 1, UINT32_MAX);
	begin(f);
	assert_int_equal(messages_append(f->account, inbox, items, 3, &first), STORE_LIMIT);
	assert_int_equal(messages_copy(f->account, archive, &all, inbox, &copied), STORE_LIMIT);
	assert_int_equal(messages_move(f->account, archive, &all, inbox, &copied), STORE_LIMIT);
	assert_int_equal(f->account->op_modseq, 0);
	assert_int_equal(messages_append(f->account, inbox, items, 2, &first), STORE_OK);
	assert_int_equal(first, 4294967293);
	assert_int_equal(messages_append(f->account, inbox, items, 1, &first), STORE_LIMIT);
	end(f);
	fixture_close(f);
	fixture_open(f);
	struct mailbox_info info;
	assert_int_equal(mailbox_info(f->account, inbox, &info), STORE_OK);
	assert_int_equal(info.uidnext, UINT32_MAX);
	assert_int_equal(info.messages, 2);
	uidset_finish(&all);
}

/* History ends somewhere: from there on the floor says so, and ghosts are gone. */
static void test_prune(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX");
	struct uidset all = {0}, expunged = {0}, changed = {0};
	struct ghosts ghosts;
	bool more;
	uidset_append(&all, 1, UINT32_MAX);
	account_set_actor(f->account, "old", "");
	begin(f);
	append(f, inbox, 300, FLAG_DELETED);
	end(f);
	uint64_t told = f->account->modseq;
	begin(f);
	expunge(f, inbox, 1, 200);
	end(f);
	f->now_s += 100;
	account_set_actor(f->account, "new", "");
	begin(f);
	expunge(f, inbox, 250, 250);
	end(f);
	assert_int_equal(ghosts_load(f->account, inbox, told, &all, &ghosts), STORE_OK);
	assert_int_equal(ghosts.n, 201);
	assert_int_equal(ghosts_find(&ghosts, 250)->size, 100 + 249);
	assert_null(ghosts_find(&ghosts, 201));
	ghosts_finish(&ghosts);
	begin(f);
	assert_int_equal(history_prune(f->account, f->now_s - 50, 1, &more), STORE_OK);
	assert_true(more);
	while (more)
		assert_int_equal(history_prune(f->account, f->now_s - 50, 1000, &more), STORE_OK);
	end(f);
	assert_int_equal(ghosts_load(f->account, inbox, told, &all, &ghosts), STORE_OK);
	assert_int_equal(ghosts.n, 1);
	ghosts_finish(&ghosts);
	assert_int_equal(changes_since(f->account, inbox, told, 301, &expunged, &changed), STORE_LIMIT);
	assert_int_equal(changes_since(f->account, inbox, told + 1, 301, &expunged, &changed), STORE_OK);
	assert_int_equal(uidset_count(&expunged), 1);
	assert_false(has_row(f, told + 1));
	assert_true(has_row(f, told + 2));
	sqlite3_stmt *stmt = db_prepare(&f->account->db, "SELECT group_concat(login) FROM actor");
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(stmt, 0), "new");
	sqlite3_reset(stmt);
	uidset_finish(&all);
	uidset_finish(&expunged);
	uidset_finish(&changed);
}

/* Of what was expunged someone hears only what he may know: UIDs below his UIDNEXT. */
static void test_only_what_was_known(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX");
	struct uidset expunged = {0}, changed = {0};
	begin(f);
	append(f, inbox, 5, FLAG_DELETED);
	end(f);
	uint64_t told = f->account->modseq;
	begin(f);
	append(f, inbox, 5, FLAG_DELETED);
	end(f);
	begin(f);
	expunge(f, inbox, 4, 7);
	store(f, inbox, 2, 9, FLAG_ADD, FLAG_SEEN);
	end(f);
	assert_int_equal(changes_since(f->account, inbox, told, 6, &expunged, &changed), STORE_OK);
	assert_int_equal(expunged.n, 1);
	assert_int_equal(expunged.v[0].lo, 4);
	assert_int_equal(expunged.v[0].hi, 5);
	assert_int_equal(changed.n, 1);
	assert_int_equal(changed.v[0].lo, 2);
	assert_int_equal(changed.v[0].hi, 3);
	uidset_finish(&expunged);
	uidset_finish(&changed);
}

/* A segment that does not hold what it should is damage, whoever asks. */
static void test_damaged_segments(void **state)
{
	struct account_fixture *f = *state;
	static const char *const damage[] = {
		"UPDATE segment SET data=zeroblob(200)", "UPDATE segment SET id=id+5 WHERE id=(SELECT max(id) FROM segment)",
		"DELETE FROM segment WHERE id=(SELECT max(id) FROM segment)", "UPDATE mailbox SET uidnext=10 WHERE leaf='INBOX'",
		"DELETE FROM flagset", "UPDATE mailbox SET deleted=7 WHERE leaf='INBOX'"};
	int64_t inbox = mailbox(f, "INBOX");
	begin(f);
	append(f, inbox, 300, FLAG_DELETED);
	end(f);
	for (size_t i = 0; i < countof(damage); i++) {
		struct roster *r;
		begin(f);
		assert_int_equal(db_exec(&f->account->db, damage[i]), STORE_OK);
		roster_drop_all(f->account);
		flagset_unload(f->account);
		assert_int_equal(flagset_load(f->account), STORE_OK);
		assert_int_equal(roster_get(f->account, inbox, &r), STORE_CORRUPT);
		f->account->before.flagsets_n = f->account->flags->n;
		assert_int_equal(account_end(f->account, false), STORE_OK);
		flagset_unload(f->account);
		assert_int_equal(flagset_load(f->account), STORE_OK);
		assert_int_equal(roster_get(f->account, inbox, &r), STORE_OK);
	}
}

/* The set as "3,5:7". */
static const char *text_of(const struct uidset *set)
{
	static char text[200];
	size_t len = 0;
	text[0] = '\0';
	for (size_t i = 0; i < set->n; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, i ? ",%u" : "%u", set->v[i].lo);
		if (set->v[i].hi > set->v[i].lo)
			len += (size_t)snprintf(text + len, sizeof(text) - len, ":%u", set->v[i].hi);
	}
	return text;
}

static void assert_flags_changed(struct account_fixture *f, uint64_t since, uint32_t system, const char *keywords,
				 const char *want)
{
	struct uidset out = {0};
	struct flag_spec spec = {system, keywords};
	assert_int_equal(changes_of_flags(f->account, mailbox(f, "INBOX"), since, &spec, 100, &out), STORE_OK);
	assert_string_equal(text_of(&out), want);
	uidset_finish(&out);
}

/* RFC 7162 3.1.12: each flag as if it had a mod-sequence of its own. */
static void test_of_flags(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX"), archive = mailbox(f, "Archive");
	struct uidset set = {0}, changed = {0}, out = {0};
	struct flag_spec keyword = {0, "$Work later"}, seen = {FLAG_SEEN, ""};
	begin(f);
	append(f, inbox, 10, FLAG_SEEN);
	append(f, archive, 10, 0);
	end(f);
	uint64_t start = f->account->modseq;
	assert_flags_changed(f, start, FLAG_SEEN, "", "");
	begin(f);
	store(f, inbox, 2, 3, FLAG_ADD, FLAG_FLAGGED);
	store(f, archive, 1, 10, FLAG_ADD, FLAG_FLAGGED);
	end(f);
	begin(f);
	store(f, inbox, 5, 7, FLAG_REMOVE, FLAG_SEEN);
	end(f);
	uint64_t middle = f->account->modseq;
	uidset_append(&set, 7, 8);
	begin(f);
	assert_int_equal(messages_store(f->account, inbox, &set, FLAG_ADD, &keyword, &changed), STORE_OK);
	end(f);
	begin(f);
	store(f, inbox, 5, 5, FLAG_ADD, FLAG_SEEN); /* and back: it was changed all the same */
	end(f);
	assert_flags_changed(f, start, FLAG_SEEN, "", "5:7");
	assert_flags_changed(f, start, FLAG_FLAGGED, "", "2:3");
	assert_flags_changed(f, start, FLAG_FLAGGED | FLAG_SEEN, "", "2:3,5:7");
	assert_flags_changed(f, start, FLAG_DRAFT, "other", "");
	assert_flags_changed(f, start, FLAG_FLAGGED, "other LATER", "2:3,7:8");
	assert_flags_changed(f, middle, FLAG_SEEN | FLAG_FLAGGED, "$work", "5,7:8");
	begin(f);
	append(f, inbox, 2, 0);
	end(f);
	assert_flags_changed(f, start, FLAG_DRAFT, "", "11:12"); /* what arrived is new in everything */
	assert_int_equal(changes_of_flags(f->account, inbox, start, &seen, 6, &out), STORE_OK);
	assert_int_equal(changes_of_flags(f->account, inbox, start, &seen, 5, &out), STORE_LIMIT);
	uidset_finish(&out);
	uidset_finish(&set);
	uidset_finish(&changed);
}

static void test_of_flags_unknown(void **state)
{
	struct account_fixture *f = *state;
	int64_t inbox = mailbox(f, "INBOX");
	struct uidset out = {0};
	struct flag_spec seen = {FLAG_SEEN, ""};
	bool more;
	begin(f);
	append(f, inbox, 3, 0);
	end(f);
	uint64_t start = f->account->modseq;
	begin(f);
	store(f, inbox, 1, 1, FLAG_ADD, FLAG_FLAGGED);
	end(f);
	fixture_execute(f, "UPDATE change SET flags=x'0100000000' WHERE flags IS NOT NULL");
	assert_int_equal(changes_of_flags(f->account, inbox, start, &seen, 100, &out), STORE_LIMIT);
	begin(f);
	assert_int_equal(history_prune(f->account, f->now_s + 1, 1000, &more), STORE_OK);
	end(f);
	assert_int_equal(changes_of_flags(f->account, inbox, start, &seen, 100, &out), STORE_LIMIT);
	assert_int_equal(changes_of_flags(f->account, inbox, f->account->modseq, &seen, 100, &out), STORE_OK);
	assert_int_equal(out.n, 0);
	uidset_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_written, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_flag_runs, fixture_set_up, fixture_tear_down),
		cmocka_unit_test(test_flag_log_is_not_believed),
		cmocka_unit_test_setup_teardown(test_no_change_no_modseq, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_group_commit, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_failed_op_keeps_other_rosters, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_end_of_uids, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_prune, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_only_what_was_known, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_of_flags, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_of_flags_unknown, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_segments, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
