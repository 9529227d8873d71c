#include "storage/db_sums.h"

#include "storage/base.h"
#include "storage/bits.h"
#include "storage/checksum.h"
#include "storage/db.h"

/* What follows it in memory is the other VFS's file. */
struct sums_file {
	sqlite3_file base;
};

struct sums_vfs {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	char name[80];
};

static sqlite3_file *real_file(sqlite3_file *f)
{
	return (sqlite3_file *)((struct sums_file *)f + 1);
}

static sqlite3_vfs *real_vfs(sqlite3_vfs *vfs)
{
	return container_of(vfs, struct sums_vfs, vfs)->real;
}

static bool is_page(int len, sqlite3_int64 at)
{
	return len == DB_PAGE_BYTES && at % DB_PAGE_BYTES == 0;
}

static uint64_t sum_of(const void *page, sqlite3_int64 at)
{
	return checksum64(page, DB_PAGE_BYTES - DB_SUM_BYTES, (uint64_t)at);
}

static bool is_empty(const unsigned char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, DB_PAGE_BYTES - 1) == 0;
}

/* ---- the file ---- */

static int file_close(sqlite3_file *f)
{
	return real_file(f)->pMethods->xClose(real_file(f));
}

static int file_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
	int rc = real_file(f)->pMethods->xRead(real_file(f), to, len, at);
	const unsigned char *page = to;
	if (rc != SQLITE_OK || !is_page(len, at) || get_u64(page + DB_PAGE_BYTES - DB_SUM_BYTES) == sum_of(page, at))
		return rc;
	return is_empty(page) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

static int file_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
	unsigned char page[DB_PAGE_BYTES];
	if (!is_page(len, at))
		return real_file(f)->pMethods->xWrite(real_file(f), from, len, at);
	memcpy(page, from, DB_PAGE_BYTES - DB_SUM_BYTES);
	put_u64(page + DB_PAGE_BYTES - DB_SUM_BYTES, sum_of(page, at));
	return real_file(f)->pMethods->xWrite(real_file(f), page, len, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_file(f)->pMethods->xTruncate(real_file(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	return real_file(f)->pMethods->xSync(real_file(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *out)
{
	return real_file(f)->pMethods->xFileSize(real_file(f), out);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_file(f)->pMethods->xLock(real_file(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_file(f)->pMethods->xUnlock(real_file(f), level);
}

static int file_check_reserved(sqlite3_file *f, int *out)
{
	return real_file(f)->pMethods->xCheckReservedLock(real_file(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_file(f)->pMethods->xFileControl(real_file(f), op, arg);
}

static int file_sector_size(sqlite3_file *f)
{
	return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static int file_characteristics(sqlite3_file *f)
{
	return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

/* Version 1: no shared memory, which an exclusive connection needs none of, and no mapping, which would go past the sums. */
static const sqlite3_io_methods methods = {
	.iVersion = 1, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate,
	.xSync = file_sync, .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_unlock,
	.xCheckReservedLock = file_check_reserved, .xFileControl = file_control, .xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics};

/* ---- the VFS ---- */

static int sums_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	sqlite3_vfs *real = real_vfs(vfs);
	if (!(flags & SQLITE_OPEN_MAIN_DB))
		return real->xOpen(real, name, f, flags, out_flags);
	f->pMethods = NULL;
	int rc = real->xOpen(real, name, real_file(f), flags, out_flags);
	if (rc == SQLITE_OK)
		f->pMethods = &methods;
	return rc;
}

static int sums_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	return real_vfs(vfs)->xDelete(real_vfs(vfs), name, sync_dir);
}

static int sums_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	return real_vfs(vfs)->xAccess(real_vfs(vfs), name, flags, out);
}

static int sums_full_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	return real_vfs(vfs)->xFullPathname(real_vfs(vfs), name, n, out);
}

static int sums_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	return real_vfs(vfs)->xRandomness(real_vfs(vfs), n, out);
}

static int sums_sleep(sqlite3_vfs *vfs, int us)
{
	return real_vfs(vfs)->xSleep(real_vfs(vfs), us);
}

static int sums_time(sqlite3_vfs *vfs, double *out)
{
	return real_vfs(vfs)->xCurrentTime(real_vfs(vfs), out);
}

static int sums_last_error(sqlite3_vfs *vfs, int n, char *out)
{
	return real_vfs(vfs)->xGetLastError(real_vfs(vfs), n, out);
}

/* Never taken away again: SQLite's list has it. */
static void make(sqlite3_vfs *real, const char *name)
{
	struct sums_vfs *s = xcalloc(1, sizeof(*s));
	s->real = real;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->vfs = (sqlite3_vfs){.iVersion = 1, .szOsFile = (int)sizeof(struct sums_file) + real->szOsFile,
			       .mxPathname = real->mxPathname, .zName = s->name, .xOpen = sums_open, .xDelete = sums_delete,
			       .xAccess = sums_access, .xFullPathname = sums_full_path, .xRandomness = sums_randomness,
			       .xSleep = sums_sleep, .xCurrentTime = sums_time, .xGetLastError = sums_last_error};
	invariant(sqlite3_vfs_register(&s->vfs, 0) == SQLITE_OK);
}

const char *db_sums_vfs(const char *over)
{
	char name[80];
	sqlite3_vfs *real = sqlite3_vfs_find(over);
	if (!real)
		return NULL;
	snprintf(name, sizeof(name), "sums over %s", real->zName);
	/* SQLite's own, which it keeps for programs. */
	sqlite3_mutex *mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
	sqlite3_mutex_enter(mutex);
	sqlite3_vfs *found = sqlite3_vfs_find(name);
	if (!found)
		make(real, name);
	found = sqlite3_vfs_find(name);
	sqlite3_mutex_leave(mutex);
	return found->zName;
}

int db_sums_reserve(sqlite3 *handle)
{
	int bytes = DB_SUM_BYTES;
	return sqlite3_file_control(handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}
