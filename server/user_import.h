/*
 * Users from a table (CSV): all of it is looked at before anything is done, then passwords are hashed, then everything is done in
 * one transaction.  Its first line names the columns:
 *
 *	address       must be there
 *	password      in clear, and hashed here
 *	hash          crypt(5), in place of it; with scram_sha1 and scram_sha256 as roost user export writes them, or without SCRAM
 *	aliases       addresses that lead to the user, separated by spaces
 *	SETTING       any that can be set for a user
 *
 * An empty field leaves what is there as it is.  A user who is there already is changed to what the line says, so that the same
 * table can be read again.
 */
#ifndef SERVER_USER_IMPORT_H
#define SERVER_USER_IMPORT_H

#include "server/password.h"
#include "storage/directory.h"

enum { USER_IMPORT_BYTES_MAX = 64 << 20, USER_IMPORT_ROWS_MAX = 200000 };

struct user_import;

struct user_import_options {
	bool adds_domains; /* those that are not ours yet */
};

struct user_import *user_import_create(const struct user_import_options *options);
/* Takes NULL.  Passwords are overwritten. */
void user_import_destroy(struct user_import *u);
/* False: it is too large. */
MUST_USE bool user_import_take(struct user_import *u, const void *bytes, size_t len);
/* When all of it is there: calls `each` for each line that is wrong.  On the directory's lane.  Returns how many are. */
size_t user_import_validate(struct user_import *u, struct directory *d,
			    void (*each)(void *ctx, unsigned line, const char *address, const char *problem), void *ctx);
/* Some passwords, on a thread of the auth pool; true: there are others. */
bool user_import_hash(struct user_import *u, const struct password_cost *cost, struct crypt_data *scratch);

enum user_import_did { USER_UNCHANGED, USER_CHANGED, USER_ADDED };
/* Everything, in a transaction.  An error is of the line *out_line. */
MUST_USE enum store_err user_import_apply(struct user_import *u, struct directory *d, unsigned *out_line);
/* What was done, or without user_import_apply() would be, as far as that is known without hashing. */
size_t user_import_count(const struct user_import *u, enum user_import_did did);

#endif
