#include "server/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <utf8proc.h>

enum { SALT_BYTES = 16, SALT_MAX = 32, BASE64_MAX = 4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1 };

/* RFC 3454 B.1: mapped to nothing. */
static bool vanishes(utf8proc_int32_t c)
{
	return c == 0xad || c == 0x34f || c == 0x1806 || (c >= 0x180b && c <= 0x180d) || (c >= 0x200b && c <= 0x200d) ||
	       c == 0x2060 || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff;
}

/* RFC 3454 C.1.2: spaces beyond ASCII, mapped to a space by RFC 4013 2.1. */
static bool is_space(utf8proc_int32_t c)
{
	return c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f || c == 0x3000;
}

static utf8proc_int32_t prepare_char(utf8proc_int32_t c, void *saw_control)
{
	if (c < 0x20 || c == 0x7f || (c >= 0x80 && c <= 0x9f))
		*(bool *)saw_control = true;
	return is_space(c) ? ' ' : c;
}

/* Drops what is mapped to nothing; utf8proc's own UTF8PROC_IGNORE drops more than RFC 4013 asks for. */
static size_t drop_vanishing(const char *text, size_t len, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(len - i), &c);
		if (step <= 0)
			return 0;
		if (!vanishes(c)) {
			memcpy(out + n, text + i, (size_t)step);
			n += (size_t)step;
		}
		i += (size_t)step;
	}
	return n;
}

bool password_prepare(const char *text, size_t len, char out[PASSWORD_MAX + 1])
{
	out[0] = '\0';
	if (len == 0 || len > PASSWORD_MAX)
		return false;
	char kept[PASSWORD_MAX];
	size_t kept_len = drop_vanishing(text, len, kept);
	bool saw_control = false;
	utf8proc_uint8_t *mapped = NULL;
	utf8proc_ssize_t n = utf8proc_map_custom((const utf8proc_uint8_t *)kept, (utf8proc_ssize_t)kept_len, &mapped,
						 UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE, prepare_char,
						 &saw_control);
	bool ok = n > 0 && n <= PASSWORD_MAX && !saw_control;
	if (ok)
		memcpy(out, mapped, (size_t)n + 1);
	if (mapped && n > 0)
		OPENSSL_cleanse(mapped, (size_t)n);
	free(mapped);
	OPENSSL_cleanse(kept, sizeof(kept));
	return ok;
}

static void write_scram(const char *name, int iterations, const unsigned char *salt, size_t salt_len,
			const unsigned char *stored_key, const unsigned char *server_key, size_t key_len, char *out,
			size_t size)
{
	char salt64[BASE64_MAX], stored64[BASE64_MAX], server64[BASE64_MAX];
	invariant(salt_len <= SALT_MAX);
	EVP_EncodeBlock((unsigned char *)salt64, salt, (int)salt_len);
	EVP_EncodeBlock((unsigned char *)stored64, stored_key, (int)key_len);
	EVP_EncodeBlock((unsigned char *)server64, server_key, (int)key_len);
	int n = snprintf(out, size, "%s$%d:%s$%s:%s", name, iterations, salt64, stored64, server64);
	invariant(n > 0 && (size_t)n < size);
}

static bool hmac(const EVP_MD *md, const unsigned char *key, size_t key_len, const char *text, unsigned char *out)
{
	return HMAC(md, key, (int)key_len, (const unsigned char *)text, strlen(text), out, NULL) != NULL;
}

