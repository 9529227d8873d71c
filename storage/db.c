#include "storage/db.h"

#include "storage/db_sums.h"
#include "storage/file.h"

#include <errno.h>
#include <unistd.h>

/* A statement that does not fit the tables: an older or newer roost has made them. */
static bool is_misfit(const char *message)
{
	static const char *const signs[] = {"no such column", "no such table", "has no column named", "values were supplied"};
	for (size_t i = 0; i < countof(signs); i++)
		if (strstr(message, signs[i]))
			return true;
	return false;
}

static enum store_err sort_error(struct db *db, int code)
{
	if (code == SQLITE_IOERR_DATA) { /* a page's checksum (db_sums.h) */
		snprintf(db->fault, sizeof(db->fault), "a page is damaged");
		return STORE_CORRUPT;
	}
	switch (code & 0xff) {
	case SQLITE_ERROR:
		if (!db->handle || !is_misfit(sqlite3_errmsg(db->handle)))
			return STORE_IO;
		snprintf(db->fault, sizeof(db->fault), "another version of roost has made it: %s", sqlite3_errmsg(db->handle));
		return STORE_FOREIGN;
	case SQLITE_FULL:
		return STORE_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return STORE_BUSY;
	case SQLITE_CORRUPT:
		return STORE_CORRUPT;
	case SQLITE_NOTADB:
		return STORE_FOREIGN;
	case SQLITE_CONSTRAINT:
		return STORE_EXISTS;
	default:
		return STORE_IO;
	}
}

enum store_err db_error(struct db *db, int code)
{
	int primary = code & 0xff;
	if (primary == SQLITE_OK || primary == SQLITE_DONE || primary == SQLITE_ROW)
		return STORE_OK;
	snprintf(db->fault, sizeof(db->fault), "sqlite %d: %s", code,
		 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
	enum store_err err = sort_error(db, code);
	if (err == STORE_IO || err == STORE_CORRUPT || err == STORE_FOREIGN)
		db->grave = err;
	return err;
}

/* --- statements --- */

static size_t slot_of(const struct db *db, const char *sql)
{
	uint64_t h = (uint64_t)(uintptr_t)sql * 0x9e3779b97f4a7c15u;
	size_t at = (size_t)(h >> 32) & (db->statements_cap - 1);
	while (db->statements[at].sql && db->statements[at].sql != sql)
		at = (at + 1) & (db->statements_cap - 1);
	return at;
}

static void grow_statements(struct db *db)
{
	struct db_statement *old = db->statements;
	size_t old_cap = db->statements_cap;
	db->statements_cap = old_cap ? old_cap * 2 : 64;
	db->statements = xcalloc(db->statements_cap, sizeof(*db->statements));
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].sql)
			db->statements[slot_of(db, old[i].sql)] = old[i];
	free(old);
}

sqlite3_stmt *db_prepare(struct db *db, const char *sql)
{
	if (db->statements_n * 2 >= db->statements_cap)
		grow_statements(db);
	struct db_statement *s = &db->statements[slot_of(db, sql)];
	if (s->sql) {
		sqlite3_reset(s->stmt);
		sqlite3_clear_bindings(s->stmt);
		return s->stmt;
	}
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK) {
		db_error(db, rc);
		return NULL;
	}
	*s = (struct db_statement){sql, stmt};
	db->statements_n++;
	return stmt;
}

enum store_err db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? STORE_OK : db_error(db, rc);
}

/* The failure that made db_prepare() return NULL. */
static enum store_err prepare_error(struct db *db)
{
	enum store_err err = db_error(db, sqlite3_errcode(db->handle));
	return err ? err : STORE_IO;
}

enum store_err db_run(struct db *db, sqlite3_stmt *stmt)
{
	if (!stmt)
		return prepare_error(db);
	int rc = sqlite3_step(stmt);
	enum store_err err = rc == SQLITE_DONE || rc == SQLITE_ROW ? STORE_OK : db_error(db, rc);
	sqlite3_reset(stmt);
	return err;
}

