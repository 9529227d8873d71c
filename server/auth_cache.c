#include "server/auth_cache.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <uv.h>

enum { TAG_BYTES = 32, SETS = 1024, WAYS = 4 };

struct entry {
	unsigned char tag[TAG_BYTES];
	char account[DIRECTORY_ACCOUNT_LEN + 1]; /* "" while the place is free */
	uint64_t added_ms;
};

struct auth_cache {
	uv_mutex_t mutex;
	unsigned char key[32];
	uint64_t generation;
	struct entry entries[SETS][WAYS];
};

struct auth_cache *auth_cache_create(void)
{
	struct auth_cache *c = xcalloc(1, sizeof(*c));
	invariant(uv_mutex_init(&c->mutex) == 0);
	invariant(RAND_bytes(c->key, sizeof(c->key)) == 1);
	return c;
}

void auth_cache_destroy(struct auth_cache *c)
{
	if (!c)
		return;
	uv_mutex_destroy(&c->mutex);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

uint64_t auth_cache_generation(struct auth_cache *c)
{
	uv_mutex_lock(&c->mutex);
	uint64_t generation = c->generation;
	uv_mutex_unlock(&c->mutex);
	return generation;
}

/* An address holds no NUL, so the pair is written in one way only. */
static void make_tag(const struct auth_cache *c, const char *address, const char *password, unsigned char out[TAG_BYTES])
{
	size_t address_len = strlen(address) + 1, password_len = strlen(password);
	unsigned char *text = xmalloc(address_len + password_len);
	memcpy(text, address, address_len);
	memcpy(text + address_len, password, password_len);
	invariant(HMAC(EVP_sha256(), c->key, sizeof(c->key), text, address_len + password_len, out, NULL));
	OPENSSL_cleanse(text, address_len + password_len);
	free(text);
}

static struct entry *set_of(struct auth_cache *c, const unsigned char *tag)
{
	return c->entries[((size_t)tag[0] | (size_t)tag[1] << 8) % SETS];
}

bool auth_cache_has(struct auth_cache *c, const char *address, const char *password, uint64_t now_ms,
		    char out_account[DIRECTORY_ACCOUNT_LEN + 1])
{
	unsigned char tag[TAG_BYTES];
	make_tag(c, address, password, tag);
	bool found = false;
	uv_mutex_lock(&c->mutex);
	struct entry *set = set_of(c, tag);
	for (int i = 0; i < WAYS && !found; i++) {
		struct entry *e = &set[i];
		found = e->account[0] && now_ms - e->added_ms < AUTH_CACHE_ENTRY_MS &&
			CRYPTO_memcmp(e->tag, tag, TAG_BYTES) == 0;
		if (found)
			memcpy(out_account, e->account, sizeof(e->account));
	}
	uv_mutex_unlock(&c->mutex);
	return found;
}

void auth_cache_add(struct auth_cache *c, uint64_t generation, const char *address, const char *password,
		    const char *account, uint64_t now_ms)
{
	unsigned char tag[TAG_BYTES];
	make_tag(c, address, password, tag);
	uv_mutex_lock(&c->mutex);
	if (generation == c->generation) {
		struct entry *set = set_of(c, tag), *place = &set[0];
		for (int i = 0; i < WAYS; i++) {
			bool same = set[i].account[0] && CRYPTO_memcmp(set[i].tag, tag, TAG_BYTES) == 0;
			if (same || set[i].added_ms < place->added_ms)
				place = &set[i];
			if (same)
				break;
		}
		memcpy(place->tag, tag, TAG_BYTES);
		snprintf(place->account, sizeof(place->account), "%s", account);
		place->added_ms = now_ms;
	}
	uv_mutex_unlock(&c->mutex);
}

void auth_cache_forget(struct auth_cache *c)
{
	uv_mutex_lock(&c->mutex);
	c->generation++;
	OPENSSL_cleanse(c->entries, sizeof(c->entries));
	uv_mutex_unlock(&c->mutex);
}
