/* A directory of a test's own: made empty, removed with all in it. */
#ifndef TESTS_UNIT_SCRATCH_DIR_H
#define TESTS_UNIT_SCRATCH_DIR_H

#include <ftw.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct scratch_dir {
	char path[64];
};

static inline void scratch_dir_create(struct scratch_dir *d)
{
	/* In memory where that can be: tests sync a lot, and no test here depends on a real disk. */
	snprintf(d->path, sizeof(d->path), "%s/roost-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(d->path))
		abort();
}

static inline int scratch_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void scratch_remove(const char *path)
{
	nftw(path, scratch_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_dir_destroy(struct scratch_dir *d)
{
	scratch_remove(d->path);
}

/* The path of `name` in it; valid for three more calls. */
static inline const char *scratch_path(const struct scratch_dir *d, const char *name)
{
	static char paths[4][160];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", d->path, name);
	return path;
}

/* Copies all that is in `from`, a directory, to `to`, which is made. */
static inline void scratch_copy(const char *from, const char *to)
{
	pid_t pid;
	int status;
	const char *argv[] = {"cp", "-a", "--", from, to, NULL};
	if (posix_spawnp(&pid, "cp", NULL, NULL, (char *const *)argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0)
		abort();
}

#endif
