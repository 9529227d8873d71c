/*
 * Files to be written: below a directory, or into a tar archive (ustar, with pax headers for long names and large files) that
 * gets its name when it is whole.  One file at a time.  What cannot be written is said once, and from then on nothing is
 * written.  For the command's own process: it blocks.
 */
#ifndef SERVER_MAIL_OUT_H
#define SERVER_MAIL_OUT_H

#include "protocol/span.h"

struct mail_out;

/* An archive when `path` ends in ".tar".  A directory is made, or goes on that was begun by an export before; another that
 * is not empty is refused.  NULL: said. */
struct mail_out *mail_out_open(const char *path);
/* Everything is on disk after it, and an archive has its name if `ok`.  False: something could not be written.  Takes NULL. */
bool mail_out_close(struct mail_out *o, bool ok);
void mail_out_directory(struct mail_out *o, const char *path);
/* Begins a file, which is at `draft` until it ends (in an archive there is no draft). */
void mail_out_begin(struct mail_out *o, const char *draft, const char *path, int64_t mtime_s);
void mail_out_write(struct mail_out *o, struct span bytes);
void mail_out_end(struct mail_out *o);
/* The names in a directory, for what is there already; of an archive none.  False: nothing can be read (any more). */
bool mail_out_list(struct mail_out *o, const char *path, void (*each)(void *ctx, const char *name), void *ctx);
void mail_out_rename(struct mail_out *o, const char *from, const char *to);
bool mail_out_failed(const struct mail_out *o);

#endif
