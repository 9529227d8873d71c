#include "storage/flagset.h"

#include "storage/checksum.h"

#include <strings.h>

enum { TEXT_BYTES_MAX = 64 + FLAG_KEYWORDS_MAX * (FLAG_KEYWORD_BYTES_MAX + 1) + 1 };

int keyword_find(const struct account *a, const char *keyword, size_t len)
{
	const struct flag_table *t = a->flags;
	for (size_t i = 0; i < t->keywords_n; i++)
		if (strncasecmp(t->keywords[i], keyword, len) == 0 && t->keywords[i][len] == '\0')
			return (int)i;
	return -1;
}

const char *keyword_name(const struct account *a, int id)
{
	invariant(id >= 0 && (size_t)id < a->flags->keywords_n);
	return a->flags->keywords[id];
}

static int keyword_intern(struct account *a, const char *keyword, size_t len)
{
	struct flag_table *t = a->flags;
	int id = keyword_find(a, keyword, len);
	if (id >= 0)
		return id;
	if (t->keywords_n == KEYWORDS_MAX || len == 0 || len > FLAG_KEYWORD_BYTES_MAX)
		return -1;
	if (t->keywords_n % 16 == 0)
		t->keywords = xrealloc(t->keywords, (t->keywords_n + 16) * sizeof(*t->keywords));
	t->keywords[t->keywords_n] = strndup(keyword, len);
	invariant(t->keywords[t->keywords_n]);
	return (int)t->keywords_n++;
}

void keyword_set_add(struct keyword_set *to, const struct flagset *set)
{
	for (uint32_t i = 0; i < set->keywords_n; i++)
		to->bits[set->keywords[i] / 64] |= 1ull << set->keywords[i] % 64;
}

int keyword_set_count(const struct keyword_set *set)
{
	int n = 0;
	for (size_t i = 0; i < countof(set->bits); i++)
		n += __builtin_popcountll(set->bits[i]);
	return n;
}

int keyword_set_next(const struct keyword_set *set, int from)
{
	for (int i = from; i < KEYWORDS_MAX; i = (i | 63) + 1) {
		uint64_t rest = set->bits[i / 64] >> i % 64;
		if (rest)
			return i + __builtin_ctzll(rest);
	}
	return -1;
}

static uint64_t hash_of(uint32_t system, const uint16_t *keywords, uint32_t n)
{
	return checksum64(keywords, n * sizeof(*keywords), system);
}

static void place(struct flag_table *t, uint32_t id)
{
	const struct flagset *set = t->v[id];
	size_t at = hash_of(set->system, set->keywords, set->keywords_n) & (t->slots_n - 1);
	while (t->slots[at])
		at = (at + 1) & (t->slots_n - 1);
	t->slots[at] = id + 1;
}

/* All sets anew into `slots_n` slots, at most half full. */
static void rehash(struct flag_table *t, size_t slots_n)
{
	free(t->slots);
	t->slots = xcalloc(slots_n, sizeof(*t->slots));
	t->slots_n = slots_n;
	for (uint32_t id = 0; id < t->n; id++)
		place(t, id);
}

static bool find(const struct flag_table *t, uint32_t system, const uint16_t *keywords, uint32_t n, uint32_t *out)
{
	for (size_t at = hash_of(system, keywords, n) & (t->slots_n - 1); t->slots[at]; at = (at + 1) & (t->slots_n - 1)) {
		const struct flagset *set = t->v[t->slots[at] - 1];
		if (set->system == system && set->keywords_n == n &&
		    (n == 0 || memcmp(set->keywords, keywords, n * sizeof(*keywords)) == 0)) {
			*out = t->slots[at] - 1;
			return true;
		}
	}
	return false;
}

/* "\Seen a b"; returns where the keywords begin in it. */
static uint32_t write_text(const struct flag_table *t, uint32_t system, const uint16_t *keywords, uint32_t n, char *text)
{
	static const char *const names[] = {"\\Answered ", "\\Flagged ", "\\Deleted ", "\\Seen ", "\\Draft "};
	size_t at = 0;
	for (size_t i = 0; i < countof(names); i++) {
		if (!(system & (1u << i)))
			continue;
		memcpy(text + at, names[i], strlen(names[i]));
		at += strlen(names[i]);
	}
	size_t first = at;
	for (uint32_t i = 0; i < n; i++) {
		size_t len = strlen(t->keywords[keywords[i]]);
		memcpy(text + at, t->keywords[keywords[i]], len);
		at += len;
		text[at++] = ' ';
	}
	at -= at > 0;
	text[at] = '\0';
	return (uint32_t)(n ? first : at);
}

