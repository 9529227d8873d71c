/* The check's course, and what it looks at as a whole: the database, the account, the journal. */
#include "storage/check.h"

#include "storage/changes.h"
#include "storage/check_private.h"
#include "storage/fulltext.h"
#include "storage/mailbox.h"
#include "storage/roster.h"
#include "storage/usage.h"

#include <stdarg.h>

enum { JOURNAL_ROWS = 200 };

void check_report(struct check *c, enum check_kind kind, const char *format, ...)
{
	char line[512];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (kind == CHECK_DAMAGE)
		c->counts.damage++;
	else
		c->counts.garbage++;
	c->report(c->ctx, kind, line);
}

void check_next_phase(struct check *c)
{
	invariant(c->phase < CHECK_DONE);
	c->phase++;
	c->at = (struct check_place){0};
}

static enum store_err check_database(struct check *c)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "PRAGMA integrity_check");
	enum store_err err;
	while (db_next(&c->a->db, stmt, &err)) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);
		if (text && strcmp(text, "ok") != 0)
			check_report(c, CHECK_DAMAGE, "database: %s", text);
	}
	check_next_phase(c);
	if (err == STORE_CORRUPT) {
		check_report(c, CHECK_DAMAGE, "database: %s", account_fault(c->a));
		return STORE_OK;
	}
	return err;
}

/* Reports one line for each row: `format` gets the row's first number. */
static enum store_err report_rows(struct check *c, const char *sql, const char *text)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, sql);
	enum store_err err;
	while (db_next(&c->a->db, stmt, &err))
		check_report(c, CHECK_DAMAGE, "mailbox %lld: %s", (long long)sqlite3_column_int64(stmt, 0), text);
	return err;
}

static enum store_err check_account(struct check *c)
{
	static const struct {
		const char *sql, *text;
	} rules[] = {
		{"SELECT 0 WHERE NOT EXISTS(SELECT 1 FROM mailbox WHERE id=0)", "the account's own row is missing"},
		{"SELECT 0 WHERE NOT EXISTS(SELECT 1 FROM mailbox WHERE parent=0 AND leaf='INBOX' AND state=0)",
		 "there is no INBOX"},
		{"SELECT id FROM mailbox m WHERE id>0 AND NOT EXISTS(SELECT 1 FROM mailbox p WHERE p.id=m.parent)",
		 "its parent is missing"},
		{"WITH RECURSIVE tree(id) AS (SELECT id FROM mailbox WHERE id=0 UNION SELECT m.id FROM mailbox m JOIN tree t"
		 " ON m.parent=t.id) SELECT id FROM mailbox WHERE id NOT IN tree",
		 "it cannot be reached from the root"},
		{"SELECT id FROM mailbox WHERE modseq>(SELECT modseq FROM mailbox WHERE id=0)",
		 "its modseq is above the account's"},
		{"SELECT id FROM mailbox WHERE id>0 AND floor>(SELECT modseq FROM mailbox WHERE id=0)",
		 "its floor is above the account's modseq"},
		{"SELECT id FROM mailbox WHERE expunge_modseq>modseq", "its last expunge is after its last change"},
		{"SELECT id FROM mailbox WHERE id>0 AND state=0 AND (uidvalidity<1 OR uidvalidity>4294967295 OR"
		 " uidvalidity>(SELECT uidvalidity FROM mailbox WHERE id=0))",
		 "its UIDVALIDITY was never given"},
		{"SELECT id FROM mailbox m WHERE id>0 AND state=0 AND EXISTS(SELECT 1 FROM mailbox o WHERE o.id<>m.id AND"
		 " o.id>0 AND o.state=0 AND o.uidvalidity=m.uidvalidity) AND NOT EXISTS(SELECT 1 FROM meta"
		 " WHERE key='shared:' || m.uidvalidity)",
		 "another has the same UIDVALIDITY"},
		{"SELECT id FROM mailbox WHERE id>0 AND (uidnext<1 OR uidnext>4294967295 OR recent>=uidnext)",
		 "its UIDNEXT makes no sense"},
		{"SELECT id FROM mailbox WHERE id>0 AND state NOT IN (0, 1)", "its state makes no sense"},
		{"SELECT id FROM mailbox WHERE id>0 AND state=1 AND messages<>0", "it is only a name and has messages"},
		{"SELECT DISTINCT mailbox FROM metadata WHERE mailbox NOT IN (SELECT id FROM mailbox)",
		 "it is not there and has annotations"},
		{"SELECT 0 WHERE (SELECT coalesce(sum(length(name) + length(value)), 0) FROM metadata)<>"
		 " coalesce((SELECT value FROM meta WHERE key='metadata_bytes'), 0)",
		 "what its annotations hold is miscounted"},
	};
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < countof(rules) && !err; i++)
		err = report_rows(c, rules[i].sql, rules[i].text);
	struct usage counted = c->a->usage;
	if (!err)
		err = usage_load(c->a); /* nothing runs: memory has what is committed */
	if (!err && (counted.bytes != c->a->usage.bytes || counted.messages != c->a->usage.messages))
		check_report(c, CHECK_DAMAGE, "what the account takes is miscounted");
	check_next_phase(c);
	return err;
}

