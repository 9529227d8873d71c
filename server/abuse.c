#include "server/abuse.h"

#include "server/limits.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>
#include <uv.h>

enum kind { LOGIN, ADDRESS, USER, KINDS };
enum { WAYS = 4, SETS = LIMIT_ABUSE_COUNTS / WAYS, TRIED = 4 /* wrong passwords that are known again */, ALONE = 3 /* times as many of an address alone, or of a user alone */ };

struct count {
	uint64_t tag; /* keyed, so that nobody can choose whose count gives way; 0: free */
	uint64_t last_s;
	enum kind kind;
	unsigned failures;
	uint64_t tried[TRIED]; /* the last ones; of LOGIN */
	char user[120], remote[48]; /* cut: they are shown, not compared */
};

struct known {
	uint64_t tag, last_s;
};

struct abuse {
	uv_mutex_t mutex;
	struct abuse_limits limits;
	unsigned char key[32];
	struct count counts[SETS][WAYS];
	struct known known[SETS][WAYS];
};

struct abuse *abuse_create(const struct abuse_limits *rules)
{
	struct abuse *a = xcalloc(1, sizeof(*a));
	a->limits = *rules;
	invariant(uv_mutex_init(&a->mutex) == 0);
	invariant(RAND_bytes(a->key, sizeof(a->key)) == 1);
	return a;
}

void abuse_set_limits(struct abuse *a, const struct abuse_limits *rules)
{
	uv_mutex_lock(&a->mutex);
	a->limits = *rules;
	uv_mutex_unlock(&a->mutex);
}

void abuse_destroy(struct abuse *a)
{
	if (!a)
		return;
	uv_mutex_destroy(&a->mutex);
	free(a);
}

static uint64_t tag_of(const struct abuse *a, enum kind kind, const struct abuse_login *login)
{
	unsigned char text[sizeof(struct peer_key) + 1 + ABUSE_WHO_MAX] = {(unsigned char)kind}, mac[EVP_MAX_MD_SIZE];
	size_t len = 1, user_len = strnlen(login->user, ABUSE_WHO_MAX);
	uint64_t tag;
	if (kind != USER) {
		memcpy(text + len, login->from.bytes, sizeof(login->from.bytes));
		len += sizeof(login->from.bytes);
	}
	if (kind != ADDRESS) {
		memcpy(text + len, login->user, user_len);
		len += user_len;
	}
	invariant(HMAC(EVP_sha256(), a->key, sizeof(a->key), text, len, mac, NULL));
	memcpy(&tag, mac, sizeof(tag));
	return tag ? tag : 1;
}

static bool is_over(const struct abuse *a, const struct count *c, uint64_t now_s)
{
	return c->tag == 0 || now_s >= c->last_s + a->limits.hold_s;
}

static struct count *find(struct abuse *a, enum kind kind, const struct abuse_login *login, uint64_t now_s)
{
	uint64_t tag = tag_of(a, kind, login);
	struct count *set = a->counts[tag % SETS];
	for (int i = 0; i < WAYS; i++)
		if (set[i].tag == tag && !is_over(a, &set[i], now_s))
			return &set[i];
	return NULL;
}

/* The place for a new count: a free one, else that of the least, and of these the oldest. */
static struct count *take_place(struct abuse *a, uint64_t tag, uint64_t now_s)
{
	struct count *set = a->counts[tag % SETS], *place = &set[0];
	for (int i = 0; i < WAYS; i++) {
		struct count *c = &set[i];
		if (is_over(a, c, now_s))
			return c;
		if (c->failures < place->failures || (c->failures == place->failures && c->last_s < place->last_s))
			place = c;
	}
	return place;
}

static struct count *add(struct abuse *a, enum kind kind, const struct abuse_login *login, uint64_t now_s)
{
	struct count *c = find(a, kind, login, now_s);
	if (!c) {
		uint64_t tag = tag_of(a, kind, login);
		c = take_place(a, tag, now_s);
		*c = (struct count){.tag = tag, .kind = kind};
		snprintf(c->user, sizeof(c->user), "%s", kind == ADDRESS ? "" : login->user);
		snprintf(c->remote, sizeof(c->remote), "%s", kind == USER ? "" : login->remote);
	}
	c->failures++;
	c->last_s = now_s;
	return c;
}

static struct known *find_known(struct abuse *a, const struct abuse_login *login, uint64_t now_s)
{
	uint64_t tag = tag_of(a, LOGIN, login);
	struct known *set = a->known[tag % SETS];
	for (int i = 0; i < WAYS; i++)
		if (set[i].tag == tag && now_s < set[i].last_s + ABUSE_KNOWN_S)
			return &set[i];
	return NULL;
}

