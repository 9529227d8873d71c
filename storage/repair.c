#include "storage/repair.h"

#include "storage/changes.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"
#include "storage/repair_private.h"

#include <stdarg.h>

void repair_told(struct repair *r, const char *format, ...)
{
	char line[512];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	r->mended++;
	r->report(r->ctx, line);
}

/* Runs a statement, and says `what` with the number of rows if there were any. */
static enum store_err mend_rows(struct repair *r, struct account *a, const char *sql, const char *what)
{
	enum store_err err = db_run(&a->db, db_prepare(&a->db, sql));
	int n = err ? 0 : sqlite3_changes(a->db.handle);
	if (n)
		repair_told(r, "%s (%d)", what, n);
	return err;
}

/* Names first: whatever else is wrong, each mailbox can be reached. */
static enum store_err mend_tree(struct repair *r, struct account *a)
{
	static const struct {
		const char *sql, *what;
	} rules[] = {
		{"UPDATE mailbox SET state=0 WHERE id>0 AND state NOT IN (0, 1)", "mailboxes in no state: they are mailboxes again"},
		{"UPDATE mailbox SET state=0 WHERE id>0 AND state=1 AND EXISTS(SELECT 1 FROM segment WHERE segment.id"
		 " BETWEEN mailbox.id<<32 AND (mailbox.id<<32)+4294967295)",
		 "names that had messages: they are mailboxes again"},
		{"UPDATE mailbox SET messages=0, unseen=0, deleted=0, bytes=0 WHERE state=1 AND (messages<>0 OR bytes<>0)",
		 "counters of mere names: they are zero"},
		{"UPDATE OR IGNORE mailbox SET parent=0, leaf=leaf||' (found '||id||')' WHERE id>0 AND NOT EXISTS(SELECT 1"
		 " FROM mailbox p WHERE p.id=mailbox.parent)",
		 "mailboxes whose parents are missing: they are at the top, with \"(found N)\" in their names"},
		{"UPDATE OR IGNORE mailbox SET parent=0, leaf=leaf||' (found '||id||')' WHERE id IN (WITH RECURSIVE tree(id) AS"
		 " (SELECT id FROM mailbox WHERE id=0 UNION SELECT m.id FROM mailbox m JOIN tree t ON m.parent=t.id)"
		 " SELECT id FROM mailbox WHERE id NOT IN tree)",
		 "mailboxes that could not be reached: they are at the top, with \"(found N)\" in their names"},
		{"UPDATE mailbox SET expunge_modseq=modseq WHERE expunge_modseq>modseq", "times of last expunges: set back"},
		{"DELETE FROM metadata WHERE mailbox NOT IN (SELECT id FROM mailbox)", "annotations of mailboxes that are not there: gone"},
		{"DELETE FROM metadata WHERE mailbox IN (SELECT id FROM mailbox WHERE id<0)", "annotations of nothing: gone"},
	};
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < countof(rules) && !err; i++)
		err = mend_rows(r, a, rules[i].sql, rules[i].what);
	int64_t inbox;
	enum store_err found = err ? err : mailbox_find(a, "INBOX", &inbox);
	if (found != STORE_NOTFOUND)
		return found;
	repair_told(r, "INBOX was missing: there is an empty one");
	return mailbox_create(a, "INBOX", 0, &inbox);
}

static enum store_err mend_metadata_bytes(struct repair *r, struct account *a)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT coalesce(sum(length(name) + length(value)), 0) FROM metadata");
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_IO;
	int64_t bytes = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	if (bytes == account_meta(a, "metadata_bytes"))
		return STORE_OK;
	repair_told(r, "what annotations hold: counted afresh");
	return account_set_meta(a, "metadata_bytes", bytes);
}

/* The account's clock is above every modseq there is: the jump that follows starts from there. */
static enum store_err mend_modseq(struct repair *r, struct account *a)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT max((SELECT coalesce(max(max(modseq, floor, expunge_modseq)), 0) FROM mailbox),"
						" (SELECT coalesce(max(modseq), 0) FROM segment), (SELECT coalesce(max(modseq), 0)"
						" FROM gone), (SELECT coalesce(max(modseq), 0) FROM change))");
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_IO;
	uint64_t highest = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	if (highest <= a->modseq || highest >= INT64_MAX / 2)
		return STORE_OK;
	repair_told(r, "the account's clock was behind what is in it: set ahead");
	a->modseq = a->op_modseq = highest + 1;
	return STORE_OK;
}

