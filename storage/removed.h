/*
 * Domains that come and go, and what becomes of users who are removed.  A removed user is nobody's: no login, no mail; the
 * account, its password and settings wait in the table `removed` and can be had back.  After a time of grace it is purged:
 *
 *	removed --> purging (no way back) --> its files are deleted (purge.h) --> forgotten
 *
 * each step committed before the next begins, so that a crash leaves it to be gone on with, from the last one.
 *
 * A domain takes its users with it.  Its settings and aliases wait under its name, and hold for nobody meanwhile; a new
 * domain of that name begins without them.
 */
#ifndef STORAGE_REMOVED_H
#define STORAGE_REMOVED_H

#include "storage/directory.h"

/* STORE_EXISTS when it is there already. */
MUST_USE enum store_err directory_domain_add(struct directory *d, const char *domain);
/* STORE_NOTFOUND; STORE_HASCHILDREN while it has users. */
MUST_USE enum store_err directory_domain_remove(struct directory *d, const char *domain, int64_t now_s);
/* Whether there is a removed one of that name, or users who were removed from one.  STORE_NOTFOUND. */
MUST_USE enum store_err directory_was_domain(struct directory *d, const char *domain);
/* It is ours again with its settings and aliases; users are to be restored each by itself, those who went with it being
 * listed by directory_removed().  STORE_NOTFOUND; STORE_EXISTS. */
MUST_USE enum store_err directory_domain_restore(struct directory *d, const char *domain);
/* Forgets a removed domain, with its settings and aliases. */
MUST_USE enum store_err directory_domain_forget(struct directory *d, const char *domain);
/* Calls `each` for those that were removed. */
MUST_USE enum store_err directory_removed_domains(struct directory *d, void (*each)(void *ctx, const char *name, int64_t at_s),
						  void *ctx);

/* Nobody is the user any more, and app passwords are gone.  `with_domain`: since the domain goes.  STORE_NOTFOUND. */
MUST_USE enum store_err directory_user_remove(struct directory *d, const char *address, int64_t now_s, bool with_domain,
					      char out_account[DIRECTORY_ACCOUNT_LEN + 1]);
/* The account that was removed under this address last is the user's again.  STORE_NOTFOUND: also where it is being
 * purged; STORE_EXISTS: somebody has the address now. */
MUST_USE enum store_err directory_user_restore(struct directory *d, const char *address);

struct removed_user {
	char account[DIRECTORY_ACCOUNT_LEN + 1], address[ADDRESS_MAX + 1];
	int64_t at_s;
	bool with_domain, purging;
};

/* Calls `each` for those behind the account `after`, in the order of accounts; `domain` NULL for all; false stops. */
MUST_USE enum store_err directory_removed(struct directory *d, const char *domain, const char *after,
					  bool (*each)(void *ctx, const struct removed_user *user), void *ctx);
/* One of that address.  STORE_NOTFOUND. */
MUST_USE enum store_err directory_removed_find(struct directory *d, const char *address, struct removed_user *out);
/* It will not be restored.  STORE_NOTFOUND: it is no removed one (any more). */
MUST_USE enum store_err directory_purge_begin(struct directory *d, const char *account);
/* Its files are gone: so is what the directory has of it. */
MUST_USE enum store_err directory_purge_end(struct directory *d, const char *account);

#endif
