#include "storage/fulltext_private.h"

#include "storage/file.h"

#include <unistd.h>

enum {
	SEARCH_ID = 0x526f6f66 /* "Roof" */,
	SEARCH_VERSION = 1,    /* of the tables and of what counts as a content's text: another one is made afresh */
	MERGE_PAGES = 16,
	WAL_PAGES_MAX = 1024,  /* 16 MiB of log, then it goes into the file */
	PATH_BYTES = 4096
};

/* Merges are ours to begin, in small pieces (fulltext_merge()): no insertion waits for one.  A gathered piece of the
 * index is written after 256 KiB, which takes some milliseconds. */
static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('watermark', 0);"
	"CREATE TABLE block(id INTEGER PRIMARY KEY);"
	"CREATE VIRTUAL TABLE gram USING fts5(text, content='', columnsize=0, detail=none, tokenize='roost_grams');"
	"INSERT INTO gram(gram, rank) VALUES('automerge', 0);"
	"INSERT INTO gram(gram, rank) VALUES('crisismerge', 1000);"
	"INSERT INTO gram(gram, rank) VALUES('hashsize', 262144);";

static const struct db_options options = {.application_id = SEARCH_ID, .version = SEARCH_VERSION, .schema = schema,
					  .create = true, .prepare = grams_register};

static void path_of(const struct account *a, const char *suffix, char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s/search.db%s", a->dir, suffix);
}

static enum store_err read_number(struct db *db, const char *sql, int64_t *out)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(db, sql);
	*out = 0;
	if (!db_next(db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* --- throwing away --- */

static void forget(struct account *a)
{
	struct fulltext *f = a->fulltext;
	a->fulltext = NULL;
	if (!f)
		return;
	if (f->db.handle)
		db_rollback(&f->db);
	db_close(&f->db);
	free(f);
}

void fulltext_close(struct account *a)
{
	forget(a);
}

void fulltext_drop(struct account *a, const char *why)
{
	static const char *const suffixes[] = {"", "-wal", "-journal"};
	char path[PATH_BYTES], reason[sizeof(a->db.fault)];
	snprintf(reason, sizeof(reason), "%s", why); /* it may be the index's own */
	if (a->fulltext)
		a->fulltext->db.broken = true; /* nothing more is written to it */
	forget(a);
	path_of(a, "", path);
	bool was_there = access(path, F_OK) == 0;
	for (size_t i = 0; i < countof(suffixes); i++) {
		path_of(a, suffixes[i], path);
		/* What cannot be removed is not trusted again before the account is opened afresh. */
		if (file_unlink(a->env, POINT_SEARCH_UNLINK, path))
			a->fulltext_off = true;
	}
	if (was_there && a->env->search_dropped)
		a->env->search_dropped(a->env->ctx, a->dir, reason);
}

enum store_err fulltext_failed(struct account *a, enum store_err err)
{
	struct fulltext *f = a->fulltext;
	if (!f || !err)
		return err;
	if (err != STORE_FULL && err != STORE_BUSY) {
		fulltext_drop(a, f->db.fault);
		return err;
	}
	db_rest(&f->db);
	db_rollback(&f->db);
	f->added = f->watermark;
	f->block = -1;
	f->pending = 0;
	return err;
}

/* --- opening --- */

static enum store_err load(struct account *a, struct fulltext *f)
{
	int64_t last = 0, version = 0;
	enum store_err err = read_number(&f->db, "PRAGMA user_version", &version);
	if (!err)
		err = read_number(&f->db, "SELECT value FROM meta WHERE key='watermark'", &f->watermark);
	if (!err)
		err = read_number(&a->db, "SELECT seq FROM sqlite_sequence WHERE name='content'", &last);
	if (err)
		return err;
	f->added = f->watermark;
	f->block = -1;
	if (version == SEARCH_VERSION && f->watermark <= last)
		return STORE_OK;
	/* An earlier version, or of a later state than index.db: a backup was put back, and its ids will be, or were, given
	 * to other contents. */
	snprintf(f->db.fault, sizeof(f->db.fault), "version %lld; it knows content %lld, the account %lld",
		 (long long)version, (long long)f->watermark, (long long)last);
	return STORE_CORRUPT;
}

/* STORE_BUSY: another process has it: then there is none for us. */
enum store_err fulltext_open(struct account *a, bool create, struct fulltext **out)
{
	char path[PATH_BYTES], why[sizeof(a->db.fault)];
	*out = a->fulltext;
	if (a->fulltext)
		return STORE_OK;
	path_of(a, "", path);
	if (a->fulltext_off || (!create && access(path, F_OK) != 0))
		return STORE_NOTFOUND;
	for (int tries = 0;; tries++) {
		struct fulltext *f = xcalloc(1, sizeof(*f));
		enum store_err err = db_open(&f->db, a->env, path, &options);
		if (!err)
			err = load(a, f);
		if (!err) {
			*out = a->fulltext = f;
			return STORE_OK;
		}
		snprintf(why, sizeof(why), "%s", f->db.fault);
		f->db.broken = true;
		db_close(&f->db);
		free(f);
		if (err == STORE_FULL || err == STORE_BUSY)
			return err;
		fulltext_drop(a, why);
		if (tries || !create || a->fulltext_off)
			return create ? err : STORE_NOTFOUND;
	}
}

int64_t fulltext_watermark(struct account *a)
{
	struct fulltext *f;
	return fulltext_open(a, false, &f) ? 0 : f->watermark;
}

/* --- filling --- */

static enum store_err begin(struct fulltext *f)
{
	return sqlite3_get_autocommit(f->db.handle) ? db_begin(&f->db, POINT_SEARCH_BEGIN) : STORE_OK;
}

static enum store_err commit(struct fulltext *f)
{
	enum store_err err = db_commit(&f->db, POINT_SEARCH_COMMIT);
	if (!err && f->db.wal_pages > WAL_PAGES_MAX)
		err = db_checkpoint(&f->db, POINT_SEARCH_CHECKPOINT_FULL);
	return err;
}

static enum store_err note_block(struct fulltext *f, int64_t id)
{
	int64_t block = fulltext_block(id);
	if (block == f->block)
		return STORE_OK;
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT OR IGNORE INTO block VALUES(?)");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, block);
	f->block = block;
	return db_run(&f->db, stmt);
}

static enum store_err insert(struct fulltext *f, int64_t id, const uint64_t *grams, size_t n)
{
	char *text = xmalloc(BLOCK_BYTES + n * GRAM_BYTES_MAX);
	size_t len = BLOCK_BYTES;
	grams_put_block(fulltext_block(id), text);
	for (size_t i = 0; i < n; i++)
		len += grams_put(grams[i], text + len);
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT INTO gram(rowid, text) VALUES(?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id);
		sqlite3_bind_text(stmt, 2, text, (int)len, SQLITE_STATIC);
	}
	enum store_err err = db_run(&f->db, stmt);
	if (stmt)
		sqlite3_clear_bindings(stmt);
	free(text);
	return err;
}

enum store_err fulltext_add(struct account *a, int64_t id, const uint64_t *grams, size_t n, bool whole)
{
	struct fulltext *f;
	uint64_t wide = grams_wide();
	enum store_err err = fulltext_open(a, true, &f);
	if (err)
		return err;
	invariant(id > f->added && id > 0);
	err = begin(f);
	if (!err)
		err = note_block(f, id);
	if (!err && whole && n <= FULLTEXT_GRAMS_MAX)
		err = n ? insert(f, id, grams, n) : STORE_OK;
	else if (!err)
		err = insert(f, id, &wide, 1);
	if (err)
		return fulltext_failed(a, err);
	f->added = id;
	f->pending++;
	return STORE_OK;
}

enum store_err fulltext_commit(struct account *a)
{
	struct fulltext *f = a->fulltext;
	if (!f || !f->pending)
		return STORE_OK;
	sqlite3_stmt *stmt = db_prepare(&f->db, "UPDATE meta SET value=? WHERE key='watermark'");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, f->added);
	int64_t added = f->added;
	enum store_err err = db_run(&f->db, stmt);
	if (!err)
		err = commit(f);
	if (err)
		return fulltext_failed(a, err);
	f->watermark = added;
	f->pending = 0;
	return STORE_OK;
}

