/*
 * Which certificate is for which name: a hash from DNS names to certificates, made in one go and only read afterwards.
 * A name asked for is looked up as it is, then with its first label as a wildcard (RFC 6125 6.4.3); whatever the number
 * of domains, a handshake costs two look-ups.
 *
 * Two certificates for one name: a valid one before one that is not, then the one issued later, then the longer chain,
 * then the first by file name.  One of RSA and one of another kind are both shown, and the client's hello decides.
 */
#ifndef SERVER_CERTIFICATE_INDEX_H
#define SERVER_CERTIFICATE_INDEX_H

#include "server/certificate.h"

struct certificate_index;

struct certificate_index *certificate_index_create(void);
/* Takes NULL. */
void certificate_index_destroy(struct certificate_index *index);
/* `now_s`: for which of them are valid. */
void certificate_index_add(struct certificate_index *index, struct certificate *c, int64_t now_s);
/* Clients that name nobody, or somebody unknown, are shown the certificate of `host`; if there is none, the first that was
 * added. */
void certificate_index_set_default(struct certificate_index *index, const char *host);
/* How many were added. */
size_t certificate_index_count(const struct certificate_index *index);

/* Any thread, while nobody adds: shows what is for `host` (NULL: none was named).  False when that cannot be. */
MUST_USE bool certificate_index_use(const struct certificate_index *index, const char *host, SSL *ssl);

#endif
