/*
 * The end of an account: its directory with all that is in it.  Whoever asks for it has made sure that nobody will open the
 * account again (removed.h): what a crash leaves in the middle is no account, and is only there to be purged again.
 *
 * Thread: the account's lane, with the account closed.
 */
#ifndef STORAGE_PURGE_H
#define STORAGE_PURGE_H

#include "storage/env.h"
#include "storage/error.h"

/* Deletes up to `files` files; *more: there are others, and it is to be called again.  A directory that is not there is no
 * failure. */
MUST_USE enum store_err account_purge(const struct store_env *env, const char *dir, unsigned files, bool *more);

#endif
