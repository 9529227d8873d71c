/*
 * Mailbox names and their tree.  Names are full UTF-8 paths with '/' between levels, NFC, checked by the caller as far as
 * characters go; "INBOX" is spelled so.  A name is a mailbox, or only a name: what DELETE leaves of one that has children
 * (RFC 9051 6.3.5); it goes with its last child.  Thread: the account's lane.
 */
#ifndef STORAGE_MAILBOX_H
#define STORAGE_MAILBOX_H

#include "storage/account.h"
#include "storage/roster.h"
#include "storage/uidset.h"

enum {
	SPECIAL_ALL = 1, SPECIAL_ARCHIVE = 2, SPECIAL_DRAFTS = 4, SPECIAL_FLAGGED = 8, SPECIAL_JUNK = 16,
	SPECIAL_SENT = 32, SPECIAL_TRASH = 64, SPECIAL_IMPORTANT = 128
};
enum { MAILBOX_MAX = 10000, MAILBOX_LEVELS_MAX = 32, MAILBOX_NAME_BYTES_MAX = 1000, SUBSCRIPTION_MAX = 20000 };

struct mailbox_name {
	const char *name; /* full path */
	bool noselect;    /* only a name, or only a subscription */
	bool has_children, subscribed;
	struct mailbox_info info; /* id 0 for a subscription without a name of its own */
};

struct mailbox_names {
	struct mailbox_name *v; /* sorted by name */
	size_t n;
	char *text; /* the names' own */
};

/* Writes: inside an op. */

/* Missing parents are made as mailboxes too.  A name without mailbox becomes one.  STORE_EXISTS; STORE_LIMIT: too many,
 * too deep or too long. */
MUST_USE enum store_err mailbox_create(struct account *a, const char *name, uint32_t special, int64_t *out);
/* The messages are buried, children stay.  STORE_CANNOT: INBOX; STORE_HASCHILDREN: only a name. */
MUST_USE enum store_err mailbox_delete(struct account *a, const char *name);
/* A tree moves as one row, missing parents of `to` are made.  INBOX gives its messages to a new mailbox and stays, as do
 * its children (RFC 9051 6.3.6).  STORE_CANNOT: `to` lies below `from`. */
MUST_USE enum store_err mailbox_rename(struct account *a, const char *from, const char *to);
/* Both say OK to what is so already (RFC 9051 6.3.7, 6.3.8). */
MUST_USE enum store_err subscription_add(struct account *a, const char *name);
MUST_USE enum store_err subscription_remove(struct account *a, const char *name);
/* A read.  STORE_NOTFOUND: the name is not subscribed to. */
MUST_USE enum store_err subscription_find(struct account *a, const char *name);

/* A read-write session has told of every message up to now: the recent mark moves (RFC 3501 2.3.2).  In memory, and in
 * the database with the next op that ends well or when the account closes (until then a crash, or a failed op on the
 * mailbox, may take it back); takes no modseq and needs no op. */
MUST_USE enum store_err mailbox_take_recent(struct account *a, int64_t id, uint32_t *old_mark);

/* Reads.  STORE_NOTFOUND also for a name without mailbox. */
MUST_USE enum store_err mailbox_find(struct account *a, const char *name, int64_t *out);
/* The mailbox for a SPECIAL_* use, the oldest where there are several. */
MUST_USE enum store_err mailbox_find_special(struct account *a, uint32_t special, int64_t *out);
/* Also a name without mailbox. */
MUST_USE enum store_err mailbox_find_name(struct account *a, const char *name, int64_t *out);
/* Without reading the roster. */
MUST_USE enum store_err mailbox_info(struct account *a, int64_t id, struct mailbox_info *out);
/* How many messages are above the recent mark; reads the roster only when there may be some. */
MUST_USE enum store_err mailbox_recent(struct account *a, int64_t id, uint32_t *out);
/* The sum of the sizes of messages with \Deleted; reads the roster when there are some. */
MUST_USE enum store_err mailbox_deleted_bytes(struct account *a, int64_t id, uint64_t *out);
/* RFC 8474: stays with the mailbox through RENAME, and is never another's. */
MUST_USE enum store_err mailbox_objectid(struct account *a, int64_t id, char out[MAILBOX_OBJECTID_BYTES]);
/* Are there names below it? */
MUST_USE enum store_err mailbox_has_children(struct account *a, int64_t id, bool *out);
/* The full path. */
MUST_USE enum store_err mailbox_path(struct account *a, int64_t id, char out[MAILBOX_NAME_BYTES_MAX + 1]);
/* All names and subscriptions, with their counters, in one pass.  mailbox_names_finish() it, also after a failure. */
MUST_USE enum store_err mailbox_list(struct account *a, struct mailbox_names *out);
void mailbox_names_finish(struct mailbox_names *names);

/* The row as the database has it, for storage/ alone; and its part of a statement, from column `at` on. */
#define MAILBOX_INFO_COLUMNS \
	"uidvalidity, uidnext, modseq, floor, expunge_modseq, messages, unseen, deleted, bytes, recent, special," \
	" objectid"
struct mailbox_info mailbox_read(sqlite3_stmt *stmt, int64_t id, int at);
MUST_USE enum store_err mailbox_row(struct account *a, int64_t id, struct mailbox_info *out);

#endif
