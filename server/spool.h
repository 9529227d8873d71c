/*
 * Bytes on their way to several accounts: in memory while they are few, in a file without a name when they are many.
 * Written by one worker after another, one at a time; once the last byte is there, read by any number of them at once.
 */
#ifndef SERVER_SPOOL_H
#define SERVER_SPOOL_H

#include "protocol/buf.h"
#include "server/accounts.h"
#include "server/limits.h"

struct spool {
	struct accounts *accounts;
	struct buf memory; /* all of it while fd is -1; then nothing */
	int fd;
	uint64_t size;
	enum store_err failed;
};

void spool_init(struct spool *s, struct accounts *accounts);
void spool_finish(struct spool *s);
/* On a worker.  The first failure stays.  STORE_FULL: no space; STORE_IO. */
MUST_USE enum store_err spool_write(struct spool *s, struct span bytes);
/* On a worker: bytes from `at`, at most `len`, fewer only at the end.  They are the spool's, or in `scratch`. */
MUST_USE enum store_err spool_read(const struct spool *s, uint64_t at, size_t len, struct buf *scratch,
				   struct span *out);

#endif
