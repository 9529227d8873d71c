/*
 * A thin layer over SQLite: opening and its settings, prepared statements kept by the address of their (static)
 * text, transactions at named points, syncing and checkpoints, and errors mapped to enum store_err.
 *
 * Durability: commits are not synced (synchronous=NORMAL in WAL mode): they are atomic and survive the process.
 * db_sync() puts all committed so far on disk.  When a sync or a commit fails, what the log holds on disk is unknown,
 * and a later fsync that succeeds proves nothing: db->broken is latched, every later transaction fails, and closing
 * leaves the log as it is.  Opening again reads the log by its checksums and moves it into the database with a full
 * checkpoint and its own fsync before anything else is done.
 *
 * Thread: one at a time, the owner's (an account's lane).
 */
#ifndef STORAGE_DB_H
#define STORAGE_DB_H

#include "storage/env.h"
#include "storage/error.h"

#include <sqlite3.h>

enum {
	DB_PAGE_BYTES = 16384,
	DB_PATH_MAX = 4100,
	DB_CACHE_BYTES = 256 * 1024,       /* at most; grown on demand */
	DB_WAL_BYTES_MAX = 64 * 1024 * 1024, /* a commit that leaves more makes a checkpoint */
	DB_WAL_AHEAD_BYTES = 1024 * 1024,  /* zeros behind its end, for commits that sync; as many as it has, at most */
	DB_WAL_KEPT_BYTES = 4 * 1024 * 1024  /* the log file's size between uses */
};

struct db_statement {
	const char *sql; /* the key is the address */
	sqlite3_stmt *stmt;
};

struct db {
	sqlite3 *handle;
	const struct store_env *env;
	struct db_statement *statements; /* open addressing, at most half full */
	size_t statements_n, statements_cap;
	int wal_pages;   /* in the log since the last checkpoint */
	bool broken;     /* see above */
	char fault[256]; /* what went wrong last, for the log */
	enum store_err grave; /* STORE_IO, STORE_CORRUPT or STORE_FOREIGN: that happened since this was taken back; else STORE_OK */
};

/* A new database as bytes: what its schema makes of an empty file. */
struct db_image {
	unsigned char *bytes;
	size_t len;
};

struct db_options {
	int32_t application_id; /* in the file's header: says whose file it is */
	int version;            /* user_version: of the schema */
	const char *schema;     /* run in one transaction when the database is new */
	/* NULL, or what the connection must know before the schema is looked at: FTS5's tokenizers. */
	enum store_err (*prepare)(struct db *db);
	bool sums;              /* a checksum in each page (db_sums.h); not with `shared` */
	const struct db_image *image; /* NULL, or what a new file begins as: written at once, where the schema takes dozens of steps */
	bool create;            /* else a missing one is STORE_NOTFOUND */
	bool shared;            /* several connections may be open at once; else a second one is STORE_BUSY */
	bool read_only;         /* with shared */
};

/* Once in a process, before the first db_open() and before other threads; tests may leave it out. */
void db_start(void);
/* `db` is the caller's memory and may be closed after a failure too.
 * STORE_FOREIGN: not a file of ours, or of a newer version; it was not changed. */
MUST_USE enum store_err db_open(struct db *db, const struct store_env *env, const char *path,
				const struct db_options *options);
/* The image of databases of these options, which have neither `prepare` nor `sums`.  Any thread; the caller finishes it. */
MUST_USE enum store_err db_image_make(struct db_image *image, const struct db_options *options);
/* Accepts one that was never made (zeroed). */
void db_image_finish(struct db_image *image);
/* Accepts one that was never opened (zeroed). */
void db_close(struct db *db);

/* The statement for `sql` (a string literal), reset and with bindings cleared; NULL on failure. */
sqlite3_stmt *db_prepare(struct db *db, const char *sql);
/* Runs each statement of `sql` to completion; rows are dropped. */
MUST_USE enum store_err db_exec(struct db *db, const char *sql);
/* Steps a statement (NULL: its preparing failed) that returns no rows, and resets it. */
MUST_USE enum store_err db_run(struct db *db, sqlite3_stmt *stmt);
/* True while it yields a row; when false *out_err says whether that was the end or a failure, and the
 * statement is reset. */
bool db_next(struct db *db, sqlite3_stmt *stmt, enum store_err *out_err);
/* The number that `sql` yields, 0 when it yields no row; the statement is not kept. */
MUST_USE enum store_err db_number(struct db *db, const char *sql, int64_t *out);
/* Maps an SQLite result code, keeping the message in db->fault. */
enum store_err db_error(struct db *db, int code);

MUST_USE enum store_err db_begin(struct db *db, enum store_point point);
/* A failure leaves no transaction open; its outcome is unknown and the connection broken. */
MUST_USE enum store_err db_commit(struct db *db, enum store_point point);
void db_rollback(struct db *db);
/* Of one that only reads: what it reads in between is of one moment, and takes its locks once.  Both may come twice. */
void db_hold(struct db *db);
void db_let_go(struct db *db);
/* What was committed is on disk after it. */
MUST_USE enum store_err db_sync(struct db *db, enum store_point point);
/* Moves the log into the database, both synced.  Not in a transaction. */
MUST_USE enum store_err db_checkpoint(struct db *db, enum store_point point);
/* Ends every statement that is in the middle of its rows; their pointers become invalid. */
void db_rest(struct db *db);
/* No statement is in the middle of its rows, no transaction is open: nothing holds the log. */
bool db_is_idle(const struct db *db);
/* Memory this connection holds: pages, schema, statements. */
size_t db_bytes(const struct db *db);

#endif
