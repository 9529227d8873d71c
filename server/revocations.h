/*
 * Lists of certificates that their authorities have taken back (RFC 5280 5), in one file: PEM, any number of lists, or one as DER.
 * A list counts when it is signed by an authority that is known.  An authority without a list takes back nothing; one whose lists
 * are all past their time (nextUpdate) is believed nothing until a newer one is there.
 *
 * Any thread; one at a time looks.
 */
#ifndef SERVER_REVOCATIONS_H
#define SERVER_REVOCATIONS_H

#include "protocol/base.h"

#include <openssl/x509.h>

struct revocations;

/* Nothing is read yet.  `path` outlives it; of `authorities` the certificates are kept. */
struct revocations *revocations_create(const char *path, X509_STORE *authorities);
/* Takes NULL. */
void revocations_destroy(struct revocations *r);
/* Reads the file, if it changed.  False: it cannot be used, which is logged; what it said before goes on to hold. */
bool revocations_look(struct revocations *r);
/* This certificate is not to be trusted. */
MUST_USE bool revocations_have(struct revocations *r, const X509 *x);

#endif
