/*
 * App passwords: what a device logs in with in place of the user's own password; any number a user, each with a name,
 * and narrower than the user's own where that is wanted.  In directory.db's table `app_password`:
 *
 *   id, account, label, hash, protocols, networks, capabilities_off, made, expires, used
 *
 * The secret is random, so its plain hash is all that need be kept; the id stands in front of it and finds the row.
 */
#ifndef STORAGE_APP_PASSWORD_H
#define STORAGE_APP_PASSWORD_H

#include "storage/directory.h"

enum {
	APP_PASSWORD_ID_LEN = 8,
	APP_PASSWORD_HASH_BYTES = 32,
	APP_PASSWORD_LABEL_MAX = 63, /* bytes */
	APP_PASSWORD_NETWORKS_MAX = 500,
	APP_PASSWORD_OFF_MAX = 200,
	APP_PASSWORDS_MAX = 100 /* a user */
};

/* What it may be used for: bits. */
enum { APP_PASSWORD_IMAP = 1, APP_PASSWORD_POP3 = 2, APP_PASSWORD_SIEVE = 4, APP_PASSWORD_ALL = 7 };

struct app_password {
	char id[APP_PASSWORD_ID_LEN + 1];
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	char label[APP_PASSWORD_LABEL_MAX + 1];
	unsigned char hash[APP_PASSWORD_HASH_BYTES];
	unsigned protocols;
	char networks[APP_PASSWORD_NETWORKS_MAX + 1];     /* as server/networks.h reads them; "": from anywhere */
	char capabilities_off[APP_PASSWORD_OFF_MAX + 1];  /* separated by single spaces */
	int64_t made_s, expires_s, used_s;                /* 0: never */
};

/* STORE_EXISTS: the account has one with this label, or somebody has the id; STORE_LIMIT: it has too many. */
MUST_USE enum store_err directory_app_password_add(struct directory *d, const struct app_password *p);
/* STORE_NOTFOUND. */
MUST_USE enum store_err directory_app_password_find(struct directory *d, const char *id, struct app_password *out);
/* Calls `each` for all of an account's, by label. */
MUST_USE enum store_err directory_app_passwords(struct directory *d, const char *account,
						void (*each)(void *ctx, const struct app_password *p), void *ctx);
/* By id or by label; gives the id.  STORE_NOTFOUND. */
MUST_USE enum store_err directory_app_password_remove(struct directory *d, const char *account, const char *which,
						      char out_id[APP_PASSWORD_ID_LEN + 1]);
MUST_USE enum store_err directory_app_password_used(struct directory *d, const char *id, int64_t now_s);
/* All of an account's. */
MUST_USE enum store_err directory_app_passwords_drop(struct directory *d, const char *account);

#endif
