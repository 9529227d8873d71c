/* EXPUNGE by UID sets (RFC 9051 6.4.3, 6.4.9).  Inside an op, all or none. */
#ifndef STORAGE_EXPUNGE_H
#define STORAGE_EXPUNGE_H

#include "storage/account.h"
#include "storage/uidset.h"

/* Those of `set` (normalised) that have \Deleted are buried and removed; `gone` receives their UIDs. */
MUST_USE enum store_err messages_expunge(struct account *a, int64_t mailbox, const struct uidset *set,
					 struct uidset *gone);
/* All of `set`, whatever their flags. */
MUST_USE enum store_err messages_remove(struct account *a, int64_t mailbox, const struct uidset *set);

#endif
