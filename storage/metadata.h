/*
 * Annotations of mailboxes and of the account as a whole (RFC 5464): entries with a name like "/private/comment" and a
 * value of any octets.  Names are checked by the caller as far as characters go; they are case-insensitive and keep the
 * case they were first set with.
 *
 * Those of a mailbox go with it: they follow it through a RENAME, are copied by a RENAME of INBOX and die with a DELETE.
 * A name without mailbox has some too, until it goes.  A change raises the mailbox's modseq (RFC 7162 3.2) and leaves
 * its names in the journal.  Thread: the account's lane.
 */
#ifndef STORAGE_METADATA_H
#define STORAGE_METADATA_H

#include "storage/account.h"
#include "storage/base.h"

enum {
	METADATA_ENTRIES_MAX = 100,
	METADATA_NAME_BYTES_MAX = 500,
	METADATA_VALUE_BYTES_MAX = 65536,
	METADATA_BYTES_MAX = 16 * 1024 * 1024
};

/* One entry to set; a value whose ptr is NULL takes the entry away. */
struct metadata_value {
	const char *name;
	struct bytes value;
};

struct metadata_entry {
	const char *name;
	uint32_t size; /* of the value, in octets */
};

struct metadata_entries {
	struct metadata_entry *v; /* sorted by name */
	size_t n;
	char *text; /* the names' own */
};

/* All of `values` or, on any error, nothing: inside an op, which the caller ends as failed.  `mailbox` 0 is the account's
 * own.  STORE_LIMIT: more than METADATA_ENTRIES_MAX entries; STORE_OVERQUOTA: more than METADATA_BYTES_MAX in the account.
 * That no value is above its limit is the caller's to see to. */
MUST_USE enum store_err metadata_set(struct account *a, int64_t mailbox, const struct metadata_value *values, size_t n);
/* The value is valid until the next use of the account.  STORE_NOTFOUND. */
MUST_USE enum store_err metadata_get(struct account *a, int64_t mailbox, const char *name, struct bytes *out);
/* metadata_entries_finish() it, also after a failure. */
MUST_USE enum store_err metadata_list(struct account *a, int64_t mailbox, struct metadata_entries *out);
void metadata_entries_finish(struct metadata_entries *entries);

/* The special uses of a mailbox (SPECIAL_*), which are its entry /private/specialuse (RFC 6154 4): inside an op. */
MUST_USE enum store_err metadata_set_special(struct account *a, int64_t mailbox, uint32_t special);
#define METADATA_SPECIAL_USE "/private/specialuse"

/*
 * What was set or taken away by ops after modseq `since`, in the order it was done, until `each` says false: `names` are
 * separated by line feeds.  Reads the journal from its end, and nothing when there is nothing to tell.  The running op's
 * own changes are not yet in it.  STORE_LIMIT: the journal does not reach back that far.
 */
MUST_USE enum store_err metadata_changes(struct account *a, uint64_t since,
					 bool (*each)(void *ctx, uint64_t modseq, int64_t mailbox, const char *names),
					 void *ctx);
/* The first mailbox from `from` on, 0 for the account, that has an entry, special uses too.  STORE_NOTFOUND. */
MUST_USE enum store_err metadata_next(struct account *a, int64_t from, int64_t *out);
/* Nothing was changed after `since`: without reading anything. */
bool metadata_is_known(const struct account *a, uint64_t since);

/* mailbox.c alone: inside its ops. */
MUST_USE enum store_err metadata_copy(struct account *a, int64_t from, int64_t to);
MUST_USE enum store_err metadata_drop(struct account *a, int64_t mailbox);
/* A name without mailbox that becomes one has a new id. */
MUST_USE enum store_err metadata_move(struct account *a, int64_t from, int64_t to);

#endif
