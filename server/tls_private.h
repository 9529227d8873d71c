/* What tls.c and tls_stream.c share; nobody else includes it. */
#ifndef SERVER_TLS_PRIVATE_H
#define SERVER_TLS_PRIVATE_H

#include <openssl/ssl.h>

struct listen_config;
struct tls;
struct tls_stream;

SSL_CTX *tls_context(struct tls *tls);
/* Of the streams' BIO; made once, by tls_stream_method(). */
BIO_METHOD *tls_method(struct tls *tls);
BIO_METHOD *tls_stream_method(void);

SSL *tls_stream_ssl(const struct tls_stream *s);
/* Asks the client for a certificate where the listener says so; `ssl` is new. */
void tls_ask_client(const struct tls *tls, const struct listen_config *listener, SSL *ssl);

/* The client's certificate, or one that vouches for it, was taken back by its authority. */
bool tls_client_is_revoked(SSL *ssl);

/* tls_peer.c: has tickets remember which certificate was shown. */
void tls_peer_prepare(SSL_CTX *ctx);

#endif