/* RFC 5802 3: SaltedPassword := Hi(password, salt, i), which is PBKDF2 with one block. */
bool password_scram(const char *name, const char *password, const unsigned char *salt, size_t salt_len, int iterations,
		    char *out, size_t size)
{
	const EVP_MD *md = strcmp(name, "SCRAM-SHA-1") == 0 ? EVP_sha1() : EVP_sha256();
	unsigned char salted[EVP_MAX_MD_SIZE], client_key[EVP_MAX_MD_SIZE], stored_key[EVP_MAX_MD_SIZE],
		server_key[EVP_MAX_MD_SIZE];
	size_t len = (size_t)EVP_MD_get_size(md);
	bool ok = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, (int)salt_len, iterations, md, (int)len, salted) == 1 &&
		  hmac(md, salted, len, "Client Key", client_key) && hmac(md, salted, len, "Server Key", server_key) &&
		  EVP_Digest(client_key, len, stored_key, NULL, md, NULL) == 1;
	if (ok)
		write_scram(name, iterations, salt, salt_len, stored_key, server_key, len, out, size);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client_key, sizeof(client_key));
	return ok;
}

static bool make_scram(const char *name, const char *password, int iterations, char *out, size_t size)
{
	unsigned char salt[SALT_BYTES];
	return RAND_bytes(salt, sizeof(salt)) == 1 &&
	       password_scram(name, password, salt, sizeof(salt), iterations, out, size);
}

static bool hash_password(const char *password, int cost, struct crypt_data *scratch, char *out, size_t size)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	if (!crypt_gensalt_rn("$y$", (unsigned long)cost, NULL, 0, setting, sizeof(setting)))
		return false;
	memset(scratch, 0, sizeof(*scratch));
	const char *hash = crypt_r(password, setting, scratch);
	bool ok = hash && hash[0] != '*' && strlen(hash) < size;
	if (ok)
		memcpy(out, hash, strlen(hash) + 1);
	OPENSSL_cleanse(scratch, sizeof(*scratch));
	return ok;
}

bool password_make(const char *password, const struct password_cost *cost, struct crypt_data *scratch,
		   struct directory_secrets *out)
{
	invariant(cost->scram_iterations >= SCRAM_ITERATIONS_MIN && cost->scram_iterations <= SCRAM_ITERATIONS_MAX);
	return hash_password(password, cost->yescrypt, scratch, out->hash, sizeof(out->hash)) &&
	       make_scram("SCRAM-SHA-1", password, cost->scram_iterations, out->scram_sha1, sizeof(out->scram_sha1)) &&
	       make_scram("SCRAM-SHA-256", password, cost->scram_iterations, out->scram_sha256, sizeof(out->scram_sha256));
}

bool password_verify(const char *password, const char *hash, struct crypt_data *scratch)
{
	memset(scratch, 0, sizeof(*scratch));
	const char *got = crypt_r(password, hash, scratch);
	size_t len = strlen(hash);
	bool ok = got && got[0] != '*' && strlen(got) == len && CRYPTO_memcmp(got, hash, len) == 0;
	OPENSSL_cleanse(scratch, sizeof(*scratch));
	return ok;
}

bool password_make_nobody(const struct password_cost *cost, char *out, size_t size)
{
	/* A setting without its hash: crypt(3) does all the work, and the result is never this text. */
	return crypt_gensalt_rn("$y$", (unsigned long)cost->yescrypt, NULL, 0, out, (int)size) != NULL;
}

static void fake_bytes(const unsigned char *key, const char *what, const char *address, unsigned char out[32])
{
	char text[ADDRESS_MAX + 32];
	snprintf(text, sizeof(text), "%s:%s", what, address);
	invariant(hmac(EVP_sha256(), key, DIRECTORY_KEY_BYTES, text, out));
}

void password_fake_scram(const unsigned char key[DIRECTORY_KEY_BYTES], const char *address, int iterations,
			 struct directory_secrets *out)
{
	unsigned char salt1[32], salt256[32], stored[32], server[32];
	fake_bytes(key, "salt-1", address, salt1);
	fake_bytes(key, "salt-256", address, salt256);
	fake_bytes(key, "stored", address, stored);
	fake_bytes(key, "server", address, server);
	write_scram("SCRAM-SHA-1", iterations, salt1, SALT_BYTES, stored, server, 20, out->scram_sha1, sizeof(out->scram_sha1));
	write_scram("SCRAM-SHA-256", iterations, salt256, SALT_BYTES, stored, server, 32, out->scram_sha256, sizeof(out->scram_sha256));
}