bool db_next(struct db *db, sqlite3_stmt *stmt, enum store_err *out_err)
{
	*out_err = STORE_OK;
	if (!stmt) {
		*out_err = prepare_error(db);
		return false;
	}
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		*out_err = db_error(db, rc);
	sqlite3_reset(stmt);
	return false;
}

/* --- transactions --- */

/* What the environment wants to fail at a point fails as SQLite would. */
static enum store_err point_error(struct db *db, enum store_point point)
{
	int fault = env_point(db->env, point);
	if (!fault)
		return STORE_OK;
	snprintf(db->fault, sizeof(db->fault), "%s: %s", store_point_name(point), strerror(fault));
	return fault == ENOSPC ? STORE_FULL : STORE_IO;
}

enum store_err db_begin(struct db *db, enum store_point point)
{
	if (db->broken)
		return STORE_IO;
	enum store_err err = point_error(db, point);
	return err ? err : db_run(db, db_prepare(db, "BEGIN IMMEDIATE"));
}

void db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->handle) && db_run(db, db_prepare(db, "ROLLBACK")) != STORE_OK)
		db->broken = true;
}

/* Nothing is written: no crash in between makes a difference. */
void db_hold(struct db *db)
{
	if (sqlite3_get_autocommit(db->handle))
		(void)!db_run(db, db_prepare(db, "BEGIN"));
}

void db_let_go(struct db *db)
{
	if (!sqlite3_get_autocommit(db->handle))
		(void)!db_run(db, db_prepare(db, "COMMIT"));
}

enum store_err db_commit(struct db *db, enum store_point point)
{
	enum store_err err = point_error(db, point);
	if (!err)
		err = db_run(db, db_prepare(db, "COMMIT"));
	if (err) {
		/* A full disk left the log without the commit.  After any other failure it may be there or not: only
		 * reading the log afresh tells. */
		db->broken = db->broken || err != STORE_FULL;
		db_rollback(db);
	}
	return err;
}

/* Keeps the log a piece longer than its frames.  A sync of bytes that lie in written blocks moves those bytes alone; one
 * of a file that has grown also waits for the file system's own journal, and takes twice as long.  SQLite knows by
 * checksums where its log ends, whatever stands behind.  When there is no room the log grows as it would have. */
static void extend_log(struct db *db, sqlite3_file *wal)
{
	static const char zeros[65536];
	sqlite3_int64 end = 32 + (sqlite3_int64)db->wal_pages * (24 + DB_PAGE_BYTES), size = 0;
	sqlite3_int64 ahead = end < DB_WAL_AHEAD_BYTES ? end : DB_WAL_AHEAD_BYTES;
	if (wal->pMethods->xFileSize(wal, &size) != SQLITE_OK || size >= end + ahead / 4)
		return;
	for (sqlite3_int64 at = size; at < end + ahead; at += (sqlite3_int64)sizeof(zeros))
		if (wal->pMethods->xWrite(wal, zeros, (int)sizeof(zeros), at) != SQLITE_OK)
			return;
}

enum store_err db_sync(struct db *db, enum store_point point)
{
	enum store_err err = point_error(db, point);
	if (!err) {
		sqlite3_file *wal = NULL;
		int rc = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
		if (rc == SQLITE_OK && wal && wal->pMethods) {
			extend_log(db, wal);
			rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
		} else if (rc == SQLITE_OK) {
			rc = SQLITE_IOERR_FSYNC;
		}
		err = db_error(db, rc);
	}
	if (err)
		db->broken = true;
	return err;
}

enum store_err db_checkpoint(struct db *db, enum store_point point)
{
	invariant(sqlite3_get_autocommit(db->handle));
	if (db->broken)
		return STORE_IO;
	int pages = 0, moved = 0;
	enum store_err err = point_error(db, point);
	if (!err)
		err = db_error(db, sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &moved));
	/* No room to grow the database, or another connection in the way: the log still holds everything. */
	if (err)
		db->broken = db->broken || (err != STORE_FULL && err != STORE_BUSY);
	else
		db->wal_pages = pages > moved ? pages - moved : 0;
	return err;
}

