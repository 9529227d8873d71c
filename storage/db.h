/*
 * A thin layer over SQLite: prepared statements kept by the address of their (static) text, and
 * errors mapped to enum store_err.  Thread: the owner's only (an account's lane).
 */
#ifndef STORAGE_DB_H
#define STORAGE_DB_H

#include "storage/base.h"
#include "storage/error.h"

#include <sqlite3.h>

struct db {
	sqlite3 *handle;
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} cache[96];
	size_t cached;
	char fault[256]; /* what went wrong last, for the log */
};

/* Opens (making it when `create`) in WAL mode with exclusive locking, 16 KiB pages.  `schema` runs in one
 * transaction when the database is new (user_version 0). */
MUST_USE enum store_err db_open(struct db *db, const char *path, bool create, const char *schema);
void db_close(struct db *db);
/* The statement for `sql` (a string literal), reset and with bindings cleared; NULL on failure. */
sqlite3_stmt *db_prepare(struct db *db, const char *sql);
/* Runs to completion; rows are dropped. */
MUST_USE enum store_err db_exec(struct db *db, const char *sql);
/* Steps a statement that returns no rows, and resets it. */
MUST_USE enum store_err db_run(struct db *db, sqlite3_stmt *stmt);
/* Maps an SQLite result code, keeping the message in db->fault. */
enum store_err db_error(struct db *db, int code);
/* Syncs the write-ahead log: what was committed is on disk after it. */
MUST_USE enum store_err db_sync(struct db *db);
/* True while it yields a row; when false *out_err says whether that was the end or a failure, and the
 * statement is reset. */
bool db_next(struct db *db, sqlite3_stmt *stmt, enum store_err *out_err);

#endif
