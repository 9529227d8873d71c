#include "server/abuse.h"

#include "server/limits.h"

#include <errno.h>
#include <fcntl.h>
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
	uint64_t tag, last_s; /* before the clock began, as the difference modulo 2^64: it may be of an earlier start */
};

static const char magic[8] = "roostkn1";

struct abuse {
	uv_mutex_t mutex;
	struct abuse_limits limits;
	unsigned char key[32], known_key[32]; /* which lasts as long as what is known */
	struct count counts[SETS][WAYS];
	struct known known[SETS][WAYS];
};

struct abuse *abuse_create(const struct abuse_limits *rules)
{
	struct abuse *a = xcalloc(1, sizeof(*a));
	a->limits = *rules;
	invariant(uv_mutex_init(&a->mutex) == 0);
	invariant(RAND_bytes(a->key, sizeof(a->key)) == 1 && RAND_bytes(a->known_key, sizeof(a->known_key)) == 1);
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

static uint64_t tag_by(const unsigned char key[32], enum kind kind, const struct abuse_login *login)
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
	invariant(HMAC(EVP_sha256(), key, 32, text, len, mac, NULL));
	memcpy(&tag, mac, sizeof(tag));
	return tag ? tag : 1;
}

static uint64_t tag_of(const struct abuse *a, enum kind kind, const struct abuse_login *login)
{
	return tag_by(a->key, kind, login);
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
	uint64_t tag = tag_by(a->known_key, LOGIN, login);
	struct known *set = a->known[tag % SETS];
	for (int i = 0; i < WAYS; i++)
		if (set[i].tag == tag && now_s - set[i].last_s < ABUSE_KNOWN_S)
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

/* In its own place, else a free one or the oldest's. */
static void note_known(struct abuse *a, const struct known *k, uint64_t now_s)
{
	struct known *set = a->known[k->tag % SETS], *place = &set[0];
	for (int i = 0; i < WAYS; i++) {
		bool older = !set[i].tag || (place->tag && now_s - set[i].last_s > now_s - place->last_s);
		if (set[i].tag == k->tag || (older && place->tag != k->tag))
			place = &set[i];
	}
	*place = *k;
}

void abuse_succeeded(struct abuse *a, const struct abuse_login *login, uint64_t now_s)
{
	uv_mutex_lock(&a->mutex);
	note_known(a, &(struct known){tag_by(a->known_key, LOGIN, login), now_s}, now_s);
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

/* The file: magic, key, and pairs of a tag and a time of day; in this machine's byte order. */
bool abuse_save(struct abuse *a, const char *path, uint64_t now_s, int64_t day_s)
{
	char temporary[4096];
	int n = snprintf(temporary, sizeof(temporary), "%s.new", path);
	int fd = n < (int)sizeof(temporary) ? open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!f)
		return false;
	/* Logins do not wait for the disk.  The key changes only as the server starts. */
	struct known *known = xmalloc(sizeof(a->known));
	uv_mutex_lock(&a->mutex);
	memcpy(known, a->known, sizeof(a->known));
	uv_mutex_unlock(&a->mutex);
	fwrite(magic, sizeof(magic), 1, f);
	fwrite(a->known_key, sizeof(a->known_key), 1, f);
	for (size_t i = 0; i < SETS * WAYS; i++) {
		uint64_t age_s = now_s - known[i].last_s, pair[2] = {known[i].tag, (uint64_t)day_s - age_s};
		if (known[i].tag && age_s < ABUSE_KNOWN_S)
			fwrite(pair, sizeof(pair), 1, f);
	}
	free(known);
	bool ok = !ferror(f);
	ok = fclose(f) == 0 && ok && rename(temporary, path) == 0;
	return ok;
}

void abuse_load(struct abuse *a, const char *path, uint64_t now_s, int64_t day_s)
{
	char head[sizeof(magic)];
	uint64_t pair[2];
	FILE *f = fopen(path, "rbe");
	if (!f)
		return;
	uv_mutex_lock(&a->mutex);
	bool ok = fread(head, sizeof(head), 1, f) == 1 && memcmp(head, magic, sizeof(magic)) == 0 &&
		  fread(a->known_key, sizeof(a->known_key), 1, f) == 1;
	while (ok && fread(pair, sizeof(pair), 1, f) == 1) {
		uint64_t age_s = (uint64_t)day_s - pair[1]; /* what is of tomorrow is older than all */
		if (pair[0] && age_s < ABUSE_KNOWN_S)
			note_known(a, &(struct known){pair[0], now_s - age_s}, now_s);
	}
	uv_mutex_unlock(&a->mutex);
	fclose(f);
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