static int on_wal_commit(void *ctx, sqlite3 *handle, const char *name, int pages)
{
	struct db *db = ctx;
	(void)handle, (void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

void db_rest(struct db *db)
{
	for (size_t i = 0; i < db->statements_cap; i++)
		if (db->statements[i].stmt && sqlite3_stmt_busy(db->statements[i].stmt))
			sqlite3_reset(db->statements[i].stmt);
}

bool db_is_idle(const struct db *db)
{
	if (!sqlite3_get_autocommit(db->handle))
		return false;
	for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(db->handle, s));)
		if (sqlite3_stmt_busy(s))
			return false;
	return true;
}

size_t db_bytes(const struct db *db)
{
	static const int parts[] = {SQLITE_DBSTATUS_CACHE_USED, SQLITE_DBSTATUS_SCHEMA_USED,
				    SQLITE_DBSTATUS_STMT_USED};
	size_t sum = 0;
	for (size_t i = 0; i < countof(parts); i++) {
		int now = 0, most = 0;
		if (sqlite3_db_status(db->handle, parts[i], &now, &most, 0) == SQLITE_OK && now > 0)
			sum += (size_t)now;
	}
	return sum;
}

/* --- opening --- */

void db_start(void)
{
	/* No statistics under a lock that every thread takes; no block of pages for each connection at once.
	 * Refused, and no matter, when the library runs already. */
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	invariant(sqlite3_initialize() == SQLITE_OK);
}

enum store_err db_number(struct db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*out = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	enum store_err err = rc == SQLITE_ROW ? STORE_OK : db_error(db, rc);
	sqlite3_finalize(stmt);
	return err;
}

/* What cannot be changed once there are tables. */
static enum store_err set_form(struct db *db)
{
	char settings[100];
	snprintf(settings, sizeof(settings), "PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL;", DB_PAGE_BYTES);
	return db_exec(db, settings);
}

static enum store_err run_schema(struct db *db, const struct db_options *o)
{
	char marks[100];
	snprintf(marks, sizeof(marks), "PRAGMA application_id=%d; PRAGMA user_version=%d;", o->application_id,
		 o->version);
	enum store_err err = db_exec(db, o->schema);
	return err ? err : db_exec(db, marks);
}

static enum store_err make_schema(struct db *db, const struct db_options *o)
{
	enum store_err err = db_begin(db, POINT_SCHEMA_BEGIN);
	if (!err)
		err = run_schema(db, o);
	if (err) {
		db_rollback(db);
		return err;
	}
	return db_commit(db, POINT_SCHEMA_COMMIT);
}

/* Looks before it changes anything: a file of somebody else's stays as it is. */
static enum store_err recognise(struct db *db, const struct db_options *o, bool *out_new)
{
	int64_t id = 0, version = 0, tables = 0;
	enum store_err err = db_number(db, "PRAGMA application_id", &id);
	if (!err)
		err = db_number(db, "PRAGMA user_version", &version);
	if (!err)
		err = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (err)
		return err;
	*out_new = id == 0 && version == 0 && tables == 0;
	if (*out_new)
		return o->create ? STORE_OK : STORE_NOTFOUND;
	if (id == o->application_id && version >= 1 && version <= o->version)
		return STORE_OK;
	if (id == o->application_id)
		snprintf(db->fault, sizeof(db->fault), "a newer roost has made it: its tables are version %lld, this one knows them up to %d",
			 (long long)version, o->version);
	else
		snprintf(db->fault, sizeof(db->fault), "it is not a file of roost's (application_id %lld instead of %d)",
			 (long long)id, (int)o->application_id);
	return STORE_FOREIGN;
}