size_t fulltext_pending(const struct account *a)
{
	return a->fulltext ? a->fulltext->pending : 0;
}

enum store_err fulltext_merge(struct account *a, bool *out_more)
{
	struct fulltext *f = a->fulltext;
	*out_more = false;
	if (!f)
		return STORE_OK;
	invariant(f->pending == 0);
	enum store_err err = begin(f);
	int before = sqlite3_total_changes(f->db.handle);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&f->db, "INSERT INTO gram(gram, rank) VALUES('merge', ?)");
	if (stmt)
		sqlite3_bind_int(stmt, 1, MERGE_PAGES);
	if (!err)
		err = db_run(&f->db, stmt);
	/* One change is the command's own. */
	*out_more = sqlite3_total_changes(f->db.handle) - before >= 2;
	if (!err)
		err = commit(f);
	return err ? fulltext_failed(a, err) : STORE_OK;
}

enum store_err fulltext_idle(struct account *a)
{
	struct fulltext *f = a->fulltext;
	if (!f || f->pending)
		return STORE_OK;
	db_rest(&f->db);
	if (!f->db.wal_pages)
		return STORE_OK;
	return fulltext_failed(a, db_checkpoint(&f->db, POINT_SEARCH_CHECKPOINT_IDLE));
}

size_t fulltext_bytes(const struct account *a)
{
	return a->fulltext ? sizeof(*a->fulltext) + db_bytes(&a->fulltext->db) : 0;
}
