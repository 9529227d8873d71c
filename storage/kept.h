/*
 * What was made of a mailbox and may be asked for again at once: the order of a SORT, the text of a THREAD.  It lives with
 * the account, since a webmail comes with a new connection for each page.
 *
 * Each has a key, bytes of its maker's, and says of which messages and which modseq it is: its maker knows whether that
 * still holds, and what to do when it does not.  The result itself never changes; a newer one takes its place.
 *
 * Memory: what its maker allows; those least recently used go first.  Thread: the account's lane; kept_release() anywhere.
 */
#ifndef STORAGE_KEPT_H
#define STORAGE_KEPT_H

#include "storage/account.h"
#include "storage/uidmap.h"

enum { KEPT_RESULTS = 64 /* of an account */ };

struct kept;

struct kept_result {
	void *data; /* heap */
	size_t len;
};

/* Of the messages `uids`, as they were at `modseq` or later.  Takes the result over; the caller has a reference. */
struct kept *kept_create(int64_t mailbox, struct bytes key, uint64_t modseq, const struct uids *uids,
			 struct kept_result result);
struct kept *kept_acquire(struct kept *k);
/* Accepts NULL. */
void kept_release(struct kept *k);

struct bytes kept_data(const struct kept *k);
/* On the lane. */
uint64_t kept_modseq(const struct kept *k);
const struct uids *kept_uids(const struct kept *k);
/* It holds for these too. */
void kept_renew(struct kept *k, uint64_t modseq, const struct uids *uids);

/* The one with this key, which is the most recently used now; no reference.  NULL: there is none. */
struct kept *kept_find(struct account *a, int64_t mailbox, struct bytes key);
/* Keeps it, in the place of one with the same key, and of the others what `bytes_max` leaves room for; an acquired reference. */
void kept_add(struct account *a, struct kept *k, size_t bytes_max);
/* account.c alone. */
void kept_drop(struct account *a);
size_t kept_bytes(const struct account *a);

#endif
