/* COPY and MOVE by UID sets (RFC 9051 6.4.7, 6.4.8).  Inside an op, all messages or none. */
#ifndef STORAGE_COPY_H
#define STORAGE_COPY_H

#include "storage/account.h"
#include "storage/uidset.h"

/* The k-th UID of `source` became UID first + k. */
struct copy_result {
	uint32_t uidvalidity; /* of the target */
	struct uidset source; /* exactly those copied */
	uint32_t first, n;
};

void copy_result_finish(struct copy_result *r);
/* Flags, dates, content and size are kept, the save date is now; those of `set` (normalised) that do not exist are left
 * out.  `target` may be `source`.  STORE_LIMIT as for messages_append(). */
MUST_USE enum store_err messages_copy(struct account *a, int64_t source, const struct uidset *set, int64_t target,
				      struct copy_result *out);
/* A copy, and the originals go, in one op: within one mailbox messages get new UIDs. */
MUST_USE enum store_err messages_move(struct account *a, int64_t source, const struct uidset *set, int64_t target,
				      struct copy_result *out);

#endif
