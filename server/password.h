/*
 * Passwords and what is kept of them: a crypt(5) hash (yescrypt), and for SCRAM (RFC 5802, 7677) the salt, StoredKey
 * and ServerKey, written as libsasl2's plugin reads them:
 *
 *     SCRAM-SHA-256$10000:base64(salt)$base64(StoredKey):base64(ServerKey)
 *
 * Hashing takes milliseconds by design: on the auth pool's threads only (or where nobody waits).
 */
#ifndef SERVER_PASSWORD_H
#define SERVER_PASSWORD_H

#include "storage/directory.h"

#include <crypt.h>

enum { PASSWORD_MAX = 1024, SCRAM_ITERATIONS_MIN = 4096, SCRAM_ITERATIONS_MAX = 65536 };

struct password_cost {
	int yescrypt;         /* 1..11, doubling: 1 is about 1 ms, 5 about 20 ms */
	int scram_iterations; /* SCRAM_ITERATIONS_MIN.. (RFC 5802 5.1) ..MAX, where libsasl2's clients stop */
};

/* SASLprep (RFC 4013) as far as mail clients need it: NFKC, spaces of other scripts become a space, soft hyphens and
 * joiners vanish; ASCII is left alone.  False when the text is empty, too long, no UTF-8, or holds a control.
 * The same bytes are hashed when a password is set and when it is checked. */
bool password_prepare(const char *text, size_t len, char out[PASSWORD_MAX + 1]);

/* `password` is prepared.  `scratch` is crypt(3)'s memory, 32 KiB, the caller's.  False when the system has no
 * randomness or does not know yescrypt. */
MUST_USE bool password_make(const char *password, const struct password_cost *cost, struct crypt_data *scratch,
			    struct directory_secrets *out);
/* The SCRAM text of `password` (prepared) with this salt, at most 32 bytes; `name` is SCRAM-SHA-1 or SCRAM-SHA-256.
 * `size` is at least that of a directory_secrets text. */
MUST_USE bool password_scram(const char *name, const char *password, const unsigned char *salt, size_t salt_len,
			     int iterations, char *out, size_t size);
/* Whether `password` (prepared) has the hash `hash`; an unknown format is no. */
MUST_USE bool password_verify(const char *password, const char *hash, struct crypt_data *scratch);
/* A setting that makes password_verify() take the time it takes for a real user, and never say yes. */
MUST_USE bool password_make_nobody(const struct password_cost *cost, char *out, size_t size);

/* SCRAM texts for a user that is not there: the same for the same address for as long as `key` lives, of the same
 * shape as a real one, and fitting no password (RFC 5802 has no better answer that does not tell). */
void password_fake_scram(const unsigned char key[DIRECTORY_KEY_BYTES], const char *address, int iterations,
			 struct directory_secrets *out);

#endif
