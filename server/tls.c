/* One SSL_CTX a certificate; the first is the default, SNI picks another by its names (RFC 6066 3). */
#include "server/server.h"

#include "protocol/base.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

struct tls_names {
	SSL_CTX **contexts;
	size_t n;
};

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
	const struct tls_names *names = arg;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	for (size_t i = 0; host && i < names->n; i++) {
		if (X509_check_host(SSL_CTX_get0_certificate(names->contexts[i]), host, strlen(host), 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, names->contexts[i]);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return host ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

SSL_CTX *tls_create(const struct config *config)
{
	struct tls_names *names = xcalloc(1, sizeof(*names));
	names->contexts = xcalloc(config->tls_n, sizeof(SSL_CTX *));
	for (size_t i = 0; i < config->tls_n; i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
		invariant(ctx);
		SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
		SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
		names->contexts[names->n++] = ctx;
		if (SSL_CTX_use_certificate_chain_file(ctx, config->tls[i].certificate) != 1 ||
		    SSL_CTX_use_PrivateKey_file(ctx, config->tls[i].key, SSL_FILETYPE_PEM) != 1) {
			fprintf(stderr, "event=tls_failed certificate=%s error=\"%s\"\n", config->tls[i].certificate,
				ERR_error_string(ERR_get_error(), NULL));
			return NULL;
		}
	}
	SSL_CTX_set_tlsext_servername_callback(names->contexts[0], on_sni);
	SSL_CTX_set_tlsext_servername_arg(names->contexts[0], names);
	SSL_CTX_set_app_data(names->contexts[0], names);
	return names->contexts[0];
}

void tls_destroy(SSL_CTX *ctx)
{
	if (!ctx)
		return;
	struct tls_names *names = SSL_CTX_get_app_data(ctx);
	for (size_t i = names->n; i > 0; i--)
		SSL_CTX_free(names->contexts[i - 1]);
	free(names->contexts);
	free(names);
}
