/*
 * Mailbox names and their tree.  Names are full UTF-8 paths with '/' between levels, NFC, already checked by the
 * caller; "INBOX" is spelled so.  Thread: the account's lane.
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
enum { MAILBOX_MAX = 10000 };

struct mailbox_name {
	int64_t id;      /* 0 for a subscription without a mailbox */
	char *name;      /* full path, heap */
	bool noselect, has_children, subscribed;
	uint32_t special;
};

struct mailbox_names {
	struct mailbox_name *v; /* sorted by name */
	size_t n;
};

/* Writes: inside an op. */
MUST_USE enum store_err mailbox_create(struct account *a, const char *name, uint32_t special, int64_t *out);
/* Children stay; the name then remains without a mailbox (RFC 9051 6.3.5). */
MUST_USE enum store_err mailbox_delete(struct account *a, const char *name);
/* A tree moves as one row; INBOX gives its messages and stays (RFC 9051 6.3.6). */
MUST_USE enum store_err mailbox_rename(struct account *a, const char *from, const char *to);
MUST_USE enum store_err subscription_add(struct account *a, const char *name);
MUST_USE enum store_err subscription_remove(struct account *a, const char *name);
/* After this a read-write session has told of every message up to now: the recent mark moves.  Takes no modseq. */
MUST_USE enum store_err mailbox_take_recent(struct account *a, int64_t id, uint32_t *old_mark);

/* Reads.  STORE_NOTFOUND also for a name without mailbox. */
MUST_USE enum store_err mailbox_find(struct account *a, const char *name, int64_t *out);
MUST_USE enum store_err mailbox_info(struct account *a, int64_t id, struct mailbox_info *out);
/* All names; `subscriptions` adds those that only a subscription has. mailbox_names_finish() frees. */
MUST_USE enum store_err mailbox_list(struct account *a, struct mailbox_names *out);
void mailbox_names_finish(struct mailbox_names *names);

#endif
