/*
 * Passwords that were found right a moment ago.  Webmail logs in at every click; the second time within ENTRY_MS costs
 * one HMAC instead of yescrypt.  What is kept is HMAC-SHA256(random key of this process, address and password): worth
 * nothing outside.  A bounded table of sets: the newest entry of a set takes the place of its oldest.
 *
 * Any thread.  A changed password is forgotten at once: the writer calls auth_cache_forget() after its commit, and a
 * check that read the directory before that commit cannot put its answer in afterwards (the generation has moved).
 */
#ifndef SERVER_AUTH_CACHE_H
#define SERVER_AUTH_CACHE_H

#include "storage/directory.h"

struct auth_cache;

enum { AUTH_CACHE_ENTRY_MS = 60000 };

struct auth_cache *auth_cache_create(void);
void auth_cache_destroy(struct auth_cache *c);

/* To be read before the directory is, and given back to auth_cache_add(). */
uint64_t auth_cache_generation(struct auth_cache *c);
/* Whether this password of this address (normal form) was added less than ENTRY_MS before `now_ms`; then its account. */
bool auth_cache_has(struct auth_cache *c, const char *address, const char *password, uint64_t now_ms,
		    char out_account[DIRECTORY_ACCOUNT_LEN + 1]);
void auth_cache_add(struct auth_cache *c, uint64_t generation, const char *address, const char *password,
		    const char *account, uint64_t now_ms);
/* Everything: changes of the directory are rare, and what is still right is soon back. */
void auth_cache_forget(struct auth_cache *c);

#endif
