#include "server/tls_tickets.h"

#include "protocol/base.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <uv.h>

enum { NAME_BYTES = 16, CIPHER_BYTES = 32, MAC_BYTES = 32 };

struct ticket_key {
	unsigned char name[NAME_BYTES], cipher[CIPHER_BYTES], mac[MAC_BYTES];
	uint64_t born_s;
};

struct tls_tickets {
	uv_mutex_t mutex;
	struct ticket_key keys[TICKET_KEYS]; /* newest first */
	size_t n;
};

static uint64_t now_s(void)
{
	return uv_hrtime() / 1000000000;
}

/* Called with the mutex held. */
static void rotate(struct tls_tickets *t)
{
	if (t->n && now_s() - t->keys[0].born_s < TICKET_ROTATE_S)
		return;
	for (size_t i = TICKET_KEYS - 1; i > 0; i--)
		t->keys[i] = t->keys[i - 1];
	if (t->n < TICKET_KEYS)
		t->n++;
	struct ticket_key *key = &t->keys[0];
	invariant(RAND_bytes(key->name, NAME_BYTES) == 1 && RAND_bytes(key->cipher, CIPHER_BYTES) == 1 &&
		  RAND_bytes(key->mac, MAC_BYTES) == 1);
	key->born_s = now_s();
}

/* The key to seal with, or the one of that name; its index, or -1. */
static int choose_key(struct tls_tickets *t, const unsigned char *name, struct ticket_key *out)
{
	int found = -1;
	uv_mutex_lock(&t->mutex);
	rotate(t);
	for (size_t i = 0; i < t->n && found < 0; i++)
		if (!name || memcmp(t->keys[i].name, name, NAME_BYTES) == 0)
			found = (int)i;
	if (found >= 0)
		*out = t->keys[found];
	uv_mutex_unlock(&t->mutex);
	return found;
}

static bool start_cipher(EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, struct ticket_key *key, const unsigned char *iv,
			 int seals)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, MAC_BYTES),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"sha256"}, 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seals) == 1;
}

/* OpenSSL asks: 1 goes on, 2 goes on and the client gets a new ticket, 0 a full handshake, -1 the handshake fails. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		     int seals)
{
	struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key key;
	int found = choose_key(t, seals ? NULL : name, &key);
	if (found < 0)
		return 0;
	int answer = found == 0 ? 1 : 2;
	if (seals) {
		memcpy(name, key.name, NAME_BYTES);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			answer = -1;
	}
	if (answer > 0 && !start_cipher(cipher, mac, &key, iv, seals))
		answer = -1;
	OPENSSL_cleanse(&key, sizeof(key));
	return answer;
}

struct tls_tickets *tls_tickets_create(void)
{
	struct tls_tickets *t = xcalloc(1, sizeof(*t));
	invariant(uv_mutex_init(&t->mutex) == 0);
	return t;
}

void tls_tickets_destroy(struct tls_tickets *t)
{
	if (!t)
		return;
	uv_mutex_destroy(&t->mutex);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

void tls_tickets_use(struct tls_tickets *t, SSL_CTX *ctx)
{
	static const unsigned char context[] = "imap";
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1);
	SSL_CTX_set_timeout(ctx, TICKET_LIFE_S);
}
