/* One SSL_CTX a certificate; the first is the default, SNI picks another by its names (RFC 6066 3).  All are set before
 * the loops start and only read afterwards. */
#include "server/tls.h"

#include "server/config.h"
#include "server/log.h"
#include "server/tls_private.h"
#include "server/tls_tickets.h"
#include "server/trouble.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

struct tls {
	SSL_CTX **contexts;
	size_t n;
	BIO_METHOD *method;
	struct tls_tickets *tickets;
};

SSL_CTX *tls_default_context(struct tls *tls)
{
	return tls->contexts[0];
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

/* The context whose certificate names the host, itself or else by a wildcard; NULL: none does. */
static SSL_CTX *context_for(const struct tls *tls, const char *host)
{
	static const unsigned ways[] = {X509_CHECK_FLAG_NO_WILDCARDS, 0};
	for (size_t way = 0; way < countof(ways); way++)
		for (size_t i = 0; i < tls->n; i++)
			if (X509_check_host(SSL_CTX_get0_certificate(tls->contexts[i]), host, strlen(host), ways[way],
					    NULL) == 1)
				return tls->contexts[i];
	return NULL;
}

/* An unknown name gets the first certificate: the client decides what it thinks of it. */
static int on_sni(SSL *ssl, int *alert, void *arg)
{
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;
	if (!host)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_CTX *ctx = context_for(arg, host);
	if (ctx)
		SSL_set_SSL_CTX(ssl, ctx);
	return SSL_TLSEXT_ERR_OK;
}

/* The file cannot be read, or what is in it is not what is expected. */
static void report(const char *path, const char *expected)
{
	unsigned long error = ERR_peek_error(); /* the oldest is the cause */
	if (ERR_SYSTEM_ERROR(error))
		trouble_errno(path, ERR_GET_REASON(error));
	else
		trouble("%s: %s; a PEM file with %s is expected", path, ERR_reason_error_string(error), expected);
}

static SSL_CTX *make_context(const struct tls_config *config)
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
	ERR_clear_error();
	bool has_certificate = SSL_CTX_use_certificate_chain_file(ctx, config->certificate) == 1;
	/* A key of another type than the certificate's is taken, for a certificate to come: the check finds that. */
	if (has_certificate && SSL_CTX_use_PrivateKey_file(ctx, config->key, SSL_FILETYPE_PEM) == 1 &&
	    SSL_CTX_check_private_key(ctx) == 1)
		return ctx;
	report(has_certificate ? config->key : config->certificate,
	       has_certificate ? "the private key of the certificate" : "a certificate and its chain");
	SSL_CTX_free(ctx);
	return NULL;
}

struct tls *tls_open(const struct config *config)
{
	struct tls *tls = xcalloc(1, sizeof(*tls));
	tls->contexts = xcalloc(config->tls_n, sizeof(*tls->contexts));
	tls->method = tls_stream_method();
	tls->tickets = tls_tickets_create();
	for (size_t i = 0; i < config->tls_n; i++) {
		SSL_CTX *ctx = make_context(&config->tls[i]);
		if (!ctx) {
			tls_close(tls);
			return NULL;
		}
		tls_tickets_use(tls->tickets, ctx);
		tls->contexts[tls->n++] = ctx;
	}
	SSL_CTX_set_tlsext_servername_callback(tls->contexts[0], on_sni);
	SSL_CTX_set_tlsext_servername_arg(tls->contexts[0], tls);
	return tls;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	for (size_t i = 0; i < tls->n; i++)
		SSL_CTX_free(tls->contexts[i]);
	BIO_meth_free(tls->method);
	tls_tickets_destroy(tls->tickets);
	free(tls->contexts);
	free(tls);
}