/* One mailbox that has a UIDVALIDITY which is none, was never given, or is another's; 0: there is none. */
static enum store_err find_bad_validity(struct account *a, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id FROM mailbox m WHERE id>0 AND state=0 AND (uidvalidity<1 OR"
						" uidvalidity>4294967295 OR EXISTS(SELECT 1 FROM mailbox o WHERE o.id>0 AND o.id<m.id"
						" AND o.state=0 AND o.uidvalidity=m.uidvalidity) AND NOT EXISTS(SELECT 1 FROM meta"
						" WHERE key='shared:' || m.uidvalidity)) LIMIT 1");
	enum store_err err;
	*out = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static enum store_err mend_validities(struct repair *r, struct account *a)
{
	int64_t id = 0;
	enum store_err err = find_bad_validity(a, &id);
	while (!err && id) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET uidvalidity=? WHERE id=?");
		if (stmt) {
			sqlite3_bind_int64(stmt, 1, ++a->last_uidvalidity);
			sqlite3_bind_int64(stmt, 2, id);
		}
		err = db_run(&a->db, stmt);
		repair_told(r, "mailbox %lld: its UIDVALIDITY was another's or none; it has a new one", (long long)id);
		if (!err)
			err = find_bad_validity(a, &id);
	}
	/* Those from above: the next one to be given comes after them. */
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&a->db, "SELECT max(uidvalidity) FROM mailbox WHERE id>0 AND state=0");
	if (!err && db_next(&a->db, stmt, &err)) {
		int64_t highest = sqlite3_column_int64(stmt, 0);
		if (highest > a->last_uidvalidity) {
			repair_told(r, "the UIDVALIDITY given last was behind those in use: set ahead");
			a->last_uidvalidity = (uint32_t)highest;
		}
		sqlite3_reset(stmt);
	}
	return err;
}

static bool is_readable(const struct account *a, struct bytes flags)
{
	struct flag_log_reader reader;
	struct roster_flag_run run;
	bool sound = flag_log_open(&reader, flags);
	while (sound && reader.at < reader.end)
		sound = flag_log_next(&reader, &run) && run.from < a->flags->n && run.to < a->flags->n;
	return sound;
}

/* Rows out of order, or whose flags cannot be read; the jump raises every floor, so nobody asks for them. */
static enum store_err mend_journal(struct repair *r, struct account *a)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, modseq, flags FROM change WHERE id>? ORDER BY id LIMIT 1");
	int64_t at = 0, before = 0, removed = 0;
	enum store_err err;
	for (;;) {
		if (stmt)
			sqlite3_bind_int64(stmt, 1, at);
		if (!db_next(&a->db, stmt, &err))
			break;
		at = sqlite3_column_int64(stmt, 0);
		int64_t modseq = sqlite3_column_int64(stmt, 1);
		struct bytes flags = {sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2)};
		bool sound = modseq >= before && (sqlite3_column_type(stmt, 2) == SQLITE_NULL || is_readable(a, flags));
		sqlite3_reset(stmt);
		before = modseq > before ? modseq : before;
		if (sound)
			continue;
		sqlite3_stmt *gone = db_prepare(&a->db, "DELETE FROM change WHERE id=?");
		if (gone)
			sqlite3_bind_int64(gone, 1, at);
		err = db_run(&a->db, gone);
		removed++;
		if (err)
			return err;
	}
	if (removed)
		repair_told(r, "rows of the journal that could not be read: gone (%lld)", (long long)removed);
	int64_t actor;
	if (!err)
		err = account_actor(a, &actor);
	return err ? err : mend_rows(r, a, "UPDATE change SET actor=(SELECT max(id) FROM actor) WHERE actor NOT IN (SELECT id FROM actor)",
				     "rows of the journal that named nobody: laid to this repair");
}

enum store_err repair_structure(struct repair *r, struct account *a)
{
	roster_drop_all(a);
	account_modseq(a);
	account_durable(a);
	enum store_err err = db_run(&a->db, db_prepare(&a->db, "REINDEX"));
	if (!err)
		err = mend_modseq(r, a);
	if (!err)
		err = mend_tree(r, a);
	if (!err)
		err = mend_metadata_bytes(r, a);
	if (!err)
		err = mend_validities(r, a);
	if (!err)
		err = repair_segments(r, a);
	if (!err)
		err = repair_graveyard(r, a);
	if (!err)
		err = mend_journal(r, a);
	roster_drop_all(a);
	return err;
}
