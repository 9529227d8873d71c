#include "storage/blob.h"

#include "storage/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 4200 }; /* the account's path is limited (account.c) */

static void blob_path(const struct account *a, int64_t id, char out[PATH_MAX_BYTES])
{
	snprintf(out, PATH_MAX_BYTES, "%s/blob/%02x/%lld", a->dir, (unsigned)(id & (BLOB_DIRECTORIES - 1)),
		 (long long)id);
}

enum store_err blob_start(struct account *a, struct blob_file *f)
{
	invariant(f->fd < 0 && !f->path);
	char path[PATH_MAX_BYTES];
	/* The address is one of a kind among those that live, and tmp/ was empty when the account opened. */
	snprintf(path, sizeof(path), "%s/tmp/%p", a->dir, (void *)f);
	enum store_err err = file_create(a->env, POINT_TMP_OPEN, path, &f->fd);
	if (!err) {
		f->path = strdup(path);
		invariant(f->path);
	}
	return err;
}

enum store_err blob_write(struct account *a, struct blob_file *f, const void *bytes, size_t len)
{
	return file_write(a->env, POINT_TMP_WRITE, f->fd, bytes, len);
}

enum store_err blob_seal(struct account *a, struct blob_file *f)
{
	return file_sync(a->env, POINT_TMP_SYNC, f->fd);
}

static enum store_err make_directory(struct account *a, int64_t id, char out_dir[PATH_MAX_BYTES])
{
	bool made = false;
	snprintf(out_dir, PATH_MAX_BYTES, "%s/blob/%02x", a->dir, (unsigned)(id & (BLOB_DIRECTORIES - 1)));
	enum store_err err = dir_make(out_dir, &made);
	if (err || !made)
		return err;
	char parent[PATH_MAX_BYTES];
	snprintf(parent, sizeof(parent), "%s/blob", a->dir);
	err = dir_sync(a->env, POINT_BLOB_PARENT_SYNC, parent);
	/* Made but perhaps not on disk: the next one must not take it for granted. */
	if (err)
		rmdir(out_dir);
	return err;
}

enum store_err blob_publish(struct account *a, struct blob_file *f, int64_t id)
{
	char dir[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
	blob_path(a, id, path);
	enum store_err err = make_directory(a, id, dir);
	if (!err)
		err = file_rename(a->env, POINT_BLOB_RENAME, f->path, path);
	if (err)
		return err;
	close(f->fd);
	f->fd = -1;
	free(f->path);
	f->path = NULL;
	return dir_sync(a->env, POINT_BLOB_DIR_SYNC, dir);
}

void blob_drop(struct account *a, struct blob_file *f)
{
	if (f->fd < 0)
		return;
	(void)!file_unlink(a->env, POINT_TMP_UNLINK, f->path); /* S1 */
	close(f->fd);
	f->fd = -1;
	free(f->path);
	f->path = NULL;
}

enum store_err blob_open(struct account *a, int64_t id, int *out_fd)
{
	char path[PATH_MAX_BYTES];
	blob_path(a, id, path);
	*out_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*out_fd >= 0)
		return STORE_OK;
	return errno == ENOENT ? STORE_CORRUPT : STORE_IO;
}

enum store_err blob_unlink(struct account *a, int64_t id)
{
	char path[PATH_MAX_BYTES];
	blob_path(a, id, path);
	return file_unlink(a->env, POINT_BLOB_UNLINK, path);
}

/* The id that `name` is the decimal form of, or 0. */
static int64_t id_of(const char *name, unsigned directory)
{
	char *end, again[24];
	errno = 0;
	long long id = strtoll(name, &end, 10);
	if (errno || *end || id <= 0 || (unsigned)(id & (BLOB_DIRECTORIES - 1)) != directory)
		return 0;
	snprintf(again, sizeof(again), "%lld", id);
	return strcmp(again, name) == 0 ? id : 0;
}

enum store_err blob_list(struct account *a, unsigned directory, void (*each)(void *ctx, int64_t id, const char *name),
			 void *ctx)
{
	char path[PATH_MAX_BYTES];
	snprintf(path, sizeof(path), "%s/blob/%02x", a->dir, directory);
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? STORE_OK : STORE_IO;
	for (struct dirent *e; (e = readdir(dir));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			each(ctx, id_of(e->d_name, directory), e->d_name);
	closedir(dir);
	return STORE_OK;
}

enum store_err blob_clean_tmp(struct account *a)
{
	char path[PATH_MAX_BYTES + 300];
	snprintf(path, sizeof(path), "%s/tmp", a->dir);
	DIR *dir = opendir(path);
	if (!dir)
		return STORE_IO;
	enum store_err err = STORE_OK;
	for (struct dirent *e; !err && (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/tmp/%s", a->dir, e->d_name);
		err = file_unlink(a->env, POINT_TMP_CLEAN, path);
	}
	closedir(dir);
	return err;
}
