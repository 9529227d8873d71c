/* What storage needs from outside, injected so that tests decide about time, crashes and failures.  One env serves
 * many accounts on many threads: it is not changed while an account is open, and its functions are thread-safe. */
#ifndef STORAGE_ENV_H
#define STORAGE_ENV_H

#include "storage/base.h"
#include "storage/points.h"

struct db_image;

struct store_env {
	int64_t (*now_s)(void *ctx); /* Unix seconds */
	/* NULL, or called at each named point.  It may not return (a crash), or return an errno: then what the point
	 * stands for is not done and fails with it.  0: go on. */
	int (*point)(void *ctx, enum store_point point);
	/* NULL, or called when an account (its directory) or directory.db (itself) cannot be opened, with the detail for the log. */
	void (*open_failed)(void *ctx, const char *path, const char *fault);
	/* NULL, or called when an account's search.db is thrown away, to be made afresh. */
	void (*search_dropped)(void *ctx, const char *dir, const char *why);
	/* NULL, or false when so many bytes of mail should not be added, since little is left on the disk: STORE_FULL. */
	bool (*has_room)(void *ctx, uint64_t bytes);
	void *ctx;
	bool fsync_always;  /* also for flag-only commits */
	uint64_t boot_id;   /* differs between boots of the machine, which may lose what was not fsynced (jump.h) */
	int64_t wal_bytes_max; /* 0: DB_WAL_BYTES_MAX (db.h) */
	const struct db_image *account_image; /* NULL, or what a new index.db begins as (account_image_make()) */
	const char *vfs;    /* SQLite's, by name; NULL for the system's */
};

/* Passes a named point; an errno when the call that follows is to fail. */
static inline MUST_USE int env_point(const struct store_env *env, enum store_point point)
{
	return env->point ? env->point(env->ctx, point) : 0;
}

#endif
