/* For the files that make up the directory: directory.c (domains, users, credentials) and directory_setting.c. */
#ifndef STORAGE_DIRECTORY_PRIVATE_H
#define STORAGE_DIRECTORY_PRIVATE_H

#include "storage/directory.h"

struct directory {
	struct db db;
};

static inline void directory_bind(sqlite3_stmt *stmt, int at, const char *text)
{
	if (stmt)
		sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

/* Runs a statement of one parameter. */
MUST_USE enum store_err directory_run(struct directory *d, const char *sql, const char *text);

/* Whether a statement of one parameter has a row. */
MUST_USE enum store_err directory_exists(struct directory *d, const char *sql, const char *text, enum store_err when_missing);
/* The account of a user, copied, so that the statement is free again.  STORE_NOTFOUND. */
MUST_USE enum store_err directory_account_of(struct directory *d, const char *address, char out[DIRECTORY_ACCOUNT_LEN + 1]);

#endif
