/*
 * An account's mail on its way out, as records (transfer.h): all mailboxes by name, each with its messages by UID, then the
 * subscriptions of names that are no mailbox.  What arrives meanwhile may be in it; each message is whole.
 *
 * Thread: the account's lane, all functions.  Holds nothing of the store between steps.
 */
#ifndef SERVER_MAIL_EXPORT_H
#define SERVER_MAIL_EXPORT_H

#include "server/slice.h"
#include "server/transfer.h"
#include "storage/account.h"

struct mail_export;

struct mail_export_counts {
	uint64_t mailboxes, messages, problems;
};

/* `only` is the one mailbox that is wanted; NULL: all.  STORE_NOTFOUND. */
MUST_USE enum store_err mail_export_create(struct account *a, const char *only, struct mail_export **out);
/* Accepts NULL. */
void mail_export_destroy(struct mail_export *ex);
/* Some more records, until there are `bytes_max` or the slice is over; *more: there is more to come.  A message whose bytes
 * are damaged is a PROBLEM, and what can be read of it is given out. */
MUST_USE enum store_err mail_export_step(struct mail_export *ex, struct account *a, struct slice *slice, size_t bytes_max,
					 struct buf *out, bool *more);
struct mail_export_counts mail_export_result(const struct mail_export *ex);

#endif
