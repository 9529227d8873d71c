#include "server/auth.h"

#include "storage/directory.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

bool auth_base64(struct span in, char *out, size_t size, size_t *len)
{
	*len = 0;
	out[0] = '\0';
	if (in.len % 4 || in.len / 4 * 3 + 1 > size || in.len > 4096)
		return false;
	int n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)in.ptr, (int)in.len);
	if (n < 0)
		return false;
	*len = (size_t)n;
	for (size_t i = in.len; i > 0 && in.ptr[i - 1] == '=' && *len; i--)
		--*len;
	out[*len] = '\0';
	return true;
}

bool auth_hash(const char *password, bool cheap, char *out, size_t size)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data data = {0};
	if (!crypt_gensalt_rn(cheap ? "$5$" : "$y$", cheap ? 1000 : 0, NULL, 0, setting, sizeof(setting)))
		return false;
	const char *hash = crypt_r(password, setting, &data);
	if (!hash || hash[0] == '*')
		return false;
	snprintf(out, size, "%s", hash);
	return true;
}

/* The same work for an unknown user as for a wrong password. */
enum op_result auth_login_run(struct op *op, struct account *account)
{
	static const char nobody[] = "$5$rounds=1000$roostroost$0000000000000000000000000000000000000000000";
	struct command *c = container_of(op, struct command, op);
	struct directory_user user = {.hash = ""};
	(void)account;
	bool known = !memchr(c->request.login.user.ptr, 0, c->request.login.user.len) &&
		     directory_user_find(op->directory, c->request.login.user.ptr, &user) == STORE_OK;
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *want = known ? user.hash : nobody;
	const char *hash = crypt_r(c->request.login.password.ptr, want, data);
	c->login_ok = hash && known && strlen(hash) == strlen(want) && CRYPTO_memcmp(hash, want, strlen(want)) == 0;
	free(data);
	snprintf(c->account, sizeof(c->account), "%s", user.account);
	snprintf(c->address, sizeof(c->address), "%s", c->request.login.user.ptr);
	return OP_DONE;
}
