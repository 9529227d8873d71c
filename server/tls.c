/* One SSL_CTX a certificate; the first is the default, SNI picks another by its names (RFC 6066 3). */
#include "server/tls.h"

#include "server/config.h"
#include "server/log.h"
#include "server/tls_private.h"
#include "server/trouble.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

struct tls {
	SSL_CTX **contexts;
	size_t n;
	BIO_METHOD *method;
};

SSL_CTX *tls_default_context(struct tls *tls)
{
	return tls->contexts[0];
}

BIO_METHOD *tls_method(struct tls *tls)
{
	return tls->method;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
		   unsigned in_len, void *arg)
{
	(void)ssl, (void)arg;
	static const unsigned char imap[] = "\4imap";
	unsigned char *picked;
	if (SSL_select_next_proto(&picked, out_len, imap, 5, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

static int on_sni(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	const struct tls *tls = arg;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	for (size_t i = 0; host && i < tls->n; i++) {
		if (X509_check_host(SSL_CTX_get0_certificate(tls->contexts[i]), host, strlen(host), 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, tls->contexts[i]);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return host ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
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
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
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
	for (size_t i = 0; i < config->tls_n; i++) {
		SSL_CTX *ctx = make_context(&config->tls[i]);
		if (!ctx) {
			tls_close(tls);
			return NULL;
		}
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
	free(tls->contexts);
	free(tls);
}
