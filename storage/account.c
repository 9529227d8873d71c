/*
 * Opening, the op's savepoint and the lane's group commit.
 *
 * A transaction is open from the first op's BEGIN to account_commit().  Rosters in memory may be ahead of
 * the database only inside an op; account_end() writes dirty segments and mailbox rows before RELEASE.
 */
#include "storage/account.h"

#include "storage/flagset.h"
#include "storage/mailbox.h"
#include "storage/roster.h"
#include "storage/schema.h"

#include <errno.h>
#include <sys/stat.h>

static void point(struct account *a, const char *name)
{
	if (a->env->point)
		a->env->point(a->env->ctx, name);
}

static int64_t meta_get(struct account *a, const char *key)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT value FROM meta WHERE key=?");
	if (!stmt)
		return 0;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return value;
}

static enum store_err meta_set(struct account *a, const char *key, int64_t value)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR REPLACE INTO meta VALUES(?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, value);
	return db_run(&a->db, stmt);
}

static enum store_err make_first_mailboxes(struct account *a)
{
	static const struct {
		const char *name;
		unsigned special;
	} first[] = {{"INBOX", 0},
		     {"Drafts", SPECIAL_DRAFTS},
		     {"Sent", SPECIAL_SENT},
		     {"Trash", SPECIAL_TRASH},
		     {"Junk", SPECIAL_JUNK},
		     {"Archive", SPECIAL_ARCHIVE}};
	enum store_err err = account_begin(a);
	for (size_t i = 0; i < countof(first) && !err; i++) {
		int64_t id;
		err = mailbox_create(a, first[i].name, first[i].special, &id);
		if (!err)
			err = subscription_add(a, first[i].name);
	}
	enum store_err end = account_end(a, !err);
	if (err || end)
		return err ? err : end;
	const struct account_touched *touched;
	size_t n;
	return account_commit(a, &touched, &n);
}

static enum store_err make_directories(const char *dir)
{
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return STORE_IO;
	static const char *const below[] = {"blob", "tmp"};
	for (size_t i = 0; i < countof(below); i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", dir, below[i]);
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return STORE_IO;
	}
	return STORE_OK;
}

enum store_err account_open(const struct store_env *env, const char *dir, bool create, struct account **out)
{
	*out = NULL;
	struct account *a = xcalloc(1, sizeof(*a));
	a->env = env;
	a->frame_content = -1;
	a->dir = xmalloc(strlen(dir) + 1);
	memcpy(a->dir, dir, strlen(dir) + 1);
	char path[4096];
	snprintf(path, sizeof(path), "%s/index.db", dir);
	enum store_err err = create ? make_directories(dir) : STORE_OK;
	if (!err)
		err = db_open(&a->db, path, create, account_schema);
	if (!err) {
		a->modseq = (uint64_t)meta_get(a, "modseq");
		a->last_uidvalidity = (uint32_t)meta_get(a, "uidvalidity");
		err = flagset_load(a);
	}
	int64_t inbox;
	if (!err && mailbox_find(a, "INBOX", &inbox) == STORE_NOTFOUND)
		err = make_first_mailboxes(a);
	if (err) {
		account_close(a);
		return err;
	}
	*out = a;
	return STORE_OK;
}

void account_close(struct account *a)
{
	if (!a)
		return;
	roster_drop_all(a);
	flagset_unload(a);
	db_close(&a->db);
	free(a->frame);
	free(a->touched);
	free(a->dir);
	free(a);
}

enum store_err account_begin(struct account *a)
{
	invariant(!a->in_op);
	enum store_err err = STORE_OK;
	if (!a->in_transaction) {
		point(a, "begin");
		err = db_exec(&a->db, "BEGIN IMMEDIATE");
		if (err)
			return err;
		a->in_transaction = true;
		a->touched_n = a->touched_committed = 0;
	}
	err = db_exec(&a->db, "SAVEPOINT op");
	if (err)
		return err;
	a->in_op = true;
	a->op_modseq = 0;
	return STORE_OK;
}

static enum store_err write_journal(struct account *a)
{
	for (size_t i = a->touched_committed; i < a->touched_n; i++) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR REPLACE INTO change VALUES(?,?,?)");
		if (!stmt)
			return STORE_IO;
		sqlite3_bind_int64(stmt, 1, a->touched[i].mailbox);
		sqlite3_bind_int64(stmt, 2, (int64_t)a->op_modseq);
		sqlite3_bind_int64(stmt, 3, a->env->now_s(a->env->ctx));
		enum store_err err = db_run(&a->db, stmt);
		if (err)
			return err;
	}
	return a->op_modseq ? meta_set(a, "modseq", (int64_t)a->modseq) : STORE_OK;
}

enum store_err account_end(struct account *a, bool ok)
{
	if (!a->in_op) /* account_begin() failed */
		return STORE_OK;
	a->in_op = false;
	enum store_err err = STORE_OK;
	if (ok)
		err = roster_flush_all(a);
	if (ok && !err)
		err = write_journal(a);
	if (ok && !err)
		err = meta_set(a, "uidvalidity", a->last_uidvalidity);
	if (ok && !err) {
		point(a, "release");
		err = db_exec(&a->db, "RELEASE op");
	}
	if (ok && !err) {
		a->touched_committed = a->touched_n;
		return STORE_OK;
	}
	a->touched_n = a->touched_committed;
	roster_drop_all(a);
	enum store_err undo = db_exec(&a->db, "ROLLBACK TO op; RELEASE op");
	a->modseq = (uint64_t)meta_get(a, "modseq");
	flagset_unload(a);
	if (flagset_load(a) != STORE_OK || undo)
		return STORE_IO;
	return err;
}

enum store_err account_commit(struct account *a, const struct account_touched **touched, size_t *n)
{
	*n = 0;
	*touched = NULL;
	if (!a->in_transaction)
		return STORE_OK;
	invariant(!a->in_op);
	/* synchronous=NORMAL does not sync at a commit, and may not be changed inside a transaction: commits that
	 * must be on disk sync the log themselves.  Flag-only commits survive kill -9 without. */
	bool sync = a->needs_sync || a->env->fsync_always;
	point(a, "commit");
	enum store_err err = db_exec(&a->db, "COMMIT");
	if (!err && sync)
		err = db_sync(&a->db);
	point(a, "committed");
	a->in_transaction = false;
	a->needs_sync = false;
	if (err) {
		sqlite3_exec(a->db.handle, "ROLLBACK", NULL, NULL, NULL);
		roster_drop_all(a);
		a->modseq = (uint64_t)meta_get(a, "modseq");
		a->touched_n = 0;
		return err;
	}
	*touched = a->touched;
	*n = a->touched_n;
	return STORE_OK;
}

uint64_t account_modseq(struct account *a)
{
	invariant(a->in_op);
	if (!a->op_modseq)
		a->op_modseq = ++a->modseq;
	return a->op_modseq;
}

void account_touch(struct account *a, int64_t mailbox)
{
	for (size_t i = a->touched_committed; i < a->touched_n; i++)
		if (a->touched[i].mailbox == mailbox)
			return;
	if (a->touched_n == a->touched_cap) {
		a->touched_cap = a->touched_cap ? a->touched_cap * 2 : 8;
		a->touched = xrealloc(a->touched, a->touched_cap * sizeof(*a->touched));
	}
	a->touched[a->touched_n++] = (struct account_touched){mailbox, account_modseq(a)};
}

void account_durable(struct account *a)
{
	a->needs_sync = true;
}

const char *account_fault(const struct account *a)
{
	return a->db.fault;
}
