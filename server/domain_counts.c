#include "server/domain_counts.h"

#include <uv.h>

struct domain_table {
	uv_mutex_t mutex;
	struct domain_counts *domains; /* none is taken out */
};

static bool on_domain(void *ctx, const char *name, int64_t users)
{
	(void)users;
	domain_table_get(ctx, name);
	return true;
}

struct domain_table *domain_table_create(struct directory *d)
{
	struct domain_table *t = xcalloc(1, sizeof(*t));
	invariant(uv_mutex_init(&t->mutex) == 0);
	if (directory_domains(d, "", on_domain, t) == STORE_OK)
		return t;
	domain_table_destroy(t);
	return NULL;
}

void domain_table_destroy(struct domain_table *t)
{
	struct domain_counts *c, *next;
	if (!t)
		return;
	HASH_ITER(hh, t->domains, c, next) {
		HASH_DEL(t->domains, c);
		free(c);
	}
	uv_mutex_destroy(&t->mutex);
	free(t);
}

struct domain_counts *domain_table_get(struct domain_table *t, const char *domain)
{
	struct domain_counts *c;
	if (!t)
		return NULL;
	uv_mutex_lock(&t->mutex);
	HASH_FIND_STR(t->domains, domain, c);
	if (!c) {
		c = xcalloc(1, sizeof(*c));
		snprintf(c->name, sizeof(c->name), "%s", domain);
		HASH_ADD_STR(t->domains, name, c);
	}
	uv_mutex_unlock(&t->mutex);
	return c;
}

struct domain_counts *domain_table_find(struct domain_table *t, const char *address)
{
	struct domain_counts *c;
	const char *at = strrchr(address, '@');
	if (!t || !at)
		return NULL;
	uv_mutex_lock(&t->mutex);
	HASH_FIND_STR(t->domains, at + 1, c);
	uv_mutex_unlock(&t->mutex);
	return c;
}

void domain_table_each(struct domain_table *t, void (*each)(void *ctx, struct domain_counts *counts), void *ctx)
{
	struct domain_counts *c, *next;
	if (!t)
		return;
	uv_mutex_lock(&t->mutex);
	HASH_ITER(hh, t->domains, c, next)
		each(ctx, c);
	uv_mutex_unlock(&t->mutex);
}
