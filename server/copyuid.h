/*
 * The COPYUID of one copy (RFC 4315 3), whatever its size: it is written a chunk at a time.  The UIDs wait packed, each
 * range as its distance from the one before and its length, which is two bytes as a rule: a million messages with holes
 * between them take less than 2 MB.
 */
#ifndef SERVER_COPYUID_H
#define SERVER_COPYUID_H

#include "protocol/buf.h"
#include "storage/copy.h"

struct copyuid {
	uint32_t uidvalidity, first, n; /* n 0: nothing was copied, and nothing is to be told */
	struct buf packed;
	size_t at;     /* in `packed`: the next range to tell */
	uint32_t last; /* the UID told last */
	bool begun;
};

/* Of a zeroed or finished one. */
void copyuid_init(struct copyuid *c, const struct copy_result *result);
/* Leaves a zeroed one. */
void copyuid_finish(struct copyuid *c);
/* Goes on with "COPYUID 1 2:3,5 7:9", until `out` has some `full_bytes`.  True: it is whole. */
bool copyuid_write(struct copyuid *c, struct buf *out, size_t full_bytes);

#endif
