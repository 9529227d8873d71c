/*
 * Files to be read: a directory, a tar archive (POSIX.1-2017 pax, ustar, GNU's long names) that is read as one, in place, or
 * one file.
 * Paths are relative, with '/' between names; "" is the top.  For the command's own process: it blocks.
 */
#ifndef SERVER_MAIL_TREE_H
#define SERVER_MAIL_TREE_H

#include "server/mail_file.h"

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

/* A directory, a tar archive or any other file, "-" for standard input; those that are packed, or cannot be read at any place, are
 * copied to a file without a name first.  NULL: that cannot be, and it is said why. */
struct mail_tree *mail_tree_open(const char *path);
bool mail_tree_is_archive(const struct mail_tree *t);
/* It is a plain file: each path leads to it. */
bool mail_tree_is_file(const struct mail_tree *t);
/* Of an archive or a file. */
uint64_t mail_tree_bytes(const struct mail_tree *t);
/* Accepts NULL. */
void mail_tree_close(struct mail_tree *t);
/* The directory's entries.  False: there is no such directory, or it cannot be read (said).  Finish it in any case. */
bool mail_tree_read(struct mail_tree *t, const char *path, struct mail_tree_list *out);
void mail_tree_list_finish(struct mail_tree_list *list);
/* Is it a directory there? */
bool mail_tree_has_directory(struct mail_tree *t, const char *path);

/* False with errno. */
bool mail_file_open(struct mail_tree *t, const char *path, struct mail_file *out);
/* All of a small file, at most `most` bytes, NUL-terminated; heap.  NULL: it is not there, or larger. */
char *mail_file_text(struct mail_tree *t, const char *path, size_t most);

#endif
