/*
 * The jump: what makes an account's clock right again when it may have been set back.
 *
 * Clients remember modseqs, and UIDs.  After a power loss that took commits which were not synced (flags), or after a
 * restore from a backup, the same modseq would be given to another change, and a client that asks "what changed since
 * N?" would not be told.  So the clock leaps far ahead of anything that can have been told; every message is restamped,
 * since any may have had other flags when a client saw it; and the floors rise, since the journal and the graveyard do
 * not know what was lost.  Clients then compare all flags and all UIDs once (RFC 7162 3.2.5.1); UIDVALIDITY stays, so no
 * body is fetched again.  After a restore UIDs may have been given that the backup does not know: UIDNEXT leaps as well.
 *
 * account_open() jumps by itself when the account was not closed cleanly and the machine was started since;
 * account_reopen() when less was on disk than had been acknowledged.  After a restore, somebody must say so (`roost jump`).
 *
 * Thread: the account's lane, outside an op.
 */
#ifndef STORAGE_JUMP_H
#define STORAGE_JUMP_H

#include "storage/account.h"

#define JUMP_MODSEQS (1ull << 30) /* more than a log holds ops; 2^63 (RFC 7162) is far */
enum { JUMP_UIDS = 1 << 20 };

/* In one transaction, on disk when it returns.  The new modseqs are above `told` too.  `leap_uids`: after a restore.
 * Where UIDs are nearly used up, a mailbox gets a new UIDVALIDITY instead of the leap.  On failure nothing changed, and
 * when it was the commit that failed, the account is to be opened afresh. */
MUST_USE enum store_err account_jump(struct account *a, uint64_t told, bool leap_uids);

#endif
