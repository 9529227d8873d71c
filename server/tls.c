/* One SSL_CTX for all: the certificate is set on each connection, when the client has said whom it wants.  So a certificate costs
 * little memory, and a session is resumed whatever certificates came meanwhile. */
#include "server/tls.h"

#include "server/certificates.h"
#include "server/config.h"
#include "server/log.h"
#include "server/revocations.h"
#include "server/tls_private.h"
#include "server/tls_tickets.h"
#include "server/trouble.h"

#include <uv.h>

/* The authorities of one listener's clients. */
struct tls_clients {
	const struct listen_config *listener;
	X509_STORE *store;
	STACK_OF(X509_NAME) *names;
	struct revocations *revocations; /* NULL: no certificate is taken back */
};

struct tls {
	struct tls_clients *clients;
	size_t clients_n;
	struct certificates *certificates;
	SSL_CTX *context;
	BIO_METHOD *method;
	struct tls_tickets *tickets;
};

SSL_CTX *tls_context(struct tls *tls)
{
	return tls->context;
}

BIO_METHOD *tls_method(struct tls *tls)
{
	return tls->method;
}

/* A client that names protocols, but not this one, speaks to the wrong server: it is refused (RFC 7301 3.2), so that
 * nothing it says to another service can be replayed here. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
		   unsigned in_len, void *arg)
{
	static const unsigned char imap[] = "\4imap";
	unsigned char *picked;
	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&picked, out_len, imap, sizeof(imap) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

/* An unknown name gets the standard certificate: the client decides what it thinks of it. */
static int on_certificate_due(SSL *ssl, void *arg)
{
	struct tls *tls = arg;
	return certificates_use(tls->certificates, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), ssl);
}

/* That the name was taken note of is told to the client (RFC 6066 3). */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(struct tls *tls)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	invariant(ctx);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* Of TLS 1.2 only what is still sound; the suite that must be there (RFC 9051 11.1) is among them. */
	invariant(SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
						 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_cert_cb(ctx, on_certificate_due, tls);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	tls_tickets_use(tls->tickets, ctx);
	tls_peer_prepare(ctx);
	return ctx;
}

static bool read_authorities(struct tls *tls, const struct listen_config *listener)
{
	struct tls_clients *c = &tls->clients[tls->clients_n++];
	c->listener = listener;
	c->store = X509_STORE_new();
	invariant(c->store);
	c->names = SSL_load_client_CA_file(listener->client_authorities);
	if (!c->names || X509_STORE_load_file(c->store, listener->client_authorities) != 1) {
		trouble("%s: a PEM file with certificates of authorities is expected", listener->client_authorities);
		return false;
	}
	if (!listener->client_revocations || !*listener->client_revocations)
		return true;
	c->revocations = revocations_create(listener->client_revocations, c->store);
	if (revocations_look(c->revocations))
		return true;
	trouble("%s: lists of revoked certificates of %s are expected", listener->client_revocations, listener->client_authorities);
	return false;
}

void tls_look_at_revocations(void *t)
{
	struct tls *tls = t;
	for (size_t i = 0; i < tls->clients_n; i++)
		if (tls->clients[i].revocations)
			(void)revocations_look(tls->clients[i].revocations);
}

bool tls_client_is_revoked(SSL *ssl)
{
	const struct tls_clients *c = SSL_get_app_data(ssl);
	const X509 *x = SSL_get0_peer_certificate(ssl);
	const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl); /* a resumed session has the client's alone */
	bool revoked = false;
	if (!c || !c->revocations)
		return false;
	for (int i = 0; i < sk_X509_num(chain) && !revoked; i++)
		revoked = revocations_have(c->revocations, sk_X509_value(chain, i));
	return revoked || (x && revocations_have(c->revocations, x));
}

/* Goes on whatever is found: without a good certificate there is no EXTERNAL, and a password is as good. */
static int on_client_verified(int ok, X509_STORE_CTX *ctx)
{
	(void)ok, (void)ctx;
	return 1;
}

void tls_ask_client(const struct tls *tls, const struct listen_config *listener, SSL *ssl)
{
	size_t i = 0;
	while (i < tls->clients_n && tls->clients[i].listener != listener)
		i++;
	if (i == tls->clients_n)
		return;
	/* A session is resumed only where it was made: elsewhere other authorities vouch. */
	unsigned char context[] = {'i', 'm', 'a', 'p', (unsigned char)i};
	invariant(SSL_set_session_id_context(ssl, context, sizeof(context)) == 1);
	invariant(SSL_set1_verify_cert_store(ssl, tls->clients[i].store) == 1);
	SSL_set_client_CA_list(ssl, SSL_dup_CA_list(tls->clients[i].names));
	SSL_set_verify(ssl, SSL_VERIFY_PEER, on_client_verified);
	SSL_set_app_data(ssl, &tls->clients[i]);
}

struct tls *tls_open(const struct config *config)
{
	struct tls *tls = xcalloc(1, sizeof(*tls));
	tls->certificates = certificates_create(config->certificates, config->hostname);
	tls->method = tls_stream_method();
	tls->tickets = tls_tickets_create();
	tls->context = make_context(tls);
	tls->clients = xcalloc(config->listens_n, sizeof(*tls->clients));
	bool ok = true;
	for (size_t i = 0; ok && i < config->listens_n; i++)
		if (config->listens[i].client_authorities && *config->listens[i].client_authorities)
			ok = read_authorities(tls, &config->listens[i]);
	if (!ok) {
		tls_close(tls);
		return NULL;
	}
	uint64_t start_ns = uv_hrtime();
	if (!certificates_scan(tls->certificates)) {
		trouble("%s: no certificate in this directory can be used; a PEM file with a certificate and its chain, and one with "
			"its key are expected", config->certificates);
		tls_close(tls);
		return NULL;
	}
	log_event(LOG_INFO, "certificates", log_number("count", (int64_t)certificates_count(tls->certificates)),
		  log_number("ms", (int64_t)((uv_hrtime() - start_ns) / 1000000)));
	return tls;
}

struct certificates *tls_certificates(struct tls *tls)
{
	return tls->certificates;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	for (size_t i = 0; i < tls->clients_n; i++) {
		X509_STORE_free(tls->clients[i].store);
		revocations_destroy(tls->clients[i].revocations);
		sk_X509_NAME_pop_free(tls->clients[i].names, X509_NAME_free);
	}
	free(tls->clients);
	SSL_CTX_free(tls->context);
	certificates_destroy(tls->certificates);
	BIO_meth_free(tls->method);
	tls_tickets_destroy(tls->tickets);
	free(tls);
}
