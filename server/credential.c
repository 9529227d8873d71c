#include "server/credential.h"

#include "server/accounts.h"
#include "server/lane.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/networks.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

/* Five bits a character; what is left over of the last one is zero. */
static void write_base32(const unsigned char *bytes, size_t n, char *out)
{
	unsigned held = 0, bits = 0;
	for (size_t i = 0; i < n; i++) {
		held = held << 8 | bytes[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = alphabet[held >> (bits - 5) & 31];
		held &= (1u << bits) - 1;
	}
	if (bits)
		*out++ = alphabet[held << (5 - bits) & 31];
	*out = '\0';
}

static bool hash(const char *text, unsigned char out[APP_PASSWORD_HASH_BYTES])
{
	return EVP_Digest(text, CREDENTIAL_TEXT_LEN, out, NULL, EVP_sha256(), NULL) == 1;
}

bool credential_make(struct app_password *p, char text[CREDENTIAL_TEXT_LEN + 1])
{
	unsigned char id[5], secret[16];
	if (RAND_bytes(id, sizeof(id)) != 1 || RAND_bytes(secret, sizeof(secret)) != 1)
		return false;
	write_base32(id, sizeof(id), p->id);
	memcpy(text, p->id, APP_PASSWORD_ID_LEN);
	text[APP_PASSWORD_ID_LEN] = '-';
	write_base32(secret, sizeof(secret), text + APP_PASSWORD_ID_LEN + 1);
	OPENSSL_cleanse(secret, sizeof(secret));
	return hash(text, p->hash);
}

bool credential_has_shape(const char *password, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (i == APP_PASSWORD_ID_LEN ? password[i] != '-' : !password[i] || !strchr(alphabet, password[i]))
			return false;
	return len == CREDENTIAL_TEXT_LEN;
}

static bool may_be_used(const struct app_password *p, const struct credential_use *use)
{
	struct networks from;
	struct network_address address;
	if (!(p->protocols & use->protocol))
		return false;
	return !*p->networks || (networks_parse(p->networks, &from, NULL) && network_address_parse(use->remote, &address) &&
				 networks_have(&from, &address));
}

enum store_err credential_check(struct directory *d, const char *password, const char *account,
				const struct credential_use *use, struct credential *out)
{
	struct app_password p;
	unsigned char digest[APP_PASSWORD_HASH_BYTES];
	char id[APP_PASSWORD_ID_LEN + 1];
	if (!credential_has_shape(password, strlen(password)))
		return STORE_NOTFOUND;
	snprintf(id, sizeof(id), "%s", password);
	enum store_err err = directory_app_password_find(d, id, &p);
	if (err)
		return err;
	bool right = hash(password, digest) && CRYPTO_memcmp(digest, p.hash, sizeof(digest)) == 0 &&
		     strcmp(p.account, account) == 0 && may_be_used(&p, use);
	if (!right)
		return STORE_NOTFOUND;
	if (p.expires_s && use->now_s >= p.expires_s)
		return STORE_CANNOT;
	*out = (struct credential){.used_s = p.used_s};
	memcpy(out->id, p.id, sizeof(out->id));
	memcpy(out->label, p.label, sizeof(out->label));
	memcpy(out->capabilities_off, p.capabilities_off, sizeof(out->capabilities_off));
	return STORE_OK;
}

/* ---- its last use ---- */

struct use_op {
	struct op op;
	char id[APP_PASSWORD_ID_LEN + 1];
	int64_t now_s;
};

static enum op_result use_run(struct op *op, struct account *account)
{
	struct use_op *u = container_of(op, struct use_op, op);
	struct directory *d = op->directory;
	(void)account;
	enum store_err err = directory_begin(d);
	if (!err) {
		err = directory_app_password_used(d, u->id, u->now_s);
		enum store_err end = directory_end(d, !err);
		err = err ? err : end;
	}
	if (err)
		log_event(LOG_WARNING, "credential_use_not_kept", log_text("credential", u->id),
			  log_text("error", accounts_error_name(err)));
	return OP_DONE;
}

static void use_done(struct op *op, struct conn *conn)
{
	struct use_op *u = container_of(op, struct use_op, op);
	(void)conn;
	op_finish(op);
	free(u);
}

void credential_note_use(struct accounts *accounts, const struct credential *c, int64_t now_s)
{
	if (!c->id[0] || (now_s - c->used_s < LIMIT_CREDENTIAL_USED_S && now_s >= c->used_s))
		return;
	struct use_op *u = xcalloc(1, sizeof(*u));
	op_init(&u->op, "credential use", use_run, use_done);
	u->op.background = true;
	memcpy(u->id, c->id, sizeof(u->id));
	u->now_s = now_s;
	lane_submit(accounts_directory(accounts), &u->op);
}

/* ---- protocols ---- */

static const struct {
	const char *name;
	unsigned bit;
} protocols_known[] = {{"imap", APP_PASSWORD_IMAP}, {"pop3", APP_PASSWORD_POP3}, {"sieve", APP_PASSWORD_SIEVE}};

bool credential_protocols_parse(const char *text, unsigned *out)
{
	*out = 0;
	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		size_t len = strcspn(text, " ,"), i = 0;
		while (i < countof(protocols_known) && !span_is(span_make(text, len), protocols_known[i].name))
			i++;
		if (i == countof(protocols_known))
			return false;
		*out |= protocols_known[i].bit;
		text += len;
	}
	return *out != 0;
}

void credential_protocols_write(unsigned protocols, char out[CREDENTIAL_PROTOCOLS_MAX])
{
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < countof(protocols_known); i++)
		if (protocols & protocols_known[i].bit)
			len += (size_t)snprintf(out + len, CREDENTIAL_PROTOCOLS_MAX - len, "%s%s", len ? "," : "",
						protocols_known[i].name);
}
