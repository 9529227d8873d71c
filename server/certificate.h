/*
 * One certificate with its chain and its private key, and the PEM files (RFC 7468) they are read from.  A file may hold
 * a certificate and the chain up to its authority, a key, or all of them in any order; what else is in it is passed
 * over.  The first certificate of a file is the server's own.
 */
#ifndef SERVER_CERTIFICATE_H
#define SERVER_CERTIFICATE_H

#include "protocol/base.h"

#include <openssl/decoder.h>
#include <openssl/ssl.h>

enum { CERTIFICATE_KEY_ID_BYTES = 32 };

/* What one file holds; all of it owned.  NULL is what it does not hold. */
struct pem_content {
	X509 *leaf;
	STACK_OF(X509) *chain; /* behind the leaf; may be empty */
	EVP_PKEY *key;
};

struct authority;

/* Reads files one after the other, on one thread at a time.  Making ready to decode any kind of key is what costs, so it is done
 * once; and so are the certificates of authorities, of which thousands of files have the same few. */
struct pem_reader {
	OSSL_DECODER_CTX *decoder;
	EVP_PKEY *decoded; /* where the decoder puts a key */
	struct authority *authorities;
};

void pem_reader_init(struct pem_reader *r);
void pem_reader_finish(struct pem_reader *r);
/* Opens, reads and decodes.  NULL; or why not, as a static text, and `out` is empty: an unreadable file, one of more than
 * LIMIT_CERTIFICATE_BYTES, broken PEM, a key behind a passphrase (nobody is asked for one). */
MUST_USE const char *pem_reader_read(struct pem_reader *r, const char *path, struct pem_content *out);
/* Accepts a zeroed struct. */
void pem_content_finish(struct pem_content *c);

/* Names a key pair: equal for a certificate's public key and the private key that belongs to it.  False: the kind of key is
 * not known. */
MUST_USE bool certificate_key_id(EVP_PKEY *key, unsigned char out[CERTIFICATE_KEY_ID_BYTES]);

/* What is shown to clients.  Counted, since the index in use and the next one share most of them; counted by one thread
 * at a time (server/certificates.h). */
struct certificate {
	unsigned refs;
	X509 *leaf;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	int64_t begins_s, ends_s; /* when it is valid, in seconds since 1970 */
	char file[];              /* for the log, and to prefer one of two */
};

/* References to what it is given are taken. */
struct certificate *certificate_create(X509 *leaf, STACK_OF(X509) *chain, EVP_PKEY *key, const char *file);
void certificate_acquire(struct certificate *c);
/* Takes NULL. */
void certificate_release(struct certificate *c);
/* Shows it on this connection (before the certificate is sent).  False: key and
 * certificate do not match, or are too weak for OpenSSL; its queue of errors has the reason. */
MUST_USE bool certificate_use(const struct certificate *c, SSL *ssl);
bool certificate_is_rsa(const struct certificate *c);
/* Calls `each` for every DNS name it is for, in lower case, "*." at the front of a wildcard (RFC 6125 6.4): those of
 * subjectAltName, or else the common name. */
void certificate_each_name(const struct certificate *c, void (*each)(void *ctx, const char *name), void *ctx);

#endif
