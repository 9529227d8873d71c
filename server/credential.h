/*
 * What a session has logged in with: the user's own password, or an app password (storage/app_password.h).
 *
 * An app password is made here, never chosen: ID-SECRET, eight characters that find it and 26 that are 128 random bits, in
 * the lower-case alphabet of RFC 4648 6.  SHA-256 is what is kept: nobody guesses 128 bits, so a slow hash would buy nothing.
 */
#ifndef SERVER_CREDENTIAL_H
#define SERVER_CREDENTIAL_H

#include "storage/app_password.h"

struct accounts;

enum { CREDENTIAL_SECRET_LEN = 26, CREDENTIAL_TEXT_LEN = APP_PASSWORD_ID_LEN + 1 + CREDENTIAL_SECRET_LEN };

/* All of it "": the user's own password, or none. */
struct credential {
	char id[APP_PASSWORD_ID_LEN + 1];
	char label[APP_PASSWORD_LABEL_MAX + 1];
	char capabilities_off[APP_PASSWORD_OFF_MAX + 1];
	int64_t used_s; /* as the directory has it */
};

/* Where it is shown: it may be good for some places only. */
struct credential_use {
	unsigned protocol;  /* APP_PASSWORD_* */
	const char *remote; /* an address, or "local" */
	int64_t now_s;
};

/* Fills in id and hash; `text` is the password, which is nowhere else.  False: the system has no randomness. */
MUST_USE bool credential_make(struct app_password *p, char text[CREDENTIAL_TEXT_LEN + 1]);
/* What is not of this shape is none. */
bool credential_has_shape(const char *password, size_t len);
/* Whether `password` is an app password of that account, and may be used so: then `out` says which.  STORE_CANNOT: it was
 * one, and has expired.  Anything else, STORE_NOTFOUND included, is for the caller to go on with as with any password. */
MUST_USE enum store_err credential_check(struct directory *d, const char *password, const char *account,
					 const struct credential_use *use, struct credential *out);
/* Writes down when it was used last, when that has not been done within LIMIT_CREDENTIAL_USED_S.  On a loop. */
void credential_note_use(struct accounts *accounts, const struct credential *c, int64_t now_s);

/* "imap,pop3" as bits, and back. */
enum { CREDENTIAL_PROTOCOLS_MAX = 32 };
MUST_USE bool credential_protocols_parse(const char *text, unsigned *out);
void credential_protocols_write(unsigned protocols, char out[CREDENTIAL_PROTOCOLS_MAX]);

#endif
