/*
 * directory.db: who has mail here.  Domains, users, the account id that names a user's directory on disk (random,
 * immutable, never chosen by a client) and the credentials: no clear password, only what verifies one.
 *
 *   domain      name
 *   user        address, domain, account                    one row an account
 *   credential  account, label, hash, scram_sha1, scram_sha256      label "" is the user's own password
 *   app_password  id, account, label, hash, ...              what devices log in with (app_password.h)
 *   removed     account, address, at, with_domain, purging  users that are gone; their mail is still on disk (removed.h)
 *   removed_domain  name, at                                domains that are gone
 *   alias       address, target                             whom mail goes to (alias.h)
 *   setting     owner, name, value                          what is set for a user or a domain (setting.h)
 *   usage       account, bytes                              what its mail took when that was written down last
 *   meta        key, value                                  random keys made with the database; usage_at: when `usage` was written
 *
 * One writer (directory_open) on one thread at a time, the directory's lane; beside it any number of readers
 * (directory_open_reader), each of one thread, which see what was committed.  Names and addresses are in the normal
 * form of storage/address.h.
 */
#ifndef STORAGE_DIRECTORY_H
#define STORAGE_DIRECTORY_H

#include "storage/address.h"
#include "storage/db.h"

struct directory;

enum { DIRECTORY_ACCOUNT_BYTES = 16, DIRECTORY_ACCOUNT_LEN = 2 * DIRECTORY_ACCOUNT_BYTES, DIRECTORY_KEY_BYTES = 32 };

/* What verifies a password; texts, as server/password.h makes them. */
struct directory_secrets {
	char hash[192];         /* crypt(5) format */
	char scram_sha1[192];   /* iterations, salt, StoredKey and ServerKey as libsasl2 stores them */
	char scram_sha256[192];
};

struct directory_user {
	char address[ADDRESS_MAX + 1];
	char account[DIRECTORY_ACCOUNT_LEN + 1]; /* lower-case hex */
	struct directory_secrets secrets;
};

/* Makes the database when it is not there.  `env` outlives the directory. */
MUST_USE enum store_err directory_open(const struct store_env *env, const char *path, struct directory **out);
MUST_USE enum store_err directory_open_reader(const struct store_env *env, const char *path, struct directory **out);
void directory_close(struct directory *d);
/* What went wrong last, for the log. */
const char *directory_fault(const struct directory *d);
/* A commit or a sync failed, and whether it is on disk is not known: nothing is written any more until it is opened
 * afresh, which reads what there is. */
bool directory_is_broken(const struct directory *d);

/* Changes stand between these; after directory_commit() they are on disk.  directory_end(d, false) undoes them. */
MUST_USE enum store_err directory_begin(struct directory *d);
MUST_USE enum store_err directory_end(struct directory *d, bool ok);

/* What a reader reads between these is of one moment, that of its first question, and costs one lock in all.  Not for long: the log
 * of changes cannot be taken up meanwhile.  Both may come twice; where a reader cannot be held it reads as ever. */
void directory_hold(struct directory *d);
void directory_let_go(struct directory *d);

/* Makes the account id.  STORE_NOTFOUND: the domain is not ours; STORE_EXISTS. */
MUST_USE enum store_err directory_user_add(struct directory *d, const char *address,
					   const struct directory_secrets *secrets);
/* STORE_NOTFOUND. */
MUST_USE enum store_err directory_user_passwd(struct directory *d, const char *address,
					      const struct directory_secrets *secrets);
/* The account, its password and settings stay; aliases of the old address lead to the new.  STORE_NOTFOUND: also for a
 * domain that is not ours; STORE_EXISTS. */
MUST_USE enum store_err directory_user_rename(struct directory *d, const char *address, const char *to);
/* STORE_NOTFOUND. */
MUST_USE enum store_err directory_has_domain(struct directory *d, const char *domain);
MUST_USE enum store_err directory_user_find(struct directory *d, const char *address, struct directory_user *out);
/* Calls `each` for every domain behind `after` ("" for all), in order; false stops. */
MUST_USE enum store_err directory_domains(struct directory *d, const char *after,
					  bool (*each)(void *ctx, const char *name, int64_t users), void *ctx);
/* How many users it has.  STORE_NOTFOUND. */
MUST_USE enum store_err directory_domain_users(struct directory *d, const char *domain, int64_t *out);
/* The same for users; `domain` NULL for all.  No secrets. */
MUST_USE enum store_err directory_users(struct directory *d, const char *domain, const char *after,
					bool (*each)(void *ctx, const char *address, const char *account), void *ctx);

/* What accounts take, for the sum of a domain's without opening them all (server/tally.h). */
MUST_USE enum store_err directory_usage_record(struct directory *d, const char *account, int64_t bytes);
/* 0 for one that was never recorded. */
MUST_USE enum store_err directory_usage_of(struct directory *d, const char *account, int64_t *out_bytes);
MUST_USE enum store_err directory_usage_of_domain(struct directory *d, const char *domain, int64_t *out_bytes);
MUST_USE enum store_err directory_usage_by_domain(struct directory *d,
						  void (*each)(void *ctx, const char *domain, int64_t bytes), void *ctx);
/* When records were written last: what changed an account later may not be in them.  0: never. */
MUST_USE enum store_err directory_usage_set_time(struct directory *d, int64_t now_s);
MUST_USE enum store_err directory_usage_time(struct directory *d, int64_t *out_s);
/* The sum of what the domain's users may have each, and how many of them may have any; `standard` is for those who have no
 * limit of their own. */
MUST_USE enum store_err directory_allowed(struct directory *d, const char *domain, int64_t standard, int64_t *out_bytes,
					  int64_t *out_unlimited);
/* The address of the account's user.  STORE_NOTFOUND: it is nobody's. */
MUST_USE enum store_err directory_account_address(struct directory *d, const char *account, char out[ADDRESS_MAX + 1]);
/* The domain of the account's user.  STORE_NOTFOUND: it is nobody's. */
MUST_USE enum store_err directory_account_domain(struct directory *d, const char *account, char out[ADDRESS_DOMAIN_MAX + 1]);
/* A random key made with the database, so that answers about unknown users are the same after a restart. */
MUST_USE enum store_err directory_key(struct directory *d, unsigned char out[DIRECTORY_KEY_BYTES]);

#endif
