/* The server's side of TLS against OpenSSL's client, in memory: certificates by name, ALPN, tickets, bytes in pieces. */
#include "server/tls.h"

#include "server/config.h"
#include "tests/unit/make_certificate.h"
#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
	struct scratch_dir dir;
	struct config config;
	struct tls *tls;
	SSL_CTX *client;
};

/* A client's connection and the server's stream, joined by hand. */
struct pair {
	struct tls_stream *server;
	SSL *client;
	BIO *to_client, *from_client;
	struct buf plain, net;
	size_t piece; /* the server gets what came in pieces of so many bytes */
};

static int set_up(void **state)
{
	static const char *const names[] = {"DNS:first.example", "DNS:*.example.org", "DNS:mail.example.org"};
	struct fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->dir);
	for (size_t i = 0; i < 3; i++) {
		char certificate[200], key[200];
		snprintf(certificate, sizeof(certificate), "%s/%zu.pem", f->dir.path, i);
		snprintf(key, sizeof(key), "%s/%zu.key", f->dir.path, i);
		make_certificate(&(struct made_certificate){.names = names[i], .certificate = certificate, .key = key});
	}
	f->config.certificates = f->dir.path;
	f->config.hostname = "elsewhere.example";
	f->tls = tls_open(&f->config);
	assert_non_null(f->tls);
	f->client = SSL_CTX_new(TLS_client_method());
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	SSL_CTX_free(f->client);
	tls_close(f->tls);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

static void pair_init(struct pair *p, struct fixture *f, const char *host, size_t piece)
{
	*p = (struct pair){.server = tls_stream_create(f->tls, NULL), .client = SSL_new(f->client), .piece = piece};
	buf_init(&p->plain, 1 << 24);
	buf_init(&p->net, 1 << 24);
	p->to_client = BIO_new(BIO_s_mem());
	p->from_client = BIO_new(BIO_s_mem());
	SSL_set_bio(p->client, p->to_client, p->from_client);
	SSL_set_connect_state(p->client);
	if (host)
		SSL_set_tlsext_host_name(p->client, host);
}

static void pair_finish(struct pair *p)
{
	tls_stream_destroy(p->server);
	SSL_free(p->client);
	buf_finish(&p->plain);
	buf_finish(&p->net);
}

/* What the server made goes to the client. */
static void send_to_client(struct pair *p)
{
	if (p->net.len)
		assert_int_equal(BIO_write(p->to_client, p->net.data, (int)p->net.len), (int)p->net.len);
	buf_reset(&p->net);
}

/* What the client made goes to the server; its last answer. */
static enum tls_result send_to_server(struct pair *p)
{
	char *data;
	enum tls_result result = TLS_GOES_ON;
	struct span left = span_make("", 0);
	long len = BIO_get_mem_data(p->from_client, &data);
	if (len > 0)
		left = span_make(data, (size_t)len);
	while (left.len && result == TLS_GOES_ON) {
		size_t n = p->piece && p->piece < left.len ? p->piece : left.len;
		result = tls_stream_read(p->server, span_make(left.ptr, n), &p->plain, &p->net);
		left = span_after(left, n);
	}
	(void)BIO_reset(p->from_client);
	send_to_client(p);
	return result;
}

static enum tls_result shake_hands(struct pair *p)
{
	enum tls_result result = TLS_GOES_ON;
	for (int i = 0; i < 10 && result == TLS_GOES_ON; i++) {
		bool client = SSL_do_handshake(p->client) == 1;
		result = send_to_server(p);
		if (client && tls_stream_is_ready(p->server))
			break;
	}
	return result;
}

static void expect_certificate(struct fixture *f, const char *host, const char *name)
{
	struct pair p;
	char cn[100];
	pair_init(&p, f, host, 0);
	assert_int_equal(shake_hands(&p), TLS_GOES_ON);
	X509 *x = SSL_get1_peer_certificate(p.client);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, name);
	X509_free(x);
	pair_finish(&p);
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	expect_certificate(f, NULL, "DNS:first.example");
	expect_certificate(f, "unknown.example", "DNS:first.example");
	expect_certificate(f, "any.example.org", "DNS:*.example.org");
	expect_certificate(f, "MAIL.example.org", "DNS:mail.example.org"); /* itself before a wildcard */
	expect_certificate(f, "a.b.example.org", "DNS:first.example");
}

