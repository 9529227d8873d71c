/* Who has mail here: domains and users, with the id that names an account's directory and the stored hash of the
 * password.  Thread: one owner at a time; the caller locks. */
#ifndef STORAGE_DIRECTORY_H
#define STORAGE_DIRECTORY_H

#include "storage/db.h"

struct directory;

struct directory_user {
	char account[40]; /* immutable id, hex */
	char hash[256];   /* crypt(5) format */
};

/* `env` outlives the directory. */
MUST_USE enum store_err directory_open(const struct store_env *env, const char *path, struct directory **out);
void directory_close(struct directory *d);
MUST_USE enum store_err directory_domain_add(struct directory *d, const char *domain);
MUST_USE enum store_err directory_begin(struct directory *d);
MUST_USE enum store_err directory_commit(struct directory *d);
/* STORE_NOTFOUND: the domain is not ours; STORE_EXISTS. */
MUST_USE enum store_err directory_user_add(struct directory *d, const char *address, const char *account,
					   const char *hash);
MUST_USE enum store_err directory_user_find(struct directory *d, const char *address, struct directory_user *out);
/* Calls `each` with every address, or every domain. */
MUST_USE enum store_err directory_list(struct directory *d, bool domains, void (*each)(void *, const char *),
				       void *ctx);

#endif
