#include "server/mail_out.h"

#include "server/trouble.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, PATH_BYTES = 4096 };

static const char begun_mark[] = ".roost-export"; /* is in a directory from the beginning of the first export on */

struct mail_out {
	int fd; /* of the directory or the archive */
	bool is_archive, failed;
	char *path, *draft_path; /* of an archive */
	uint64_t at;             /* its end */
	/* The file. */
	int file;
	char draft[PATH_BYTES], name[PATH_BYTES];
	int64_t mtime_s;
	uint64_t size, header_at;
};

static void fail(struct mail_out *o, const char *what)
{
	if (!o->failed)
		trouble_errno(what, errno);
	o->failed = true;
}

static bool is_usable_directory(int fd, const char *path)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	bool is_begun = faccessat(fd, begun_mark, F_OK, 0) == 0, is_empty = true;
	if (!dir) {
		trouble_errno(path, errno);
		return false;
	}
	for (struct dirent *e; (e = readdir(dir));)
		is_empty = is_empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	closedir(dir);
	if (!is_begun && !is_empty)
		trouble("%s: it is not empty, and no export was begun there; name a directory that does not exist", path);
	return is_begun || is_empty;
}

static struct mail_out *open_directory(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		trouble_errno(path, errno);
		return NULL;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int mark = fd >= 0 && is_usable_directory(fd, path) ? openat(fd, begun_mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -2;
	if (fd < 0 || mark < 0) {
		if (mark != -2 || fd < 0)
			trouble_errno(path, errno);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	close(mark);
	struct mail_out *o = xcalloc(1, sizeof(*o));
	o->fd = fd;
	return o;
}

static struct mail_out *open_archive(const char *path)
{
	struct mail_out *o = xcalloc(1, sizeof(*o));
	o->is_archive = true;
	o->path = strdup(path);
	size_t len = strlen(path) + 6;
	o->draft_path = xmalloc(len);
	snprintf(o->draft_path, len, "%s.part", path);
	o->fd = open(o->draft_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (o->fd >= 0)
		return o;
	trouble_errno(o->draft_path, errno);
	free(o->path);
	free(o->draft_path);
	free(o);
	return NULL;
}

struct mail_out *mail_out_open(const char *path)
{
	size_t len = strlen(path);
	struct mail_out *o = len > 4 && strcmp(path + len - 4, ".tar") == 0 ? open_archive(path) : open_directory(path);
	if (o)
		o->file = -1;
	return o;
}

static bool write_all(int fd, struct span bytes, uint64_t *at)
{
	while (bytes.len) {
		ssize_t n = at ? pwrite(fd, bytes.ptr, bytes.len, (off_t)*at) : write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		if (at)
			*at += (uint64_t)n;
		bytes = span_after(bytes, (size_t)n);
	}
	return true;
}

/* ---- the archive ---- */

static void put_octal(char *to, size_t len, uint64_t n)
{
	char text[32];
	snprintf(text, sizeof(text), "%0*llo", (int)len - 1, (unsigned long long)n);
	memcpy(to, text, strlen(text) < len ? strlen(text) : len - 1);
}

/* POSIX.1-2017, pax: ustar interchange format. */
static bool write_header(struct mail_out *o, uint64_t at, const char *name, char type, uint64_t size, int64_t mtime_s)
{
	char h[BLOCK] = {0};
	unsigned sum = 0;
	size_t len = strlen(name);
	memcpy(h, name, len < 100 ? len : 100);
	put_octal(h + 100, 8, type == '5' ? 0700 : 0600);
	put_octal(h + 108, 8, 0);
	put_octal(h + 116, 8, 0);
	put_octal(h + 124, 12, size);
	put_octal(h + 136, 12, mtime_s > 0 && mtime_s < (1LL << 33) ? (uint64_t)mtime_s : 0);
	h[156] = type;
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	put_octal(h + 148, 7, sum);
	return write_all(o->fd, span_make(h, BLOCK), &at);
}

/* A record names its own length: "LEN key=value\n". */
static size_t add_record(char *to, size_t room, const char *key, const char *value)
{
	size_t plain = strlen(key) + strlen(value) + 3, len = plain + 1;
	char digits[24];
	while (plain + (size_t)snprintf(digits, sizeof(digits), "%zu", len) != len)
		len++;
	return (size_t)snprintf(to, room, "%zu %s=%s\n", len, key, value);
}

/* The blocks before a file: for a long name another header that says it.  A file's size is known at its end. */
static void begin_archived(struct mail_out *o)
{
	char block[2 * PATH_BYTES] = {0};
	size_t len = strlen(o->name) > 100 ? add_record(block, sizeof(block), "path", o->name) : 0;
	size_t whole = (len + BLOCK - 1) / BLOCK * BLOCK;
	bool ok = true;
	if (len) {
		ok = write_header(o, o->at, "pax", 'x', len, 0);
		o->at += BLOCK;
		ok = ok && write_all(o->fd, span_make(block, whole), &o->at);
	}
	o->header_at = o->at;
	o->at += BLOCK;
	o->size = 0;
	if (!ok)
		fail(o, o->draft_path);
}

static void end_archived(struct mail_out *o, char type)
{
	static const char zeros[BLOCK] = {0};
	size_t pad = (size_t)(BLOCK - o->size % BLOCK) % BLOCK;
	if (!write_header(o, o->header_at, o->name, type, o->size, o->mtime_s) ||
	    !write_all(o->fd, span_make(zeros, pad), &o->at))
		fail(o, o->draft_path);
}

/* ---- both ---- */

void mail_out_directory(struct mail_out *o, const char *path)
{
	if (o->failed)
		return;
	if (o->is_archive) {
		snprintf(o->name, sizeof(o->name), "%s/", path);
		o->mtime_s = 0;
		begin_archived(o);
		end_archived(o, '5');
	} else if (mkdirat(o->fd, path, 0700) != 0 && errno != EEXIST) {
		fail(o, path);
	}
}

void mail_out_begin(struct mail_out *o, const char *draft, const char *path, int64_t mtime_s)
{
	if (o->failed)
		return;
	snprintf(o->draft, sizeof(o->draft), "%s", draft);
	snprintf(o->name, sizeof(o->name), "%s", path);
	o->mtime_s = mtime_s;
	if (o->is_archive) {
		begin_archived(o);
		return;
	}
	o->file = openat(o->fd, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (o->file < 0)
		fail(o, draft);
}

void mail_out_write(struct mail_out *o, struct span bytes)
{
	if (o->failed)
		return;
	if (!write_all(o->is_archive ? o->fd : o->file, bytes, o->is_archive ? &o->at : NULL))
		fail(o, o->name);
	o->size += bytes.len;
}

void mail_out_end(struct mail_out *o)
{
	if (o->failed)
		return;
	if (o->is_archive) {
		end_archived(o, '0');
		return;
	}
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = o->mtime_s}};
	bool ok = futimens(o->file, times) == 0;
	ok = close(o->file) == 0 && ok;
	o->file = -1;
	if (!ok || renameat(o->fd, o->draft, o->fd, o->name) != 0)
		fail(o, o->name);
}

bool mail_out_list(struct mail_out *o, const char *path, void (*each)(void *ctx, const char *name), void *ctx)
{
	int fd = o->is_archive ? -1 : openat(o->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return false;
	for (struct dirent *e; (e = readdir(dir));)
		each(ctx, e->d_name);
	closedir(dir);
	return true;
}

void mail_out_rename(struct mail_out *o, const char *from, const char *to)
{
	if (!o->failed && renameat(o->fd, from, o->fd, to) != 0)
		fail(o, to);
}

bool mail_out_failed(const struct mail_out *o)
{
	return o->failed;
}

bool mail_out_close(struct mail_out *o, bool ok)
{
	static const char zeros[2 * BLOCK] = {0};
	if (!o)
		return false;
	if (o->is_archive && !o->failed && !write_all(o->fd, span_make(zeros, sizeof(zeros)), &o->at))
		fail(o, o->draft_path);
	if (!o->failed && syncfs(o->fd) != 0)
		fail(o, o->path ? o->path : ".");
	if (o->is_archive && ok && !o->failed && rename(o->draft_path, o->path) != 0)
		fail(o, o->path);
	if (o->file >= 0)
		close(o->file);
	ok = !o->failed;
	close(o->fd);
	free(o->path);
	free(o->draft_path);
	free(o);
	return ok;
}
