/*
 * Blob files: the stored bytes of bodies too large for the database, one file a content, blob/xx/<content id> with xx
 * the id's last two hex digits.  A file is written in tmp/, fsynced, renamed to its place, its directory fsynced, and
 * only then named by a row: so a row's file is there and whole.
 *
 * What a crash can leave, and what becomes of it:
 *
 *   state                                        what it was              what recovery does
 *   S1  a file in tmp/                           a message coming in      emptied when the account opens
 *   S2  blob/xx/<id>, no body row names it       renamed, not committed;  the sweep unlinks it, or the next content
 *                                                or swept, not unlinked   that gets the id replaces it
 *   S3  content rows, no message names them      stored, not published    the sweep deletes them
 *   S4  content rows and a message in a segment  published                sound, acknowledged or not
 *   S5  content rows, named only by graveyard    expunged                 sound until retention ends, then S3
 *   S6  rows deleted, file there                 swept                    S2
 *
 * A row whose file is missing is damage and can only come from outside: the sweep's deletion is on disk before it
 * unlinks.  Content ids are not used again once committed (AUTOINCREMENT); one whose transaction failed may be, and
 * then its S2 file is replaced by the rename or, for a body in the database, stays garbage.
 *
 * Thread: the account's lane.
 */
#ifndef STORAGE_BLOB_H
#define STORAGE_BLOB_H

#include "storage/account.h"

enum { BLOB_DIRECTORIES = 256 };

/* A blob being written.  Zeroed apart from fd = -1 before blob_start(); blob_drop() then is always right. */
struct blob_file {
	int fd;
	char *path; /* in tmp/ */
};

MUST_USE enum store_err blob_start(struct account *a, struct blob_file *f);
MUST_USE enum store_err blob_write(struct account *a, struct blob_file *f, const void *bytes, size_t len);
/* All of it is on disk; slow, so best outside a transaction. */
MUST_USE enum store_err blob_seal(struct account *a, struct blob_file *f);
/* After seal: gives it its place, durably. */
MUST_USE enum store_err blob_publish(struct account *a, struct blob_file *f, int64_t id);
/* Gives up what was not published, and frees. */
void blob_drop(struct account *a, struct blob_file *f);

/* For reading; *out_fd is the caller's to close.  STORE_CORRUPT: a row names it and it is not there. */
MUST_USE enum store_err blob_open(struct account *a, int64_t id, int *out_fd);
/* After the commit that deleted its row is on disk. */
MUST_USE enum store_err blob_unlink(struct account *a, int64_t id);
/* Calls `each` with the id of every file in blob/<directory>; other names are passed as 0 with the name. */
MUST_USE enum store_err blob_list(struct account *a, unsigned directory,
				  void (*each)(void *ctx, int64_t id, const char *name), void *ctx);
/* Empties tmp/ (S1): at open. */
MUST_USE enum store_err blob_clean_tmp(struct account *a);

#endif
