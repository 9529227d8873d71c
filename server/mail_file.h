/*
 * A file of mail that is read from its beginning to its end, unpacked where it is packed.  For the command's own process: it
 * blocks.
 */
#ifndef SERVER_MAIL_FILE_H
#define SERVER_MAIL_FILE_H

#include "protocol/span.h"

#include <sys/types.h>

struct mail_unpacking;

/* mail_file_open() of server/mail_tree.h makes one. */
struct mail_file {
	int fd;
	bool is_lent;   /* the archive's */
	bool is_stream; /* it is not read at a place, but on */
	uint64_t at, end;
	struct mail_unpacking *unpacking; /* NULL: it is read as it is */
};

/* Before anything is read: if it is packed it is read unpacked from now on.  NULL, or by what it is packed that cannot be unpacked
 * here. */
MUST_USE const char *mail_file_unpack(struct mail_file *f);
/* Bytes read, 0 at the end, -1 with errno: EIO when it is cut off, EBADMSG when it cannot be unpacked. */
ssize_t mail_file_read(struct mail_file *f, void *to, size_t len);
void mail_file_close(struct mail_file *f);

/* A file that can be read at any place and is not packed: `fd`, or a copy without a name in TMPDIR or /var/tmp, and `fd` is closed.
 * -1, and it is said why: that cannot be; `path` is what people call it. */
int mail_file_settle(int fd, const char *path);

#endif
