#include "server/trouble.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const struct {
	int error;
	const char *hint;
} hints[] = {
	{EACCES, "use the user who owns it, or root; ports below 1024 are root's"},
	{EPERM, "use the user who owns it, or root"},
	{ENOENT, "it is not there, or the directory above it is not"},
	{ENOTDIR, "a directory is expected there"},
	{EISDIR, "a file is expected there"},
	{EADDRINUSE, "another program listens there; \"ss -ltnp\" tells which"},
	{EADDRNOTAVAIL, "this machine does not have that address"},
	{ENOSPC, "the disk is full; make room"},
	{EDQUOT, "the disk quota is used up; make room"},
	{EROFS, "the file system is mounted read-only"},
	{EMFILE, "too few file descriptors; raise the limit (ulimit -n, LimitNOFILE)"},
	{ENFILE, "the machine has no file descriptors left (fs.file-max)"},
	{EIO, "the disk has failed; the kernel's log tells more"},
};

void trouble(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("roost: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

void trouble_errno(const char *what, int error)
{
	for (size_t i = 0; i < countof(hints); i++) {
		if (hints[i].error == error) {
			trouble("%s: %s; %s", what, strerror(error), hints[i].hint);
			return;
		}
	}
	trouble("%s: %s", what, strerror(error));
}