static void check_change(struct check *c, sqlite3_stmt *stmt)
{
	int64_t modseq = sqlite3_column_int64(stmt, 1);
	struct flag_log_reader reader;
	struct roster_flag_run run;
	if (modseq < c->at.b)
		check_report(c, CHECK_DAMAGE, "journal: modseq %lld comes after a higher one", (long long)modseq);
	if ((uint64_t)modseq > c->a->modseq)
		check_report(c, CHECK_DAMAGE, "journal: modseq %lld is above the account's", (long long)modseq);
	if (!sqlite3_column_int(stmt, 3))
		check_report(c, CHECK_DAMAGE, "journal: modseq %lld names an actor that is not there", (long long)modseq);
	if (sqlite3_column_type(stmt, 2) == SQLITE_NULL)
		return;
	struct bytes flags = {sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2)};
	bool sound = flag_log_open(&reader, flags);
	while (sound && reader.at < reader.end)
		sound = flag_log_next(&reader, &run) && run.from < c->a->flags->n && run.to < c->a->flags->n;
	if (!sound)
		check_report(c, CHECK_DAMAGE, "journal: the flag changes at modseq %lld cannot be read", (long long)modseq);
}

static enum store_err check_journal(struct check *c)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "SELECT id, modseq, flags,"
						   " EXISTS(SELECT 1 FROM actor a WHERE a.id=actor) FROM change"
						   " WHERE id>? ORDER BY id LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, c->at.a);
		sqlite3_bind_int64(stmt, 2, JOURNAL_ROWS);
	}
	enum store_err err;
	bool any = false;
	while (db_next(&c->a->db, stmt, &err)) {
		any = true;
		c->at.a = sqlite3_column_int64(stmt, 0);
		check_change(c, stmt);
		c->at.b = sqlite3_column_int64(stmt, 1);
	}
	if (!err && !any)
		check_next_phase(c);
	return err;
}

struct check *check_create(struct account *a, const struct check_digest *digest,
			   void (*report)(void *ctx, enum check_kind kind, const char *line), void *ctx)
{
	if (a->check)
		return NULL;
	struct check *c = xcalloc(1, sizeof(*c));
	c->a = a;
	a->check = c;
	c->digest = digest;
	c->report = report;
	c->ctx = ctx;
	return c;
}

void check_give_up(struct account *a)
{
	if (!a->check)
		return;
	if (a->watching == &a->check->live)
		a->watching = NULL;
	a->check->a = NULL;
	a->check = NULL;
}

void check_destroy(struct check *c)
{
	if (!c)
		return;
	if (c->a)
		check_give_up(c->a);
	live_finish(&c->live);
	free(c->damaged);
	free(c);
}

struct check_counts check_result(const struct check *c)
{
	return c->counts;
}

const int64_t *check_damaged(const struct check *c, size_t *n)
{
	*n = c->damaged_n;
	return c->damaged;
}

static enum store_err check_index(struct check *c)
{
	bool more = false;
	enum store_err err = fulltext_prove(c->a, &c->at.a, &more);
	if (err && err != STORE_BUSY && err != STORE_FULL) /* those say nothing of what is there */
		check_report(c, CHECK_DAMAGE, "index: search.db was damaged, and is made anew");
	if (!more)
		check_next_phase(c);
	return STORE_OK;
}

static enum store_err run_phase(struct check *c)
{
	switch (c->phase) {
	case CHECK_DATABASE:
		return check_database(c);
	case CHECK_ACCOUNT:
		return check_account(c);
	case CHECK_MAILBOXES:
		return check_mailboxes(c);
	case CHECK_MESSAGES:
		return check_messages(c);
	case CHECK_GRAVEYARD:
		return check_graveyard(c);
	case CHECK_JOURNAL:
		return check_journal(c);
	case CHECK_CONTENTS:
		return check_contents(c);
	case CHECK_UNNAMED:
		return check_unnamed(c);
	case CHECK_FILES:
		return check_files(c);
	case CHECK_INDEX:
		return check_index(c);
	case CHECK_DONE:
		break;
	}
	return STORE_OK;
}

enum store_err check_step(struct check *c, bool *out_more)
{
	*out_more = false;
	if (!c->a)
		return STORE_IO;
	invariant(!c->a->in_op);
	enum check_phase phase = c->phase;
	enum store_err err = run_phase(c);
	/* A page that cannot be read is a problem found; the table it is in cannot be gone through any further. */
	if (err == STORE_CORRUPT) {
		check_report(c, CHECK_DAMAGE, "database: %s", account_fault(c->a));
		if (c->phase == phase)
			check_next_phase(c);
		err = STORE_OK;
	}
	db_rest(&c->a->db);
	*out_more = !err && c->phase != CHECK_DONE;
	return err;
}
