/*
 * The few file operations storage does outside SQLite, each at a named point (points.h), errno mapped to what a
 * caller can act on: a full disk or quota is STORE_FULL, a missing file STORE_NOTFOUND, the rest STORE_IO.
 * Any thread.
 */
#ifndef STORAGE_FILE_H
#define STORAGE_FILE_H

#include "storage/env.h"
#include "storage/error.h"

/* A new or emptied file, for reading and writing by us alone.  *out_fd is the caller's to close. */
MUST_USE enum store_err file_create(const struct store_env *env, enum store_point point, const char *path, int *out_fd);
/* All of it, or an error. */
MUST_USE enum store_err file_write(const struct store_env *env, enum store_point point, int fd, const void *bytes,
				   size_t len);
/* Exactly `len` bytes at `offset`; fewer is STORE_CORRUPT. */
MUST_USE enum store_err file_read_at(int fd, uint64_t offset, void *to, size_t len);
MUST_USE enum store_err file_sync(const struct store_env *env, enum store_point point, int fd);
MUST_USE enum store_err file_rename(const struct store_env *env, enum store_point point, const char *from,
				    const char *to);
/* A file that is not there is no failure. */
MUST_USE enum store_err file_unlink(const struct store_env *env, enum store_point point, const char *path);
/* The same for a directory, which is empty. */
MUST_USE enum store_err dir_remove(const struct store_env *env, enum store_point point, const char *path);
/* Makes the names inside a directory durable. */
MUST_USE enum store_err dir_sync(const struct store_env *env, enum store_point point, const char *path);
/* *out_made: false when it was there. */
MUST_USE enum store_err dir_make(const char *path, bool *out_made);
enum store_err file_error(int errno_value);

#endif
