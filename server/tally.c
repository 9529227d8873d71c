#include "server/tally.h"

#include "server/lane.h"

#include <uthash.h>

struct tally_domain {
	char name[ADDRESS_DOMAIN_MAX + 1];
	struct usage_pool pool;
	UT_hash_handle hh;
};

struct tally {
	uv_mutex_t mutex;
	struct tally_domain *domains; /* none is taken out: a domain that is given up has nobody */
};

/* With the mutex held.  NULL for "". */
static struct tally_domain *find(struct tally *t, const char *name)
{
	struct tally_domain *d;
	if (!*name)
		return NULL;
	HASH_FIND_STR(t->domains, name, d);
	if (d)
		return d;
	d = xcalloc(1, sizeof(*d));
	snprintf(d->name, sizeof(d->name), "%s", name);
	HASH_ADD_STR(t->domains, name, d);
	return d;
}

static void add(struct usage_pool *pool, int64_t bytes)
{
	if (pool)
		atomic_fetch_add(&pool->bytes, bytes);
}

static struct usage_pool *pool_of(struct tally_domain *d)
{
	return d ? &d->pool : NULL;
}

static void on_domain(void *ctx, const char *domain, int64_t bytes)
{
	add(pool_of(find(ctx, domain)), bytes);
}

struct tally *tally_create(struct directory *d)
{
	struct tally *t = xcalloc(1, sizeof(*t));
	invariant(uv_mutex_init(&t->mutex) == 0);
	if (directory_usage_by_domain(d, on_domain, t) == STORE_OK)
		return t;
	tally_destroy(t);
	return NULL;
}

void tally_destroy(struct tally *t)
{
	struct tally_domain *d, *next;
	if (!t)
		return;
	HASH_ITER(hh, t->domains, d, next) {
		HASH_DEL(t->domains, d);
		free(d);
	}
	uv_mutex_destroy(&t->mutex);
	free(t);
}

void tally_enter(struct tally *t, struct tally_member *m, const char *domain, int64_t recorded)
{
	uv_mutex_lock(&t->mutex);
	struct usage_pool *pool = pool_of(find(t, domain));
	if (!m->is_member) {
		m->is_member = true;
		m->recorded = recorded;
		m->share = (struct usage_share){pool, recorded};
	} else if (m->share.pool != pool) {
		usage_share_move(&m->share, pool, m->recorded);
	}
	uv_mutex_unlock(&t->mutex);
}

bool tally_is_behind(const struct tally_member *m)
{
	return m->is_member && atomic_load(&m->share.bytes) != atomic_load(&m->recorded);
}

enum store_err tally_write(struct directory *d, struct tally_record *records, size_t n, int64_t now_s)
{
	enum store_err err = directory_usage_set_time(d, now_s);
	for (size_t i = 0; i < n && !err; i++) {
		records[i].bytes = atomic_load(&records[i].lane->member.share.bytes);
		if (atomic_load(&records[i].lane->is_gone))
			continue;
		err = directory_usage_record(d, records[i].lane->id, records[i].bytes);
	}
	return err;
}

/* The pool of the domain that the account is in by the table: that of its lane, but for a moment after a change. */
static struct usage_pool *pool_by_table(struct tally *t, struct directory *d, const char *account)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	return directory_account_domain(d, account, domain) == STORE_OK ? pool_of(find(t, domain)) : NULL;
}

void tally_keep(struct tally *t, struct directory *d, const struct tally_record *records, size_t n)
{
	uv_mutex_lock(&t->mutex);
	for (size_t i = 0; i < n; i++) {
		struct tally_member *m = &records[i].lane->member;
		int64_t more = records[i].bytes - atomic_exchange(&m->recorded, records[i].bytes);
		struct usage_pool *pool = pool_by_table(t, d, records[i].lane->id);
		if (pool == m->share.pool)
			continue;
		add(pool, more);
		add(m->share.pool, -more);
	}
	uv_mutex_unlock(&t->mutex);
}

void tally_move(struct tally *t, const struct tally_move *move)
{
	uv_mutex_lock(&t->mutex);
	add(pool_of(find(t, move->from)), -move->recorded);
	add(pool_of(find(t, move->to)), move->recorded);
	uv_mutex_unlock(&t->mutex);
}

static uint64_t bytes_of(struct tally_domain *d)
{
	int64_t bytes = d ? atomic_load(&d->pool.bytes) : 0;
	return bytes > 0 ? (uint64_t)bytes : 0;
}

void tally_each(struct tally *t, void (*each)(void *ctx, const char *domain, uint64_t bytes), void *ctx)
{
	struct tally_domain *d, *next;
	uv_mutex_lock(&t->mutex);
	HASH_ITER(hh, t->domains, d, next)
		each(ctx, d->name, bytes_of(d));
	uv_mutex_unlock(&t->mutex);
}

uint64_t tally_of(struct tally *t, const char *domain)
{
	struct tally_domain *d;
	uv_mutex_lock(&t->mutex);
	HASH_FIND_STR(t->domains, domain, d);
	uint64_t bytes = bytes_of(d);
	uv_mutex_unlock(&t->mutex);
	return bytes;
}
