/*
 * TLS: the certificates of the server, and one connection's stream between cipher bytes and plain bytes.  The stream
 * does no I/O: what it was given and what it made are buffers of the caller, so that nothing is held for an idle
 * connection but OpenSSL's own state.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include "protocol/buf.h"

struct certificates;
struct config;
struct listen_config;
struct tls;
struct tls_stream;

/* Reads the directory of certificates; the name a client asks for (SNI, RFC 6066 3) picks among them, server/certificates.h says how.
 * Files that cannot be used are logged; NULL, with the reason printed, when there is none that can be. */
struct tls *tls_open(const struct config *config);
/* Takes NULL. */
void tls_close(struct tls *tls);
/* For whoever watches them. */
struct certificates *tls_certificates(struct tls *tls);
/* Reads the lists of revoked client certificates that have changed; of a struct tls.  Any thread, one at a time. */
void tls_look_at_revocations(void *tls);

enum tls_result {
	TLS_GOES_ON,
	TLS_ENDED, /* the peer sent close_notify: nothing more will come */
	TLS_FAILED /* see tls_stream_fault(); an alert may have been written to `net` */
};

/* The server's side of a handshake that has not begun, on a connection of `listener`.  `tls` outlives it. */
struct tls_stream *tls_stream_create(struct tls *tls, const struct listen_config *listener);
void tls_stream_destroy(struct tls_stream *s);
/* Takes all of `cipher`: plain bytes are added to `plain`, what must be sent (handshake, alerts) to `net`. */
MUST_USE enum tls_result tls_stream_read(struct tls_stream *s, struct span cipher, struct buf *plain, struct buf *net);
/* Encrypts all of `plain` into `net`.  Only after the handshake. */
MUST_USE enum tls_result tls_stream_write(struct tls_stream *s, struct span plain, struct buf *net);
/* Adds close_notify to `net`. */
void tls_stream_shutdown(struct tls_stream *s, struct buf *net);
bool tls_stream_is_ready(const struct tls_stream *s);
/* For the log: why it failed (static or owned by the stream); the version and cipher agreed on. */
const char *tls_stream_fault(const struct tls_stream *s);
const char *tls_stream_version(const struct tls_stream *s);
const char *tls_stream_cipher(const struct tls_stream *s);

#endif
