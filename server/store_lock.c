#include "server/store_lock.h"

#include "server/trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int store_lock_open(const char *store)
{
	char path[4096];
	if (mkdir(store, 0700) != 0 && errno != EEXIST) {
		trouble_errno(store, errno);
		return -1;
	}
	int n = snprintf(path, sizeof(path), "%s/lock", store);
	int fd = n < (int)sizeof(path) ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd < 0) {
		trouble_errno(path, errno);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int error = errno;
		char pid[32] = "";
		ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);
		pid[len > 0 ? len : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		if (error == EWOULDBLOCK)
			trouble("the store %s is in use by another roost (pid %s); stop that one first", store, pid);
		else
			trouble_errno(path, error);
		close(fd);
		return -1;
	}
	char pid[32];
	int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len) {
		trouble_errno(path, errno);
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