static enum store_err set_up(struct db *db, const struct db_options *o)
{
	sqlite3_extended_result_codes(db->handle, 1);
	if (o->shared)
		sqlite3_busy_timeout(db->handle, 5000);
	char settings[200];
	snprintf(settings, sizeof(settings),
		 "PRAGMA locking_mode=%s; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-%d; PRAGMA synchronous=NORMAL;",
		 o->shared ? "NORMAL" : "EXCLUSIVE", DB_CACHE_BYTES / 1024);
	bool is_new = false;
	enum store_err err = db_exec(db, settings);
	if (!err && o->prepare)
		err = o->prepare(db);
	if (!err)
		err = recognise(db, o, &is_new);
	if (err || o->read_only)
		return err;
	if (is_new && o->sums)
		err = db_error(db, db_sums_reserve(db->handle));
	if (!err && is_new)
		err = set_form(db);
	snprintf(settings, sizeof(settings),
		 "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=%d;", DB_WAL_KEPT_BYTES);
	if (!err)
		err = db_exec(db, settings);
	sqlite3_wal_hook(db->handle, on_wal_commit, db);
	if (!err && is_new)
		err = make_schema(db, o);
	if (err)
		return err;
	/* What a process left that died, or that could not trust its log, is moved into the database with fsyncs of
	 * our own before anything is built on it.  Without room for that it stays in the log, still readable. */
	err = db_checkpoint(db, POINT_CHECKPOINT_OPEN);
	return err == STORE_FULL || (err == STORE_BUSY && o->shared) ? STORE_OK : err;
}

/* One of which only a part was written has another name, under which the next one is written.  The name is on disk when the
 * log first is: SQLite syncs the directory with it. */
static enum store_err write_image(const struct store_env *env, const struct db_image *image, const char *path)
{
	char made[DB_PATH_MAX + 8];
	int fd;
	snprintf(made, sizeof(made), "%s-new", path);
	enum store_err err = file_create(env, POINT_IMAGE_OPEN, made, &fd);
	if (err)
		return err;
	err = file_write(env, POINT_IMAGE_WRITE, fd, image->bytes, image->len);
	if (!err)
		err = file_sync(env, POINT_IMAGE_SYNC, fd);
	close(fd);
	return err ? err : file_rename(env, POINT_IMAGE_RENAME, made, path);
}

enum store_err db_open(struct db *db, const struct store_env *env, const char *path, const struct db_options *o)
{
	invariant((o->shared || !o->read_only) && !(o->shared && o->sums));
	*db = (struct db){.env = env};
	bool is_there = access(path, F_OK) == 0 || errno != ENOENT;
	if (!is_there && !o->create)
		return STORE_NOTFOUND;
	enum store_err err = !is_there && o->image ? write_image(env, o->image, path) : STORE_OK;
	if (err)
		return err;
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
	if (o->read_only)
		flags |= SQLITE_OPEN_READONLY;
	else
		flags |= SQLITE_OPEN_READWRITE | (o->create ? SQLITE_OPEN_CREATE : 0);
	int rc = sqlite3_open_v2(path, &db->handle, flags, o->sums ? db_sums_vfs(env->vfs) : env->vfs);
	err = rc == SQLITE_OK ? set_up(db, o) : db_error(db, rc);
	if (err)
		db_close(db);
	return err;
}

enum store_err db_image_make(struct db_image *image, const struct db_options *o)
{
	enum { WRITE_FORMAT = 18, READ_FORMAT = 19, WAL = 2 }; /* in the file's header */
	struct db db = {0};
	sqlite3_int64 len = 0;
	invariant(!o->prepare && !o->sums);
	*image = (struct db_image){0};
	int rc = sqlite3_open_v2(":memory:", &db.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	enum store_err err = db_error(&db, rc);
	if (!err)
		err = set_form(&db);
	if (!err)
		err = run_schema(&db, o);
	if (!err)
		image->bytes = sqlite3_serialize(db.handle, "main", &len, 0);
	db_close(&db);
	if (err || !image->bytes)
		return err ? err : STORE_IO;
	image->len = (size_t)len;
	image->bytes[WRITE_FORMAT] = image->bytes[READ_FORMAT] = WAL; /* a database in memory has no log */
	return STORE_OK;
}

void db_image_finish(struct db_image *image)
{
	sqlite3_free(image->bytes);
	*image = (struct db_image){0};
}

void db_close(struct db *db)
{
	if (db->handle && db->broken)
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (size_t i = 0; i < db->statements_cap; i++)
		sqlite3_finalize(db->statements[i].stmt);
	free(db->statements);
	db->statements = NULL;
	db->statements_n = db->statements_cap = 0;
	if (db->handle)
		invariant(sqlite3_close(db->handle) == SQLITE_OK);
	db->handle = NULL;
}
