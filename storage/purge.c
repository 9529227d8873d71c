#include "storage/purge.h"

#include "storage/base.h"
#include "storage/file.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 8 /* an account's own is 3: DIR/blob/xx */, PATH_SIZE = 4096 + 300 };

struct purge {
	const struct store_env *env;
	unsigned left; /* files that may be deleted */
	bool more;
};

static enum store_err empty(struct purge *p, const char *dir, int depth);

static enum store_err remove_name(struct purge *p, const char *path, int depth)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? STORE_OK : file_error(errno);
	if (S_ISDIR(st.st_mode)) {
		enum store_err err = empty(p, path, depth + 1);
		return err || p->more ? err : dir_remove(p->env, POINT_PURGE_DIRECTORY, path);
	}
	if (p->left == 0) {
		p->more = true;
		return STORE_OK;
	}
	p->left--;
	return file_unlink(p->env, POINT_PURGE_UNLINK, path);
}

/* What is in it, in the order the file system has. */
static enum store_err empty(struct purge *p, const char *dir, int depth)
{
	DIR *d = depth < DEPTH_MAX ? opendir(dir) : NULL;
	enum store_err err = STORE_OK;
	if (!d)
		return depth < DEPTH_MAX && errno == ENOENT ? STORE_OK : STORE_IO;
	for (struct dirent *entry; !err && !p->more && (entry = readdir(d));) {
		char path[PATH_SIZE];
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int len = snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		err = len < (int)sizeof(path) ? remove_name(p, path, depth) : STORE_IO;
	}
	closedir(d);
	return err;
}

enum store_err account_purge(const struct store_env *env, const char *dir, unsigned files, bool *more)
{
	struct purge p = {.env = env, .left = files};
	char parent[PATH_SIZE];
	enum store_err err = remove_name(&p, dir, 0);
	*more = p.more && !err;
	if (err || p.more)
		return err;
	/* Before anybody forgets that there was one. */
	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(dir, '/') - dir), dir);
	return dir_sync(env, POINT_PURGE_PARENT_SYNC, parent);
}
