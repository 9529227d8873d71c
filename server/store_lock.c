#include "server/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void complain(const char *path, int error)
{
	const char *hint = error == EACCES || error == EPERM ? "; run it as the user who owns the store"
			   : error == ENOENT		     ? "; the directory above it is not there"
			   : error == ENOSPC		     ? "; the disk is full"
			   : error == EROFS		     ? "; the file system is read-only"
							     : "";
	fprintf(stderr, "roost: %s: %s%s\n", path, strerror(error), hint);
}

int store_lock_open(const char *store)
{
	char path[4096];
	if (mkdir(store, 0700) != 0 && errno != EEXIST) {
		complain(store, errno);
		return -1;
	}
	int n = snprintf(path, sizeof(path), "%s/lock", store);
	int fd = n < (int)sizeof(path) ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd < 0) {
		complain(path, errno);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int error = errno;
		char pid[32] = "";
		ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);
		pid[len > 0 ? len : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		if (error == EWOULDBLOCK)
			fprintf(stderr, "roost: the store %s is in use by another roost (pid %s); stop that one first\n", store, pid);
		else
			complain(path, error);
		close(fd);
		return -1;
	}
	char pid[32];
	int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len) {
		complain(path, errno);
		close(fd);
		return -1;
	}
	return fd;
}

void store_lock_close(int fd)
{
	if (fd >= 0)
		close(fd);
}
