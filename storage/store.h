/* STORE by UID sets (RFC 9051 6.4.6).  Inside an op, all or none. */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "storage/account.h"
#include "storage/flagset.h"
#include "storage/uidset.h"

/* Changes the flags of those of `set` (normalised) that exist.  `changed` receives those whose flags are not what they
 * were; a range of it may span UIDs that no message has.  When none changes, no modseq is taken (RFC 7162 3.1).
 * STORE_LIMIT: too many keywords on a message, in the mailbox or in the account, or too many sets; nothing was changed. */
MUST_USE enum store_err messages_store(struct account *a, int64_t mailbox, const struct uidset *set,
				       enum flag_op op, const struct flag_spec *spec, struct uidset *changed);

#endif
