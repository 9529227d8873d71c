#include "server/certificate_index.h"


#include <uthash.h>

enum kind { KIND_RSA, KIND_OTHER, KINDS };

/* By kind of key; NULL: there is none. */
struct choice {
	struct certificate *by_kind[KINDS];
};

struct named {
	UT_hash_handle hh;
	struct choice choice;
	char name[];
};

struct certificate_index {
	struct named *names;
	struct choice standard;
	size_t count;
};

struct certificate_index *certificate_index_create(void)
{
	return xcalloc(1, sizeof(struct certificate_index));
}

static void forget(struct choice *choice)
{
	for (size_t i = 0; i < KINDS; i++)
		certificate_release(choice->by_kind[i]);
}

void certificate_index_destroy(struct certificate_index *index)
{
	if (!index)
		return;
	struct named *named, *next;
	HASH_ITER(hh, index->names, named, next) {
		HASH_DEL(index->names, named);
		forget(&named->choice);
		free(named);
	}
	forget(&index->standard);
	free(index);
}

static bool is_valid(const struct certificate *c, int64_t now_s)
{
	return c->begins_s <= now_s && now_s < c->ends_s;
}

static bool is_better(const struct certificate *a, const struct certificate *b, int64_t now_s)
{
	if (is_valid(a, now_s) != is_valid(b, now_s))
		return is_valid(a, now_s);
	if (a->begins_s != b->begins_s)
		return a->begins_s > b->begins_s;
	int a_chain = sk_X509_num(a->chain), b_chain = sk_X509_num(b->chain);
	if (a_chain != b_chain)
		return a_chain > b_chain;
	return strcmp(a->file, b->file) < 0;
}

static void choose(struct choice *choice, struct certificate *c, int64_t now_s)
{
	struct certificate **place = &choice->by_kind[certificate_is_rsa(c) ? KIND_RSA : KIND_OTHER];
	if (*place && !is_better(c, *place, now_s))
		return;
	certificate_acquire(c);
	certificate_release(*place);
	*place = c;
}

static const struct named *find(const struct certificate_index *index, const char *name)
{
	struct named *found;
	HASH_FIND_STR(index->names, name, found);
	return found;
}

struct adding {
	struct certificate_index *index;
	struct certificate *certificate;
	int64_t now_s;
};

static void on_name(void *ctx, const char *name)
{
	struct adding *adding = ctx;
	struct named *named;
	HASH_FIND_STR(adding->index->names, name, named);
	if (!named) {
		size_t len = strlen(name) + 1;
		named = xcalloc(1, sizeof(*named) + len);
		memcpy(named->name, name, len);
		HASH_ADD_STR(adding->index->names, name, named);
	}
	choose(&named->choice, adding->certificate, adding->now_s);
}

void certificate_index_add(struct certificate_index *index, struct certificate *c, int64_t now_s)
{
	struct adding adding = {index, c, now_s};
	certificate_each_name(c, on_name, &adding);
	if (index->count++ == 0)
		choose(&index->standard, c, now_s);
}

/* The name in lower case, or "": it can be none. */
static void lower_name(const char *host, char out[256])
{
	size_t n = strlen(host);
	out[0] = '\0';
	if (n >= 256)
		return;
	for (size_t i = 0; i <= n; i++)
		out[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] - 'A' + 'a' : host[i]);
	if (n && out[n - 1] == '.') /* a client that is not meant to (RFC 6066 3) names the root too */
		out[n - 1] = '\0';
}

static const struct choice *choice_for(const struct certificate_index *index, const char *host)
{
	char name[256];
	lower_name(host, name);
	const struct named *named = find(index, name);
	char *dot = strchr(name, '.');
	if (!named && dot && dot > name) {
		*--dot = '*';
		named = find(index, dot);
	}
	return named ? &named->choice : NULL;
}

void certificate_index_set_default(struct certificate_index *index, const char *host)
{
	const struct choice *choice = choice_for(index, host);
	if (!choice)
		return;
	struct choice old = index->standard;
	index->standard = *choice;
	for (size_t i = 0; i < KINDS; i++)
		if (choice->by_kind[i])
			certificate_acquire(choice->by_kind[i]);
	forget(&old);
}

size_t certificate_index_count(const struct certificate_index *index)
{
	return index->count;
}

bool certificate_index_use(const struct certificate_index *index, const char *host, SSL *ssl)
{
	const struct choice *choice = host ? choice_for(index, host) : NULL;
	bool any = false;
	choice = choice ? choice : &index->standard;
	for (size_t i = 0; i < KINDS; i++)
		any |= choice->by_kind[i] && certificate_use(choice->by_kind[i], ssl);
	return any;
}
