#include "tests/crash/shim_vfs.h"

#include "storage/base.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 16, SECTOR = 512 };

/* A write, or (data NULL) a truncation to `at`, that was not synced. */
struct pending {
	int64_t at;
	int len;
	char *data;
};

struct tracked {
	char path[200]; /* "" for none */
	char *durable;  /* what a cut of the power leaves for sure */
	size_t durable_len;
	struct pending *pending;
	size_t pending_n, pending_cap;
};

struct shim_file {
	sqlite3_file base;
	struct tracked *tracked; /* NULL for files without name */
	sqlite3_file *real;
};

static struct {
	sqlite3_vfs vfs, *real;
	int (*hook)(void *ctx, enum shim_call call, int *out_full);
	void *ctx;
	struct tracked files[FILES];
} shim;

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct shim_file *)(void *)f)->real;
}

/* The code that the call fails with, or 0. */
static int ask(enum shim_call call)
{
	static const int failures[] = {SQLITE_CANTOPEN, SQLITE_IOERR_WRITE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_FSYNC,
				       SQLITE_IOERR_DELETE};
	int full = 0;
	if (!shim.hook || !shim.hook(shim.ctx, call, &full))
		return SQLITE_OK;
	return full && call == SHIM_WRITE ? SQLITE_FULL : failures[call];
}

/* --- what is durable --- */

static void forget(struct tracked *t)
{
	for (size_t i = 0; i < t->pending_n; i++)
		free(t->pending[i].data);
	free(t->pending);
	free(t->durable);
	*t = (struct tracked){0};
}

static struct tracked *find(const char *path)
{
	for (size_t i = 0; i < FILES; i++)
		if (strcmp(shim.files[i].path, path) == 0)
			return &shim.files[i];
	return NULL;
}

static struct tracked *track(const char *path)
{
	struct tracked *t = find(path);
	if (t)
		return t;
	t = find("");
	invariant(t && strlen(path) < sizeof(t->path));
	snprintf(t->path, sizeof(t->path), "%s", path);
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		t->durable_len = (size_t)st.st_size;
		t->durable = xmalloc(t->durable_len);
		invariant(read(fd, t->durable, t->durable_len) == st.st_size);
	}
	if (fd >= 0)
		close(fd);
	return t;
}

static void add_pending(struct tracked *t, int64_t at, const void *data, int len)
{
	if (!t)
		return;
	if (t->pending_n == t->pending_cap) {
		t->pending_cap = t->pending_cap ? t->pending_cap * 2 : 16;
		t->pending = xrealloc(t->pending, t->pending_cap * sizeof(*t->pending));
	}
	struct pending *p = &t->pending[t->pending_n++];
	*p = (struct pending){.at = at, .len = len};
	if (data) {
		p->data = xmalloc((size_t)len);
		memcpy(p->data, data, (size_t)len);
	}
}

static void apply(struct tracked *t, const struct pending *p, int len)
{
	size_t end = (size_t)p->at + (size_t)len;
	if (!p->data) {
		t->durable_len = (size_t)p->at < t->durable_len ? (size_t)p->at : t->durable_len;
		return;
	}
	if (end > t->durable_len) {
		t->durable = xrealloc(t->durable, end);
		memset(t->durable + t->durable_len, 0, end - t->durable_len);
		t->durable_len = end;
	}
	memcpy(t->durable + p->at, p->data, (size_t)len);
}

static void drop_pending(struct tracked *t)
{
	for (size_t i = 0; i < t->pending_n; i++)
		free(t->pending[i].data);
	t->pending_n = 0;
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

void shim_cut_power(uint64_t seed)
{
	for (size_t i = 0; i < FILES; i++) {
		struct tracked *t = &shim.files[i];
		if (!t->path[0])
			continue;
		for (size_t j = 0; seed && j < t->pending_n; j++) {
			uint64_t r = next_random(&seed);
			int len = t->pending[j].len;
			if (r % 8 == 0 && len > SECTOR)
				len = (int)(r / 8 % (unsigned)(len / SECTOR)) * SECTOR; /* torn */
			if (r % 2 == 0)
				apply(t, &t->pending[j], len);
		}
		int fd = open(t->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (fd < 0)
			continue; /* deleted */
		invariant(write(fd, t->durable ? t->durable : "", t->durable_len) == (ssize_t)t->durable_len);
		close(fd);
	}
}

/* --- file methods --- */

static int file_close(sqlite3_file *f)
{
	sqlite3_file *real = real_of(f);
	int rc = real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
	sqlite3_free(real);
	return rc;
}

static int file_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), to, len, at);
}

