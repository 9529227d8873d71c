/*
 * What a login can take from the TLS connection it comes over: channel bindings, which tie a SCRAM exchange to this very connection
 * (RFC 5802 6, RFC 5929, RFC 9266), and who the client's certificate says it is (RFC 4422 Appendix A).  On the loop; what is
 * returned is a copy.
 */
#ifndef SERVER_TLS_PEER_H
#define SERVER_TLS_PEER_H

#include "server/tls.h"

enum { TLS_BINDINGS = 3, TLS_BINDING_BYTES = 64, TLS_IDENTITIES = 4, TLS_IDENTITY_BYTES = 320 };

struct tls_binding {
	const char *name; /* static: "tls-exporter", "tls-unique", "tls-server-end-point" */
	size_t len;
	unsigned char data[TLS_BINDING_BYTES];
};

/* Those there are for this connection, `n` of them.  tls-unique and tls-exporter need, in TLS 1.2, the extended master secret
 * (RFC 7627): without it two connections can be made to have the same. */
struct tls_bindings {
	size_t n;
	struct tls_binding each[TLS_BINDINGS];
};

void tls_peer_bindings(const struct tls_stream *s, struct tls_bindings *out);

/* The client has shown a certificate of the listener's authorities, and it is still valid. */
bool tls_peer_is_certified(const struct tls_stream *s);

/* Whom the certificate names: the mail addresses of subjectAltName, or else those of the subject and its common name.  As they are
 * written there, nothing that contains a NUL, the first TLS_IDENTITIES of them. */
struct tls_identities {
	size_t n;
	char each[TLS_IDENTITIES][TLS_IDENTITY_BYTES];
};

void tls_peer_identities(const struct tls_stream *s, struct tls_identities *out);

#endif
