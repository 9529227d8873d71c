/*
 * Files to be read: a directory, or a tar archive (POSIX.1-2017 pax, ustar, GNU's long names) that is read as one, in place.
 * Paths are relative, with '/' between names; "" is the top.  For the command's own process: it blocks.
 */
#ifndef SERVER_MAIL_TREE_H
#define SERVER_MAIL_TREE_H

#include "protocol/span.h"

struct mail_tree;

struct mail_tree_entry {
	char *name; /* within its directory */
	bool is_directory;
	uint64_t size;
	int64_t mtime_s;
};

struct mail_tree_list {
	struct mail_tree_entry *v; /* by name */
	size_t n;
};

/* NULL, and it is said why: there is no such file, or it is neither a directory nor a tar archive (*is_plain: but a plain
 * file, and nothing is said). */
struct mail_tree *mail_tree_open(const char *path, bool *is_plain);
bool mail_tree_is_archive(const struct mail_tree *t);
/* Accepts NULL. */
void mail_tree_close(struct mail_tree *t);
/* The directory's entries.  False: there is no such directory, or it cannot be read (said).  Finish it in any case. */
bool mail_tree_read(struct mail_tree *t, const char *path, struct mail_tree_list *out);
void mail_tree_list_finish(struct mail_tree_list *list);
/* Is it a directory there? */
bool mail_tree_has_directory(struct mail_tree *t, const char *path);

/* A file that is read from its beginning to its end. */
struct mail_file {
	int fd;
	bool is_lent; /* the archive's */
	uint64_t at, end;
};

/* False with errno.  `path` may be absolute with `t` NULL. */
bool mail_file_open(struct mail_tree *t, const char *path, struct mail_file *out);
/* Bytes read, 0 at the end, -1 with errno. */
ssize_t mail_file_read(struct mail_file *f, void *to, size_t len);
void mail_file_close(struct mail_file *f);
/* All of a small file, at most `most` bytes, NUL-terminated; heap.  NULL: it is not there, or larger. */
char *mail_file_text(struct mail_tree *t, const char *path, size_t most);

#endif