static unsigned max_of(const struct abuse *a, enum kind kind)
{
	return kind == LOGIN ? a->limits.failures_max : a->limits.failures_max * ALONE;
}

bool abuse_is_held(struct abuse *a, const struct abuse_login *login, uint64_t now_s)
{
	bool held = false;
	uv_mutex_lock(&a->mutex);
	int kinds = find_known(a, login, now_s) ? LOGIN + 1 : KINDS;
	for (int kind = LOGIN; kind < kinds && !held; kind++) {
		const struct count *c = find(a, (enum kind)kind, login, now_s);
		held = c && c->failures >= max_of(a, (enum kind)kind);
	}
	uv_mutex_unlock(&a->mutex);
	return held;
}

uint64_t abuse_tag_password(const struct abuse *a, const char *password, size_t len)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	uint64_t tag;
	invariant(HMAC(EVP_sha256(), a->key, sizeof(a->key), (const unsigned char *)password, len, mac, NULL));
	memcpy(&tag, mac, sizeof(tag));
	return tag ? tag : 1;
}

static bool was_tried(struct abuse *a, const struct abuse_login *login, uint64_t now_s)
{
	const struct count *c = find(a, LOGIN, login, now_s);
	for (int i = 0; c && login->tried && i < TRIED; i++)
		if (c->tried[i] == login->tried)
			return true;
	return false;
}

unsigned abuse_failed(struct abuse *a, const struct abuse_login *login, uint64_t now_s)
{
	uv_mutex_lock(&a->mutex);
	if (was_tried(a, login, now_s)) {
		unsigned failures = find(a, LOGIN, login, now_s)->failures;
		uv_mutex_unlock(&a->mutex);
		return failures;
	}
	struct count *c = add(a, LOGIN, login, now_s);
	unsigned of_login = c->failures, of_address = 0;
	c->tried[of_login % TRIED] = login->tried;
	if (!find_known(a, login, now_s)) {
		of_address = add(a, ADDRESS, login, now_s)->failures;
		add(a, USER, login, now_s);
	}
	uv_mutex_unlock(&a->mutex);
	return of_login > of_address / ALONE ? of_login : of_address / ALONE;
}

void abuse_succeeded(struct abuse *a, const struct abuse_login *login, uint64_t now_s)
{
	uv_mutex_lock(&a->mutex);
	uint64_t tag = tag_of(a, LOGIN, login);
	struct known *set = a->known[tag % SETS], *place = &set[0];
	for (int i = 0; i < WAYS; i++) { /* its own, else a free one or the oldest */
		if (set[i].tag == tag || (set[i].last_s < place->last_s && place->tag != tag))
			place = &set[i];
	}
	*place = (struct known){tag, now_s};
	struct count *c = find(a, LOGIN, login, now_s);
	if (c)
		*c = (struct count){.tag = 0};
	uv_mutex_unlock(&a->mutex);
}

void abuse_each(struct abuse *a, uint64_t now_s, void (*each)(void *ctx, const struct abuse_row *row), void *ctx)
{
	static const char *const kinds[] = {[LOGIN] = "login", [ADDRESS] = "address", [USER] = "user"};
	uv_mutex_lock(&a->mutex);
	for (size_t i = 0; i < SETS * WAYS; i++) {
		const struct count *c = &a->counts[i / WAYS][i % WAYS];
		char who[sizeof(c->user) + sizeof(c->remote) + 8];
		if (is_over(a, c, now_s))
			continue;
		snprintf(who, sizeof(who), "%s%s%s", c->user, c->kind == LOGIN ? " from " : "", c->remote);
		bool held = c->failures >= max_of(a, c->kind);
		each(ctx, &(struct abuse_row){kinds[c->kind], who, c->failures, held ? c->last_s + a->limits.hold_s - now_s : 0});
	}
	uv_mutex_unlock(&a->mutex);
}

size_t abuse_clear(struct abuse *a, const char *who)
{
	size_t n = 0;
	uv_mutex_lock(&a->mutex);
	for (size_t i = 0; i < SETS * WAYS; i++) {
		struct count *c = &a->counts[i / WAYS][i % WAYS];
		if (c->tag == 0 || (who && strcmp(who, c->user) != 0 && strcmp(who, c->remote) != 0))
			continue;
		*c = (struct count){.tag = 0};
		n++;
	}
	uv_mutex_unlock(&a->mutex);
	return n;
}
