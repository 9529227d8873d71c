/*
 * Aliases, in directory.db's table `alias` (address, target), one row a target: mail for the address goes to each target,
 * a user or another alias.  "@example.org" is whom mail for all other addresses of the domain goes to.
 *
 * An address is looked for as a user, then as an alias; then without what follows its "+" (RFC 5233 1), both again; then
 * as "@" and its domain.  Targets that are no longer there are passed by.  There are no circles: adding one is refused.
 */
#ifndef STORAGE_ALIAS_H
#define STORAGE_ALIAS_H

#include "storage/directory.h"

enum { ALIAS_TARGETS_MAX = 100 /* an address, through other aliases too */, ALIAS_DEPTH_MAX = 8 };

struct alias_target {
	char address[ADDRESS_MAX + 1];
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	bool refuses_mail; /* it is set so */
};

struct alias_targets {
	struct alias_target *v;
	size_t n;
	char detail[ADDRESS_LOCAL_MAX + 1]; /* of user+detail@, "" for none */
};

/* Whom mail for `address` (in its normal form) goes to, each user once.  STORE_NOTFOUND: to nobody.
 * alias_targets_finish() it, also after a failure. */
MUST_USE enum store_err alias_resolve(struct directory *d, const char *address, struct alias_targets *out);
void alias_targets_finish(struct alias_targets *t);
/* The user whom all mail for `address` goes to, itself or the only target of an alias, through other aliases too: who may log in by
 * that name.  STORE_NOTFOUND: nobody, or several; nor does "+" or "@example.org" count here. */
MUST_USE enum store_err alias_only_user(struct directory *d, const char *address, char out[ADDRESS_MAX + 1]);

/* STORE_NOTFOUND: the domain is not ours, or there is no such target; STORE_EXISTS: also where a user has the address;
 * STORE_CANNOT: mail would go in circles; STORE_LIMIT: too many targets, or aliases behind aliases. */
MUST_USE enum store_err alias_add(struct directory *d, const char *address, const char *target);
/* With `target` NULL all of the address's.  STORE_NOTFOUND. */
MUST_USE enum store_err alias_remove(struct directory *d, const char *address, const char *target);
/* Calls `each` for those behind (`address`, `target`), in order; `domain` NULL for all; false stops. */
MUST_USE enum store_err alias_list(struct directory *d, const char *domain, const char *address, const char *target,
				   bool (*each)(void *ctx, const char *address, const char *target), void *ctx);
/* Calls `each` for the aliases that have this address as a target. */
MUST_USE enum store_err alias_of(struct directory *d, const char *target, void (*each)(void *ctx, const char *address), void *ctx);
/* "@example.org", too, in its normal form. */
MUST_USE bool alias_normalise(const char *text, char out[ADDRESS_MAX + 1]);

#endif
