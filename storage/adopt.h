/*
 * A mailbox that comes from another server, with the numbers its clients know it by: UIDVALIDITY and UIDs (RFC 9051
 * 2.3.1.1), so that they need not fetch again what they have.  Inside an op.  Thread: the account's lane.
 */
#ifndef STORAGE_ADOPT_H
#define STORAGE_ADOPT_H

#include "storage/account.h"

/* Gives a mailbox that never had a message this UIDVALIDITY.  *taken: it has it now, or had it before, so that messages may
 * be appended with the UIDs they had under it.  It stays as it was, and *taken is false, where messages have had UIDs
 * under another one.  Other mailboxes may have the same: servers that take it from the clock give it to all that are made in one
 * second.  STORE_NOTFOUND. */
MUST_USE enum store_err mailbox_adopt(struct account *a, int64_t mailbox, uint32_t uidvalidity, bool *taken);
/* Before a mailbox and those below it get another name: each whose UIDVALIDITY others have, or had, gets one of its own, so that
 * a name with a UIDVALIDITY never comes to mean other messages (RFC 9051 2.3.1.1). */
MUST_USE enum store_err mailbox_unshare(struct account *a, int64_t top);
/* UIDs below `uidnext` are not given any more: they were other messages'.  A lower one than it has changes nothing. */
MUST_USE enum store_err mailbox_raise_uidnext(struct account *a, int64_t mailbox, uint32_t uidnext);

#endif
