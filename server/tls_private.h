/* What tls.c and tls_stream.c share; nobody else includes it. */
#ifndef SERVER_TLS_PRIVATE_H
#define SERVER_TLS_PRIVATE_H

#include <openssl/ssl.h>

struct tls;

SSL_CTX *tls_context(struct tls *tls);
/* Of the streams' BIO; made once, by tls_stream_method(). */
BIO_METHOD *tls_method(struct tls *tls);
BIO_METHOD *tls_stream_method(void);

#endif
