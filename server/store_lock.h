/*
 * Only one process has the store open: the daemon, or a command that works without one.  STORE/lock is locked (flock)
 * for as long as it has; the kernel lets go of it when the process ends, however it ends.
 */
#ifndef SERVER_STORE_LOCK_H
#define SERVER_STORE_LOCK_H

#include "storage/base.h"

/* Makes the store's directory when it is not there.  The result is a descriptor for store_lock_close(), or -1: then
 * what is wrong, and what to do about it, was printed. */
MUST_USE int store_lock_open(const char *store);
void store_lock_close(int fd);

#endif
