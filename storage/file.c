#include "storage/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum store_err file_error(int errno_value)
{
	switch (errno_value) {
	case 0:
		return STORE_OK;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return STORE_FULL;
	case ENOENT:
		return STORE_NOTFOUND;
	default:
		return STORE_IO;
	}
}

enum store_err file_create(const struct store_env *env, enum store_point point, const char *path, int *out_fd)
{
	int fault = env_point(env, point);
	*out_fd = fault ? -1 : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *out_fd >= 0 ? STORE_OK : file_error(fault ? fault : errno);
}

enum store_err file_write(const struct store_env *env, enum store_point point, int fd, const void *bytes, size_t len)
{
	const char *p = bytes;
	int fault = env_point(env, point);
	if (fault)
		return file_error(fault);
	while (len) {
		ssize_t did = write(fd, p, len);
		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return did < 0 ? file_error(errno) : STORE_IO;
		p += did;
		len -= (size_t)did;
	}
	return STORE_OK;
}

enum store_err file_read_at(int fd, uint64_t offset, void *to, size_t len)
{
	char *p = to;
	while (len) {
		ssize_t did = pread(fd, p, len, (off_t)offset);
		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return did < 0 ? STORE_IO : STORE_CORRUPT;
		p += did;
		offset += (uint64_t)did;
		len -= (size_t)did;
	}
	return STORE_OK;
}

enum store_err file_sync(const struct store_env *env, enum store_point point, int fd)
{
	int fault = env_point(env, point);
	if (!fault && fsync(fd) != 0)
		fault = errno;
	return file_error(fault);
}

enum store_err file_rename(const struct store_env *env, enum store_point point, const char *from, const char *to)
{
	int fault = env_point(env, point);
	if (!fault && rename(from, to) != 0)
		fault = errno;
	return file_error(fault);
}

enum store_err file_unlink(const struct store_env *env, enum store_point point, const char *path)
{
	int fault = env_point(env, point);
	if (!fault && unlink(path) != 0 && errno != ENOENT)
		fault = errno;
	return file_error(fault);
}

enum store_err dir_remove(const struct store_env *env, enum store_point point, const char *path)
{
	int fault = env_point(env, point);
	if (!fault && rmdir(path) != 0 && errno != ENOENT)
		fault = errno;
	return file_error(fault);
}

enum store_err dir_sync(const struct store_env *env, enum store_point point, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return file_error(errno);
	enum store_err err = file_sync(env, point, fd);
	close(fd);
	return err;
}

enum store_err dir_make(const char *path, bool *out_made)
{
	*out_made = mkdir(path, 0700) == 0;
	return *out_made || errno == EEXIST ? STORE_OK : file_error(errno);
}
