/* Publication: contents become messages of a mailbox.  Inside an op, as a whole or not at all. */
#ifndef STORAGE_APPEND_H
#define STORAGE_APPEND_H

#include "storage/account.h"

struct roster;

struct append_item {
	int64_t content;
	uint32_t size;          /* bytes of the CRLF form */
	uint32_t flagset;
	int64_t internal_date;  /* Unix seconds */
	int32_t zone_min;
	uint32_t uid;           /* at least the mailbox's UIDNEXT, and above the item's before; 0: the next one */
};

/* New messages, in order, with consecutive UIDs from *first on, unless items name theirs; the save date is now.
 * STORE_LIMIT: the UIDs are used up (UIDNEXT itself must stay a UID: RFC 9051 2.3.1.1), or the mailbox would have too many
 * keywords. */
MUST_USE enum store_err messages_append(struct account *a, int64_t mailbox, const struct append_item *items,
					uint32_t n, uint32_t *first);

/* For copy.c: may `n` more messages, with these flag sets, be added? */
MUST_USE enum store_err append_check(const struct account *a, const struct roster *r, uint32_t n,
				     const uint32_t *flagsets, size_t flagsets_n);

#endif