static uint32_t add(struct account *a, uint32_t system, const uint16_t *keywords, uint32_t n)
{
	struct flag_table *t = a->flags;
	char text[TEXT_BYTES_MAX];
	write_text(t, system, keywords, n, text);
	size_t len = strlen(text), list = n * sizeof(*keywords);
	/* One block: the set, its keywords, its text. */
	struct flagset *set = xmalloc(sizeof(*set) + list + len + 1);
	uint16_t *ids = (uint16_t *)(void *)(set + 1);
	if (n)
		memcpy(ids, keywords, list);
	memcpy((char *)(set + 1) + list, text, len + 1);
	*set = (struct flagset){system, n, ids, (char *)(set + 1) + list, (uint32_t)len};
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->v = xrealloc(t->v, t->cap * sizeof(struct flagset *));
		t->system = xrealloc(t->system, t->cap * sizeof(*t->system));
	}
	t->system[t->n] = system;
	t->v[t->n++] = set;
	if (t->n * 2 > t->slots_n)
		rehash(t, t->slots_n ? t->slots_n * 2 : 64);
	else
		place(t, (uint32_t)t->n - 1);
	return (uint32_t)t->n - 1;
}

static int id_order(const void *x, const void *y)
{
	const uint16_t *a = x, *b = y;
	return *a < *b ? -1 : *a > *b;
}

/* Adds to or takes from `ids` what `words` names; STORE_LIMIT. */
static enum store_err change_keywords(struct account *a, const char *words, bool remove, uint16_t *ids, uint32_t *n)
{
	for (const char *at = words ? words : ""; *at;) {
		at += strspn(at, " ");
		size_t len = strcspn(at, " ");
		if (len == 0)
			break;
		int id = remove ? keyword_find(a, at, len) : keyword_intern(a, at, len);
		at += len;
		if (id < 0 && !remove)
			return STORE_LIMIT;
		uint32_t i = 0;
		while (i < *n && ids[i] != id)
			i++;
		if (remove && i < *n) {
			ids[i] = ids[--*n];
		} else if (!remove && i == *n) {
			if (*n == FLAG_KEYWORDS_MAX)
				return STORE_LIMIT;
			ids[(*n)++] = (uint16_t)id;
		}
	}
	qsort(ids, *n, sizeof(*ids), id_order);
	return STORE_OK;
}

static enum store_err insert(struct account *a, uint32_t id)
{
	const struct flagset *set = a->flags->v[id];
	char text[TEXT_BYTES_MAX];
	uint32_t first = write_text(a->flags, set->system, set->keywords, set->keywords_n, text);
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO flagset VALUES(?,?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, id);
	sqlite3_bind_int64(stmt, 2, set->system);
	sqlite3_bind_text(stmt, 3, text + first, -1, SQLITE_TRANSIENT);
	return db_run(&a->db, stmt);
}

enum store_err flagset_apply(struct account *a, uint32_t from, enum flag_op op, const struct flag_spec *spec,
			     uint32_t *out)
{
	const struct flagset *old = flagset_get(a, from);
	uint32_t system = op == FLAG_ADD ? old->system | spec->system
					 : (op == FLAG_REMOVE ? old->system & ~spec->system : spec->system);
	uint16_t ids[FLAG_KEYWORDS_MAX];
	uint32_t n = op == FLAG_SET ? 0 : old->keywords_n;
	if (n)
		memcpy(ids, old->keywords, n * sizeof(*ids));
	enum store_err err = change_keywords(a, spec->keywords, op == FLAG_REMOVE, ids, &n);
	if (err || find(a->flags, system, ids, n, out))
		return err;
	if (a->flags->n == FLAGSETS_MAX)
		return STORE_LIMIT;
	*out = add(a, system, ids, n);
	return insert(a, *out);
}

enum store_err flagset_load(struct account *a)
{
	a->flags = xcalloc(1, sizeof(*a->flags));
	add(a, 0, NULL, 0);
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, system, keywords FROM flagset ORDER BY id");
	enum store_err err;
	while (db_next(&a->db, stmt, &err)) {
		uint16_t ids[FLAG_KEYWORDS_MAX];
		uint32_t n = 0;
		const char *keywords = (const char *)sqlite3_column_text(stmt, 2);
		if (sqlite3_column_int64(stmt, 0) != (int64_t)a->flags->n || a->flags->n == FLAGSETS_MAX)
			err = STORE_CORRUPT;
		else if (change_keywords(a, keywords, false, ids, &n))
			err = STORE_CORRUPT;
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
		add(a, (uint32_t)sqlite3_column_int(stmt, 1), ids, n);
	}
	return err;
}

void flagset_undo(struct account *a, size_t sets_n, size_t keywords_n)
{
	struct flag_table *t = a->flags;
	bool any = t->n > sets_n;
	while (t->n > sets_n)
		free(t->v[--t->n]);
	while (t->keywords_n > keywords_n)
		free(t->keywords[--t->keywords_n]);
	if (any)
		rehash(t, t->slots_n);
}

void flagset_unload(struct account *a)
{
	struct flag_table *t = a->flags;
	a->flags = NULL;
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	for (size_t i = 0; i < t->keywords_n; i++)
		free(t->keywords[i]);
	free(t->v);
	free(t->system);
	free(t->slots);
	free(t->keywords);
	free(t);
}

const struct flagset *flagset_get(const struct account *a, uint32_t id)
{
	invariant(id < a->flags->n);
	return a->flags->v[id];
}

bool flagset_has_keyword(const struct account *a, const struct flagset *set, const char *keyword, size_t len)
{
	int id = keyword_find(a, keyword, len);
	for (uint32_t i = 0; id >= 0 && i < set->keywords_n; i++)
		if (set->keywords[i] == id)
			return true;
	return false;
}
