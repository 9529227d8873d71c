/*
 * A checksum in each page of a database, for one whose damage nothing else would show: SQLite would take a flipped bit in a
 * list of ids for another list.
 *
 * It is a SQLite VFS over another: a page that goes into the database's file gets the checksum of its bytes and its place
 * into its last eight, which SQLite leaves alone (they are "reserved" in the file's header), and is proved as it is read.
 * One that does not hold fails with SQLITE_IOERR_DATA, which is STORE_CORRUPT.  A page of zeros holds: the file was
 * made longer there and nothing was written.  The log is SQLite's own, with its own checksums.
 *
 * Any thread; the files are their connection's.
 */
#ifndef STORAGE_DB_SUMS_H
#define STORAGE_DB_SUMS_H

#include <sqlite3.h>

enum { DB_SUM_BYTES = 8 };

/* The name of the VFS that does it over the one called `over` (NULL: the system's); made at the first call.  NULL: there is
 * no such one. */
const char *db_sums_vfs(const char *over);
/* To be told to a connection before its database is made, so that the bytes are left for it. */
int db_sums_reserve(sqlite3 *handle);

#endif
