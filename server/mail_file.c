#include "server/mail_file.h"

#include "server/trouble.h"
#include "server/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 65536 };

struct mail_unpacking {
	struct unpacker *unpacker;
	struct span in; /* in `room`: read and not unpacked */
	char room[READ_BYTES];
};

static void start(struct mail_file *f, enum packing packing, struct span head)
{
	f->unpacking = xcalloc(1, sizeof(*f->unpacking));
	f->unpacking->unpacker = unpacker_create(packing);
	f->unpacking->in = span_make(f->unpacking->room, head.len);
	if (head.len)
		memcpy(f->unpacking->room, head.ptr, head.len);
}

static ssize_t read_as_it_is(struct mail_file *f, void *to, size_t len)
{
	uint64_t left = f->end - f->at;
	if (left < len)
		len = (size_t)left;
	ssize_t n;
	do
		n = f->is_stream ? read(f->fd, to, len) : pread(f->fd, to, len, (off_t)f->at);
	while (n < 0 && errno == EINTR);
	if (n == 0 && f->is_lent && len) {
		errno = EIO; /* the archive is cut off */
		return -1;
	}
	f->at += n > 0 ? (uint64_t)n : 0;
	return n;
}

const char *mail_file_unpack(struct mail_file *f)
{
	char head[PACKING_HEAD];
	const char *name;
	uint64_t from = f->at;
	ssize_t n = read_as_it_is(f, head, sizeof(head));
	f->at = from;
	enum packing packing = packing_of(span_make(head, n > 0 ? (size_t)n : 0), &name);
	if (packing == PACKING_OTHER)
		return name;
	if (packing != PACKING_NONE)
		start(f, packing, span_make("", 0));
	return NULL;
}

ssize_t mail_file_read(struct mail_file *f, void *to, size_t len)
{
	struct mail_unpacking *u = f->unpacking;
	if (!u || len == 0)
		return u ? 0 : read_as_it_is(f, to, len);
	for (;;) {
		int64_t unpacked = unpacker_step(u->unpacker, &u->in, to, len);
		if (unpacked < 0)
			errno = EBADMSG;
		if (unpacked || u->in.len) /* something, or the end is before what is left */
			return (ssize_t)unpacked;
		ssize_t n = read_as_it_is(f, u->room, sizeof(u->room));
		u->in = span_make(u->room, n > 0 ? (size_t)n : 0);
		if (n == 0 && !unpacker_is_whole(u->unpacker)) {
			errno = EIO;
			n = -1;
		}
		if (n <= 0)
			return n;
	}
}

void mail_file_close(struct mail_file *f)
{
	if (f->fd >= 0 && !f->is_lent)
		close(f->fd);
	if (f->unpacking)
		unpacker_destroy(f->unpacking->unpacker);
	free(f->unpacking);
	f->unpacking = NULL;
	f->fd = -1;
}

/* ---- what comes through a pipe, or is packed ---- */

static bool write_all(int fd, const char *from, size_t len)
{
	while (len) {
		ssize_t n = write(fd, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

static int open_nameless(void)
{
	const char *directory = getenv("TMPDIR");
	return open(directory && *directory ? directory : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* To a file without a name; -1, and it is said why. */
static int copy(struct mail_file *f, struct span head, const char *path)
{
	char bytes[READ_BYTES];
	ssize_t n = 0;
	int out = open_nameless();
	bool ok = out >= 0 && (f->unpacking || write_all(out, head.ptr, head.len));
	while (ok && (n = mail_file_read(f, bytes, sizeof(bytes))) > 0)
		ok = write_all(out, bytes, (size_t)n);
	if (ok && n == 0)
		return out;
	trouble("%s: %s (it is copied to TMPDIR, or else /var/tmp, first)", path,
		errno == EBADMSG ? "what is packed in it is damaged" : errno == EIO ? "it is cut off" : strerror(errno));
	if (out >= 0)
		close(out);
	return -1;
}

int mail_file_settle(int fd, const char *path)
{
	struct mail_file f = {.fd = fd, .is_stream = true, .end = UINT64_MAX};
	char head[PACKING_HEAD];
	size_t len = 0;
	struct stat st;
	const char *name;
	bool stays = lseek(fd, 0, SEEK_CUR) == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	for (ssize_t n; len < sizeof(head) && (n = mail_file_read(&f, head + len, sizeof(head) - len)) > 0;)
		len += (size_t)n;
	enum packing packing = packing_of(span_make(head, len), &name);
	if (packing == PACKING_NONE && stays)
		return fd;
	int out = -1;
	if (packing == PACKING_OTHER) {
		trouble("%s: it is packed (%s); unpack it first, to standard input perhaps, which is -", path, name);
	} else {
		if (packing != PACKING_NONE)
			start(&f, packing, span_make(head, len));
		out = copy(&f, span_make(head, len), path);
	}
	mail_file_close(&f);
	return out;
}
