/* Old mail of mailboxes that are emptied by age.  Inside an op.  Thread: the account's lane. */
#ifndef STORAGE_EXPIRE_H
#define STORAGE_EXPIRE_H

#include "storage/account.h"

/* Removes, buried as by EXPUNGE, the messages that came into the mailbox (by their save date, RFC 8514) before `before_s`; at
 * most `most`, *removed of them.  *more: there may be others.  STORE_NOTFOUND. */
MUST_USE enum store_err messages_expire(struct account *a, int64_t mailbox, int64_t before_s, uint32_t most,
					uint32_t *removed, bool *more);

#endif
