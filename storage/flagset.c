#include "storage/flagset.h"

#include <strings.h>

static void set_text(struct flagset *set)
{
	static const char *const names[] = {"\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"};
	char system[64] = "";
	size_t at = 0;
	for (size_t i = 0; i < countof(names); i++)
		if (set->system & (1u << i))
			at += (size_t)snprintf(system + at, sizeof(system) - at, "%s%s", at ? " " : "", names[i]);
	size_t len = at + strlen(set->keywords) + 1;
	set->text = xmalloc(len);
	snprintf(set->text, len, "%s%s", system, at || !set->keywords[0] ? set->keywords : set->keywords + 1);
}

static uint32_t set_add(struct account *a, uint32_t system, const char *keywords)
{
	a->flagsets = xrealloc(a->flagsets, (a->flagsets_n + 1) * sizeof(*a->flagsets));
	struct flagset *set = &a->flagsets[a->flagsets_n];
	set->system = system;
	set->keywords = strdup(keywords);
	invariant(set->keywords);
	set_text(set);
	return (uint32_t)a->flagsets_n++;
}

enum store_err flagset_load(struct account *a)
{
	set_add(a, 0, "");
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, system, keywords FROM flagset ORDER BY id");
	enum store_err err;
	while (db_next(&a->db, stmt, &err)) {
		if (sqlite3_column_int64(stmt, 0) != (int64_t)a->flagsets_n) {
			sqlite3_reset(stmt);
			return STORE_CORRUPT;
		}
		set_add(a, (uint32_t)sqlite3_column_int(stmt, 1), (const char *)sqlite3_column_text(stmt, 2));
	}
	return err;
}

void flagset_unload(struct account *a)
{
	for (size_t i = 0; i < a->flagsets_n; i++) {
		free(a->flagsets[i].keywords);
		free(a->flagsets[i].text);
	}
	free(a->flagsets);
	a->flagsets = NULL;
	a->flagsets_n = 0;
}

const struct flagset *flagset_get(const struct account *a, uint32_t id)
{
	invariant(id < a->flagsets_n);
	return &a->flagsets[id];
}

/* Finds `word` in " a b"; NULL when it is not there. */
static const char *find_word(const char *list, const char *word, size_t len)
{
	for (const char *at = list; *at == ' ';) {
		size_t n = strcspn(at + 1, " ");
		if (n == len && strncasecmp(at + 1, word, len) == 0)
			return at;
		at += 1 + n;
	}
	return NULL;
}

bool flagset_has_keyword(const struct flagset *set, const char *keyword, size_t len)
{
	return find_word(set->keywords, keyword, len) != NULL;
}

/* The account's first spelling of a keyword (RFC 3501 9: flags are case-insensitive). */
static const char *first_spelling(const struct account *a, const char *word, size_t len)
{
	for (size_t i = 0; i < a->flagsets_n; i++) {
		const char *at = find_word(a->flagsets[i].keywords, word, len);
		if (at)
			return at + 1;
	}
	return word;
}

static int word_order(const void *x, const void *y)
{
	const struct bytes *a = x, *b = y;
	size_t n = a->len < b->len ? a->len : b->len;
	int order = strncasecmp(a->ptr, b->ptr, n);
	return order ? order : (a->len < b->len ? -1 : a->len > b->len);
}

static size_t split_words(const char *list, struct bytes *out, size_t max)
{
	size_t n = 0;
	for (const char *at = list; *at;) {
		at += strspn(at, " ");
		size_t len = strcspn(at, " ");
		if (len == 0)
			break;
		if (n == max)
			return max + 1;
		out[n++] = (struct bytes){at, len};
		at += len;
	}
	return n;
}

enum store_err flagset_apply(struct account *a, uint32_t from, enum flag_op op, const struct flag_spec *spec,
			     uint32_t *out)
{
	const struct flagset *old = flagset_get(a, from);
	uint32_t system = op == FLAG_ADD ? old->system | spec->system
					 : (op == FLAG_REMOVE ? old->system & ~spec->system : spec->system);
	struct bytes words[FLAG_KEYWORDS_MAX + 1], named[FLAG_KEYWORDS_MAX + 1];
	size_t n = op == FLAG_SET ? 0 : split_words(old->keywords, words, FLAG_KEYWORDS_MAX);
	size_t m = split_words(spec->keywords, named, FLAG_KEYWORDS_MAX);
	if (m > FLAG_KEYWORDS_MAX)
		return STORE_LIMIT;
	for (size_t i = 0; i < m; i++) {
		size_t at = 0;
		while (at < n && word_order(&words[at], &named[i]) != 0)
			at++;
		if (op == FLAG_REMOVE && at < n) {
			words[at] = words[--n];
		} else if (op != FLAG_REMOVE && at == n) {
			if (n == FLAG_KEYWORDS_MAX || named[i].len > FLAG_KEYWORD_BYTES_MAX)
				return STORE_LIMIT;
			words[n++] = (struct bytes){first_spelling(a, named[i].ptr, named[i].len), named[i].len};
		}
	}
	qsort(words, n, sizeof(*words), word_order);
	char keywords[FLAG_KEYWORDS_MAX * (FLAG_KEYWORD_BYTES_MAX + 1) + 1];
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		keywords[at++] = ' ';
		memcpy(keywords + at, words[i].ptr, words[i].len);
		at += words[i].len;
	}
	keywords[at] = '\0';
	for (size_t i = 0; i < a->flagsets_n; i++) {
		if (a->flagsets[i].system == system && strcasecmp(a->flagsets[i].keywords, keywords) == 0) {
			*out = (uint32_t)i;
			return STORE_OK;
		}
	}
	if (a->flagsets_n >= FLAGSETS_MAX)
		return STORE_LIMIT;
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO flagset VALUES(?,?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, (int64_t)a->flagsets_n);
	sqlite3_bind_int64(stmt, 2, system);
	sqlite3_bind_text(stmt, 3, keywords, -1, SQLITE_TRANSIENT);
	enum store_err err = db_run(&a->db, stmt);
	if (!err)
		*out = set_add(a, system, keywords);
	return err;
}