static int file_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
	int rc = ask(SHIM_WRITE);
	if (!rc)
		rc = real_of(f)->pMethods->xWrite(real_of(f), from, len, at);
	if (!rc)
		add_pending(((struct shim_file *)(void *)f)->tracked, at, from, len);
	return rc;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = ask(SHIM_TRUNCATE);
	if (!rc)
		rc = real_of(f)->pMethods->xTruncate(real_of(f), size);
	if (!rc)
		add_pending(((struct shim_file *)(void *)f)->tracked, size, NULL, 0);
	return rc;
}

/* A sync that fails leaves it open what reached the disk, and the system forgets that there was anything to write. */
static int file_sync(sqlite3_file *f, int flags)
{
	struct tracked *t = ((struct shim_file *)(void *)f)->tracked;
	int rc = ask(SHIM_SYNC);
	if (!rc)
		rc = real_of(f)->pMethods->xSync(real_of(f), flags);
	for (size_t i = 0; !rc && t && i < t->pending_n; i++)
		apply(t, &t->pending[i], t->pending[i].len);
	if (!rc && t)
		drop_pending(t);
	return rc;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *out)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), out);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_check_lock(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)) & ~SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Version 1: no shared memory, as locking_mode=EXCLUSIVE needs none, and no memory maps. */
static const sqlite3_io_methods methods = {
	.iVersion = 1, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate,
	.xSync = file_sync, .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock, .xFileControl = file_control, .xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits};

/* A database that several connections use needs shared memory. */
static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int file_shm_unmap(sqlite3_file *f, int delete_it)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete_it);
}

static const sqlite3_io_methods shared_methods = {
	.iVersion = 2, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate,
	.xSync = file_sync, .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock, .xFileControl = file_control, .xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits, .xShmMap = file_shm_map, .xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier, .xShmUnmap = file_shm_unmap};

/* --- the VFS --- */

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	struct shim_file *file = (struct shim_file *)(void *)f;
	(void)vfs;
	f->pMethods = NULL;
	int rc = ask(SHIM_OPEN);
	if (rc)
		return rc;
	file->tracked = name ? track(name) : NULL;
	file->real = sqlite3_malloc(shim.real->szOsFile);
	memset(file->real, 0, (size_t)shim.real->szOsFile);
	rc = shim.real->xOpen(shim.real, name, file->real, flags, out_flags);
	if (rc) {
		sqlite3_free(file->real);
		return rc;
	}
	f->pMethods = name && strstr(name, "directory.db") ? &shared_methods : &methods;
	return SQLITE_OK;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	int rc = ask(SHIM_DELETE);
	if (!rc)
		rc = shim.real->xDelete(shim.real, name, sync_dir);
	struct tracked *t = rc ? NULL : find(name);
	if (t)
		forget(t);
	return rc;
}

void shim_start(int (*hook)(void *ctx, enum shim_call call, int *out_full), void *ctx)
{
	shim.real = sqlite3_vfs_find(NULL);
	shim.hook = hook;
	shim.ctx = ctx;
	shim.vfs = *shim.real;
	shim.vfs.iVersion = 1;
	shim.vfs.szOsFile = sizeof(struct shim_file);
	shim.vfs.zName = SHIM_NAME;
	shim.vfs.pNext = NULL;
	shim.vfs.xOpen = shim_open;
	shim.vfs.xDelete = shim_delete;
	invariant(sqlite3_vfs_register(&shim.vfs, 0) == SQLITE_OK);
}

void shim_stop(void)
{
	sqlite3_vfs_unregister(&shim.vfs);
	for (size_t i = 0; i < FILES; i++)
		if (shim.files[i].path[0])
			forget(&shim.files[i]);
	shim.hook = NULL;
}
