#include "server/tls_peer.h"

#include "server/tls_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>

/* RFC 9266 2: with a context, of no bytes, which in TLS 1.2 differs from none. */
static bool add_exporter(SSL *ssl, struct tls_binding *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	out->name = "tls-exporter";
	out->len = 32;
	return (SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1) &&
	       SSL_export_keying_material(ssl, out->data, out->len, label, sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1;
}

/* RFC 5929 3: the first Finished message; the client's, or in a resumed session the server's.  There is none in TLS 1.3
 * (RFC 8446 C.5). */
static bool add_unique(SSL *ssl, struct tls_binding *out)
{
	if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1)
		return false;
	out->name = "tls-unique";
	out->len = SSL_session_reused(ssl) ? SSL_get_finished(ssl, out->data, sizeof(out->data)) :
					     SSL_get_peer_finished(ssl, out->data, sizeof(out->data));
	return out->len > 0 && out->len <= sizeof(out->data);
}

/* The hash of the certificate that this handshake showed, by the hash of its signature, but SHA-256 for the weak ones
 * (RFC 5929 4.1). */
static bool hash_certificate(const SSL *ssl, struct tls_binding *out)
{
	X509 *x = SSL_get_certificate(ssl);
	int hash = NID_undef;
	unsigned len = 0;
	if (!x || X509_get_signature_info(x, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
		return false;
	const EVP_MD *md = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
	if (!md || X509_digest(x, md, out->data, &len) != 1)
		return false;
	out->len = len;
	return true;
}

/* A resumed session showed none, and the client remembers the one it saw: its ticket has brought the hash along. */
static bool add_end_point(SSL *ssl, struct tls_binding *out)
{
	void *data = NULL;
	size_t len = 0;
	out->name = "tls-server-end-point";
	if (!SSL_session_reused(ssl))
		return hash_certificate(ssl, out);
	if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &data, &len) != 1 || len == 0 || len > sizeof(out->data))
		return false;
	memcpy(out->data, data, len);
	out->len = len;
	return true;
}

/* A ticket is made; one that was made of another keeps what that had. */
static int on_ticket_made(SSL *ssl, void *arg)
{
	struct tls_binding hash;
	(void)arg;
	if (!SSL_session_reused(ssl) && hash_certificate(ssl, &hash))
		return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), hash.data, hash.len);
	return 1;
}

/* OpenSSL's own answers: who has the one callback has to have the other. */
static SSL_TICKET_RETURN on_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
					SSL_TICKET_STATUS status, void *arg)
{
	(void)ssl, (void)session, (void)name, (void)name_len, (void)arg;
	if (status == SSL_TICKET_SUCCESS)
		return SSL_TICKET_RETURN_USE;
	return status == SSL_TICKET_SUCCESS_RENEW ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
}

void tls_peer_prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_read, NULL);
}

void tls_peer_bindings(const struct tls_stream *s, struct tls_bindings *out)
{
	static bool (*const adds[])(SSL *, struct tls_binding *) = {add_exporter, add_unique, add_end_point};
	SSL *ssl = tls_stream_ssl(s);
	out->n = 0;
	ERR_clear_error();
	for (size_t i = 0; i < countof(adds); i++)
		if (adds[i](ssl, &out->each[out->n]))
			out->n++;
	ERR_clear_error();
}

bool tls_peer_is_certified(const struct tls_stream *s)
{
	SSL *ssl = tls_stream_ssl(s);
	const X509 *x = SSL_get0_peer_certificate(ssl);
	/* A resumed session brings the result along, and perhaps from before the end. */
	return x && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) && SSL_get_verify_result(ssl) == X509_V_OK &&
	       X509_cmp_current_time(X509_get0_notAfter(x)) > 0 && !tls_client_is_revoked(ssl);
}

static void add_identity(struct tls_identities *out, const ASN1_STRING *text)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(text);
	int len = ASN1_STRING_length(text);
	if (out->n == TLS_IDENTITIES || len <= 0 || len >= TLS_IDENTITY_BYTES || memchr(bytes, 0, (size_t)len))
		return;
	memcpy(out->each[out->n], bytes, (size_t)len);
	out->each[out->n++][len] = '\0';
}

static void add_subject(struct tls_identities *out, const X509 *x, int nid)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, nid, at)) >= 0;)
		add_identity(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

void tls_peer_identities(const struct tls_stream *s, struct tls_identities *out)
{
	out->n = 0;
	if (!tls_peer_is_certified(s))
		return;
	const X509 *x = SSL_get0_peer_certificate(tls_stream_ssl(s));
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_EMAIL)
			add_identity(out, name->d.rfc822Name);
	}
	GENERAL_NAMES_free(names);
	if (out->n == 0) {
		add_subject(out, x, NID_pkcs9_emailAddress);
		add_subject(out, x, NID_commonName);
	}
}
