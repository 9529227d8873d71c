#include "storage/db.h"

enum store_err db_error(struct db *db, int code)
{
	snprintf(db->fault, sizeof(db->fault), "sqlite %d: %s", code,
		 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
	int primary = code & 0xff;
	if (primary == SQLITE_OK || primary == SQLITE_DONE || primary == SQLITE_ROW)
		return STORE_OK;
	if (primary == SQLITE_FULL)
		return STORE_FULL;
	if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
		return STORE_BUSY;
	if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
		return STORE_CORRUPT;
	if (primary == SQLITE_CONSTRAINT)
		return STORE_EXISTS;
	if (primary == SQLITE_CANTOPEN)
		return STORE_NOTFOUND;
	return STORE_IO;
}

enum store_err db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? STORE_OK : db_error(db, rc);
}

static enum store_err db_make_schema(struct db *db, const char *schema)
{
	sqlite3_stmt *stmt = db_prepare(db, "PRAGMA user_version");
	if (!stmt)
		return db_error(db, sqlite3_errcode(db->handle));
	int version = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : -1;
	sqlite3_reset(stmt);
	if (version < 0)
		return db_error(db, sqlite3_errcode(db->handle));
	if (version > 0)
		return STORE_OK;
	enum store_err err = db_exec(db, "BEGIN IMMEDIATE");
	if (!err)
		err = db_exec(db, schema);
	if (!err)
		err = db_exec(db, "PRAGMA user_version=1; COMMIT");
	if (err)
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

enum store_err db_open(struct db *db, const char *path, bool create, const char *schema)
{
	*db = (struct db){0};
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
	int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
	if (rc != SQLITE_OK) {
		enum store_err err = db_error(db, rc);
		db_close(db);
		return err;
	}
	sqlite3_extended_result_codes(db->handle, 1);
	enum store_err err = db_exec(
		db, "PRAGMA page_size=16384; PRAGMA auto_vacuum=INCREMENTAL;"
		    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-1024; PRAGMA foreign_keys=OFF;"
		    "PRAGMA wal_autocheckpoint=2000;");
	if (!err)
		err = db_make_schema(db, schema);
	if (err)
		db_close(db);
	return err;
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < db->cached; i++)
		sqlite3_finalize(db->cache[i].stmt);
	db->cached = 0;
	if (db->handle)
		sqlite3_close_v2(db->handle);
	db->handle = NULL;
}

sqlite3_stmt *db_prepare(struct db *db, const char *sql)
{
	for (size_t i = 0; i < db->cached; i++) {
		if (db->cache[i].sql == sql) {
			sqlite3_reset(db->cache[i].stmt);
			sqlite3_clear_bindings(db->cache[i].stmt);
			return db->cache[i].stmt;
		}
	}
	invariant(db->cached < countof(db->cache));
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK) {
		db_error(db, rc);
		return NULL;
	}
	db->cache[db->cached].sql = sql;
	db->cache[db->cached].stmt = stmt;
	db->cached++;
	return stmt;
}

enum store_err db_run(struct db *db, sqlite3_stmt *stmt)
{
	if (!stmt)
		return db_error(db, sqlite3_errcode(db->handle));
	int rc = sqlite3_step(stmt);
	enum store_err err = rc == SQLITE_DONE || rc == SQLITE_ROW ? STORE_OK : db_error(db, rc);
	sqlite3_reset(stmt);
	return err;
}

enum store_err db_sync(struct db *db)
{
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	if (rc == SQLITE_OK)
		rc = wal && wal->pMethods ? wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) : SQLITE_IOERR_FSYNC;
	return rc == SQLITE_OK ? STORE_OK : db_error(db, rc);
}

bool db_next(struct db *db, sqlite3_stmt *stmt, enum store_err *out_err)
{
	*out_err = STORE_OK;
	if (!stmt) {
		*out_err = db_error(db, sqlite3_errcode(db->handle));
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
