/*
 * All names in one pass: the rows of `mailbox` in the order of their ids, their paths put together from their parents',
 * the result sorted, and then merged with the subscriptions, which the table keeps in the same order.
 */
#include "storage/mailbox.h"

struct row {
	int64_t parent;
	size_t leaf, leaf_len; /* in `leaves` */
	size_t name_len;       /* 0: not known yet */
	size_t name;           /* in `text` */
	struct mailbox_name out;
};

struct listing {
	struct row *rows;
	size_t n, cap;
	char *leaves;
	size_t leaves_len, leaves_cap;
	size_t text_len;
};

static size_t keep_leaf(struct listing *l, const void *leaf, size_t len)
{
	if (l->leaves_len + len > l->leaves_cap) {
		l->leaves_cap = (l->leaves_len + len) * 2;
		l->leaves = xrealloc(l->leaves, l->leaves_cap);
	}
	if (len)
		memcpy(l->leaves + l->leaves_len, leaf, len);
	l->leaves_len += len;
	return l->leaves_len - len;
}

static struct row *add_row(struct listing *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 32;
		l->rows = xrealloc(l->rows, l->cap * sizeof(*l->rows));
	}
	l->rows[l->n] = (struct row){0};
	return &l->rows[l->n++];
}

static enum store_err read_rows(struct account *a, struct listing *l)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, parent, leaf, state, " MAILBOX_INFO_COLUMNS
						" FROM mailbox WHERE id>0 ORDER BY id");
	enum store_err err;
	while (db_next(&a->db, stmt, &err)) {
		struct row *row = add_row(l);
		int64_t id = sqlite3_column_int64(stmt, 0);
		const struct roster *r = roster_loaded(a, id);
		row->parent = sqlite3_column_int64(stmt, 1);
		row->leaf_len = (size_t)sqlite3_column_bytes(stmt, 2);
		row->leaf = keep_leaf(l, sqlite3_column_blob(stmt, 2), row->leaf_len);
		row->out.noselect = sqlite3_column_int(stmt, 3) != 0;
		row->out.info = r ? r->info : mailbox_read(stmt, id, 4);
	}
	return err;
}

static struct row *find_row(const struct listing *l, int64_t id)
{
	size_t lo = 0, hi = l->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->rows[mid].out.info.id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n && l->rows[lo].out.info.id == id ? &l->rows[lo] : NULL;
}

/* How long the names are: a parent's first. */
static enum store_err measure(struct listing *l, struct row *row)
{
	struct row *chain[MAILBOX_LEVELS_MAX];
	size_t depth = 0;
	for (; !row->name_len; row = find_row(l, row->parent)) {
		if (depth == countof(chain))
			return STORE_CORRUPT;
		chain[depth++] = row;
		if (row->parent == 0)
			break;
		if (!find_row(l, row->parent))
			return STORE_CORRUPT;
	}
	while (depth--) {
		const struct row *parent = chain[depth]->parent ? find_row(l, chain[depth]->parent) : NULL;
		chain[depth]->name_len = chain[depth]->leaf_len + (parent ? parent->name_len + 1 : 0);
		chain[depth]->name = l->text_len;
		l->text_len += chain[depth]->name_len + 1;
	}
	return STORE_OK;
}

static enum store_err name_rows(struct listing *l, char **text)
{
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < l->n && !err; i++)
		err = measure(l, &l->rows[i]);
	if (err)
		return err;
	*text = xmalloc(l->text_len);
	for (size_t i = 0; i < l->n; i++) {
		/* From the end of each name, leaf by leaf. */
		struct row *row = &l->rows[i];
		char *at = *text + row->name + row->name_len;
		row->out.name = *text + row->name;
		*at = '\0';
		for (const struct row *level = row; level; level = level->parent ? find_row(l, level->parent) : NULL) {
			at -= level->leaf_len;
			memcpy(at, l->leaves + level->leaf, level->leaf_len);
			if (level->parent)
				*--at = '/';
		}
		struct row *parent = row->parent ? find_row(l, row->parent) : NULL;
		if (parent)
			parent->out.has_children = true;
	}
	return STORE_OK;
}

static int name_order(const void *x, const void *y)
{
	const struct mailbox_name *a = x, *b = y;
	return strcmp(a->name, b->name);
}

/* the subscriptions; a name that only they have is on the heap by itself. */
static enum store_err subscribe(struct account *a, struct mailbox_names *names)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT name FROM subscription ORDER BY name");
	enum store_err err;
	size_t at = 0, n = names->n;
	while (db_next(&a->db, stmt, &err)) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		while (at < n && strcmp(names->v[at].name, name) < 0)
			at++;
		if (at < n && strcmp(names->v[at].name, name) == 0) {
			names->v[at].subscribed = true;
			continue;
		}
		if ((names->n & (names->n - 1)) == 0)
			names->v = xrealloc(names->v, (names->n ? names->n * 2 : 1) * sizeof(*names->v));
		char *copy = strdup(name);
		invariant(copy);
		names->v[names->n++] = (struct mailbox_name){.name = copy, .noselect = true, .subscribed = true};
	}
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), name_order);
	return err;
}

enum store_err mailbox_list(struct account *a, struct mailbox_names *out)
{
	struct listing l = {0};
	*out = (struct mailbox_names){0};
	enum store_err err = read_rows(a, &l);
	if (!err)
		err = name_rows(&l, &out->text);
	if (!err && l.n) {
		size_t cap = 1;
		while (cap < l.n)
			cap *= 2;
		out->v = xmalloc(cap * sizeof(*out->v));
		for (size_t i = 0; i < l.n; i++)
			out->v[i] = l.rows[i].out;
		out->n = l.n;
		qsort(out->v, out->n, sizeof(*out->v), name_order);
	}
	free(l.rows);
	free(l.leaves);
	return err ? err : subscribe(a, out);
}

void mailbox_names_finish(struct mailbox_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->v[i].info.id == 0)
			free((char *)names->v[i].name);
	free(names->v);
	free(names->text);
	*names = (struct mailbox_names){0};
}

enum store_err mailbox_find_special(struct account *a, uint32_t special, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id FROM mailbox WHERE special & ? AND state=0 ORDER BY id LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, special);
	enum store_err err;
	*out = 0;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}
