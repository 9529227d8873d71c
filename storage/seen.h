/*
 * Messages that were delivered of late, by a digest of their bytes: so that one that is sent again, because the 250 was lost on
 * its way, is not there twice.  Kept for as long as its caller asks about; the oldest go as new ones come.
 *
 * Thread: the account's lane.
 */
#ifndef STORAGE_SEEN_H
#define STORAGE_SEEN_H

#include "storage/account.h"

enum { SEEN_DIGEST_BYTES = 16 };

/* Was it noted at `since_s` or later? */
MUST_USE enum store_err seen_find(struct account *a, const unsigned char digest[SEEN_DIGEST_BYTES], int64_t since_s, bool *out);
/* Inside an op: it is noted now, and some of what is from before `since_s` is forgotten. */
MUST_USE enum store_err seen_note(struct account *a, const unsigned char digest[SEEN_DIGEST_BYTES], int64_t since_s);

#endif
