/*
 * A BIO of our own stands between OpenSSL and the caller's buffers: reading takes from the bytes of this call, writing
 * adds to the buffer of this call.  OpenSSL keeps a partial record itself, so that after each call no cipher byte is
 * left over.
 */
#include "server/tls.h"
#include "server/tls_private.h"

#include <openssl/bio.h>
#include <openssl/err.h>

enum { READ_BYTES = 16384 };

struct tls_stream {
	SSL *ssl;
	struct span in;  /* during a call */
	struct buf *net; /* during a call */
	char fault[120];
};

static int on_bio_read(BIO *bio, char *to, size_t max, size_t *did)
{
	struct tls_stream *s = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	*did = s->in.len < max ? s->in.len : max;
	if (*did == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(to, s->in.ptr, *did);
	s->in = span_after(s->in, *did);
	return 1;
}

static int on_bio_write(BIO *bio, const char *from, size_t len, size_t *did)
{
	struct tls_stream *s = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	invariant(s->net);
	buf_add(s->net, from, len);
	*did = len;
	return !s->net->failed;
}

static long on_bio_ctrl(BIO *bio, int cmd, long larg, void *parg)
{
	(void)bio, (void)larg, (void)parg;
	return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_stream_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "roost stream");
	invariant(m && BIO_meth_set_read_ex(m, on_bio_read) && BIO_meth_set_write_ex(m, on_bio_write) &&
		  BIO_meth_set_ctrl(m, on_bio_ctrl));
	return m;
}

struct tls_stream *tls_stream_create(struct tls *tls, const struct listen_config *listener)
{
	struct tls_stream *s = xcalloc(1, sizeof(*s));
	s->ssl = SSL_new(tls_context(tls));
	BIO *bio = BIO_new(tls_method(tls));
	invariant(s->ssl && bio);
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_accept_state(s->ssl);
	tls_ask_client(tls, listener, s->ssl);
	return s;
}

SSL *tls_stream_ssl(const struct tls_stream *s)
{
	return s->ssl;
}

void tls_stream_destroy(struct tls_stream *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	free(s);
}

static enum tls_result outcome(struct tls_stream *s, int rc)
{
	int why = SSL_get_error(s->ssl, rc);
	if (why == SSL_ERROR_WANT_READ)
		return TLS_GOES_ON;
	if (why == SSL_ERROR_ZERO_RETURN)
		return TLS_ENDED;
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	snprintf(s->fault, sizeof(s->fault), "%s", reason ? reason : "the peer broke the protocol");
	ERR_clear_error();
	return TLS_FAILED;
}

enum tls_result tls_stream_read(struct tls_stream *s, struct span cipher, struct buf *plain, struct buf *net)
{
	s->in = cipher;
	s->net = net;
	ERR_clear_error();
	enum tls_result result = TLS_GOES_ON;
	for (;;) {
		char *to = buf_reserve(plain, READ_BYTES);
		if (!to) {
			snprintf(s->fault, sizeof(s->fault), "the input is full");
			result = TLS_FAILED;
			break;
		}
		size_t did = 0;
		int rc = SSL_read_ex(s->ssl, to, READ_BYTES, &did);
		plain->len += did;
		if (rc <= 0) {
			result = outcome(s, rc);
			break;
		}
	}
	invariant(s->in.len == 0 || result != TLS_GOES_ON);
	s->net = NULL;
	return result;
}

enum tls_result tls_stream_write(struct tls_stream *s, struct span plain, struct buf *net)
{
	invariant(SSL_is_init_finished(s->ssl));
	s->in = span_make("", 0);
	s->net = net;
	ERR_clear_error();
	enum tls_result result = TLS_GOES_ON;
	size_t did = 0;
	if (plain.len && SSL_write_ex(s->ssl, plain.ptr, plain.len, &did) <= 0) {
		result = outcome(s, 0);
		if (result == TLS_GOES_ON)
			result = TLS_FAILED; /* our BIO takes everything, and there is no renegotiation to wait for */
	}
	s->net = NULL;
	return result;
}

void tls_stream_shutdown(struct tls_stream *s, struct buf *net)
{
	if (!SSL_is_init_finished(s->ssl) || (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN))
		return;
	s->in = span_make("", 0);
	s->net = net;
	ERR_clear_error();
	SSL_shutdown(s->ssl);
	ERR_clear_error();
	s->net = NULL;
}

bool tls_stream_is_ready(const struct tls_stream *s)
{
	return SSL_is_init_finished(s->ssl);
}

const char *tls_stream_fault(const struct tls_stream *s)
{
	return s->fault;
}

const char *tls_stream_version(const struct tls_stream *s)
{
	return SSL_get_version(s->ssl);
}

const char *tls_stream_cipher(const struct tls_stream *s)
{
	return SSL_get_cipher_name(s->ssl);
}