/* Bytes in pieces of every small size, both ways; then the end. */
static void test_pieces(void **state)
{
	struct fixture *f = *state;
	for (size_t piece = 1; piece < 40; piece += 6) {
		struct pair p;
		char text[100000], got[100000];
		size_t n = 0, total = 0;
		pair_init(&p, f, NULL, piece);
		assert_int_equal(shake_hands(&p), TLS_GOES_ON);
		assert_string_equal(tls_stream_version(p.server), "TLSv1.3");
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)(i * 31 >> 3);
		assert_int_equal(SSL_write(p.client, text, sizeof(text)), (int)sizeof(text));
		assert_int_equal(send_to_server(&p), TLS_GOES_ON);
		assert_int_equal(p.plain.len, sizeof(text));
		assert_memory_equal(p.plain.data, text, sizeof(text));
		assert_int_equal(tls_stream_write(p.server, buf_span(&p.plain), &p.net), TLS_GOES_ON);
		tls_stream_shutdown(p.server, &p.net);
		send_to_client(&p);
		while (total < sizeof(got) && SSL_read_ex(p.client, got + total, sizeof(got) - total, &n) == 1)
			total += n;
		assert_int_equal(total, sizeof(text));
		assert_memory_equal(got, text, sizeof(text));
		assert_int_equal(SSL_get_error(p.client, SSL_read(p.client, got, 1)), SSL_ERROR_ZERO_RETURN);
		SSL_shutdown(p.client);
		assert_int_equal(send_to_server(&p), TLS_ENDED);
		pair_finish(&p);
	}
}

static enum tls_result offer(struct fixture *f, const char *protocols, const char **picked, unsigned *picked_len)
{
	static struct pair p;
	pair_init(&p, f, NULL, 0);
	assert_int_equal(SSL_set_alpn_protos(p.client, (const unsigned char *)protocols, (unsigned)strlen(protocols)), 0);
	enum tls_result result = shake_hands(&p);
	SSL_get0_alpn_selected(p.client, (const unsigned char **)picked, picked_len);
	if (*picked_len)
		assert_memory_equal(*picked, "imap", 4);
	pair_finish(&p);
	return result;
}

static void test_alpn(void **state)
{
	struct fixture *f = *state;
	const char *picked = NULL;
	unsigned len = 0;
	assert_int_equal(offer(f, "\4imap", &picked, &len), TLS_GOES_ON);
	assert_int_equal(len, 4);
	assert_int_equal(offer(f, "\2h2\4imap", &picked, &len), TLS_GOES_ON);
	assert_int_equal(len, 4);
	assert_int_equal(offer(f, "\10http/1.1", &picked, &len), TLS_FAILED);
}

static void resume(struct fixture *f, int version)
{
	struct pair p;
	char byte;
	SSL_CTX_set_max_proto_version(f->client, version);
	pair_init(&p, f, NULL, 0);
	assert_int_equal(shake_hands(&p), TLS_GOES_ON);
	assert_int_equal(SSL_read(p.client, &byte, 1), -1); /* takes the tickets in */
	SSL_SESSION *session = SSL_get1_session(p.client);
	assert_true(SSL_SESSION_has_ticket(session));
	SSL_shutdown(p.client);
	pair_finish(&p);
	pair_init(&p, f, NULL, 0);
	SSL_set_session(p.client, session);
	assert_int_equal(shake_hands(&p), TLS_GOES_ON);
	assert_true(SSL_session_reused(p.client));
	SSL_SESSION_free(session);
	pair_finish(&p);
}

static void test_tickets(void **state)
{
	resume(*state, TLS1_3_VERSION);
	resume(*state, TLS1_2_VERSION);
}

static void test_old_and_broken(void **state)
{
	struct fixture *f = *state;
	struct pair p;
	pair_init(&p, f, NULL, 0);
	SSL_set_min_proto_version(p.client, TLS1_1_VERSION);
	SSL_set_max_proto_version(p.client, TLS1_1_VERSION);
	SSL_set_security_level(p.client, 0);
	assert_int_equal(shake_hands(&p), TLS_FAILED);
	assert_true(tls_stream_fault(p.server)[0] != '\0');
	pair_finish(&p);
	pair_init(&p, f, NULL, 0);
	assert_int_equal(tls_stream_read(p.server, span_of("a1 LOGIN in the clear\r\n"), &p.plain, &p.net), TLS_FAILED);
	assert_int_equal(p.plain.len, 0);
	pair_finish(&p);
}

/* TLS 1.2 with the suite that must be there (RFC 9051 11.1), where the key is of RSA; here with its ECDSA sister. */
static void test_tls12(void **state)
{
	struct fixture *f = *state;
	struct pair p;
	pair_init(&p, f, NULL, 0);
	SSL_set_max_proto_version(p.client, TLS1_2_VERSION);
	assert_int_equal(SSL_set_cipher_list(p.client, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
	assert_int_equal(shake_hands(&p), TLS_GOES_ON);
	assert_string_equal(tls_stream_version(p.server), "TLSv1.2");
	assert_string_equal(tls_stream_cipher(p.server), "ECDHE-ECDSA-AES128-GCM-SHA256");
	pair_finish(&p);
}

/* Nothing to show is nothing to start with; what else there is to certificates is in certificates_test.c. */
static void test_no_certificate(void **state)
{
	struct scratch_dir dir;
	struct config config = {.certificates = "/nonexistent", .hostname = "x"};
	(void)state;
	assert_null(tls_open(&config));
	scratch_dir_create(&dir);
	config.certificates = dir.path;
	assert_null(tls_open(&config));
	scratch_dir_destroy(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alpn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tickets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_and_broken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tls12, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_certificate, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
