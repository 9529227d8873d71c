#include "storage/mailbox.h"

#include "storage/copy.h"

enum { STATE_REAL = 0, STATE_NAME_ONLY = 1 };

static enum store_err find_child(struct account *a, int64_t parent, const char *leaf, size_t len, int64_t *id,
				 int *state)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, state FROM mailbox WHERE parent=? AND leaf=?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, parent);
		sqlite3_bind_text(stmt, 2, leaf, (int)len, SQLITE_STATIC);
	}
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*id = sqlite3_column_int64(stmt, 0);
	*state = sqlite3_column_int(stmt, 1);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static enum store_err find_any(struct account *a, const char *name, int64_t *id, int *state)
{
	int64_t parent = 0;
	for (const char *at = name;;) {
		size_t len = strcspn(at, "/");
		enum store_err err = find_child(a, parent, at, len, id, state);
		if (err || at[len] == '\0')
			return err;
		parent = *id;
		at += len + 1;
	}
}

enum store_err mailbox_find(struct account *a, const char *name, int64_t *out)
{
	int state = STATE_REAL;
	enum store_err err = find_any(a, name, out, &state);
	return !err && state != STATE_REAL ? STORE_NOTFOUND : err;
}

static uint32_t next_uidvalidity(struct account *a)
{
	uint32_t now = (uint32_t)a->env->now_s(a->env->ctx);
	a->last_uidvalidity = now > a->last_uidvalidity ? now : a->last_uidvalidity + 1;
	return a->last_uidvalidity;
}

static enum store_err insert_mailbox(struct account *a, int64_t parent, const char *leaf, size_t len,
				     uint32_t special, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO mailbox(parent, leaf, uidvalidity, uidnext, modseq,"
						" floor, messages, unseen, deleted, bytes, recent, special, state)"
						" VALUES(?,?,?,1,?,?,0,0,0,0,0,?,0)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, parent);
	sqlite3_bind_text(stmt, 2, leaf, (int)len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, next_uidvalidity(a));
	sqlite3_bind_int64(stmt, 4, (int64_t)account_modseq(a));
	sqlite3_bind_int64(stmt, 5, (int64_t)account_modseq(a));
	sqlite3_bind_int64(stmt, 6, special);
	enum store_err err = db_run(&a->db, stmt);
	if (err)
		return err;
	*out = sqlite3_last_insert_rowid(a->db.handle);
	account_touch(a, *out);
	account_durable(a);
	return STORE_OK;
}

static enum store_err make_real(struct account *a, int64_t id, uint32_t special)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET state=0, uidvalidity=?, uidnext=1, modseq=?,"
						" special=?, recent=0 WHERE id=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, next_uidvalidity(a));
	sqlite3_bind_int64(stmt, 2, (int64_t)account_modseq(a));
	sqlite3_bind_int64(stmt, 3, special);
	sqlite3_bind_int64(stmt, 4, id);
	account_touch(a, id);
	account_durable(a);
	return db_run(&a->db, stmt);
}

/* Missing parents are made as real mailboxes (RFC 3501 6.3.3). */
enum store_err mailbox_create(struct account *a, const char *name, uint32_t special, int64_t *out)
{
	int64_t parent = 0;
	for (const char *at = name;;) {
		size_t len = strcspn(at, "/");
		bool last = at[len] == '\0';
		int state = STATE_REAL;
		enum store_err err = find_child(a, parent, at, len, out, &state);
		if (err == STORE_NOTFOUND)
			err = insert_mailbox(a, parent, at, len, last ? special : 0, out);
		else if (!err && last)
			err = state == STATE_REAL ? STORE_EXISTS : make_real(a, *out, special);
		if (err || last)
			return err;
		parent = *out;
		at += len + 1;
	}
}

static enum store_err has_children(struct account *a, int64_t id, bool *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT 1 FROM mailbox WHERE parent=? LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	*out = db_next(&a->db, stmt, &err);
	if (*out)
		sqlite3_reset(stmt);
	return err;
}

static enum store_err remove_all(struct account *a, int64_t id)
{
	struct roster *r;
	enum store_err err = roster_get(a, id, &r);
	if (err || r->count == 0)
		return err;
	uint32_t *indexes = xmalloc(r->count * sizeof(*indexes)), n = r->count;
	for (uint32_t i = 0; i < n; i++)
		indexes[i] = i;
	err = roster_remove(a, r, indexes, n);
	free(indexes);
	return err ? err : roster_flush_all(a);
}

enum store_err mailbox_delete(struct account *a, const char *name)
{
	if (strcmp(name, "INBOX") == 0)
		return STORE_CANNOT;
	int64_t id;
	int state = STATE_REAL;
	bool children = false;
	enum store_err err = find_any(a, name, &id, &state);
	if (!err)
		err = has_children(a, id, &children);
	if (err)
		return err;
	if (state == STATE_NAME_ONLY)
		return children ? STORE_HASCHILDREN : STORE_NOTFOUND;
	err = remove_all(a, id);
	if (err)
		return err;
	account_touch(a, id);
	account_durable(a);
	roster_drop(a, id);
	sqlite3_stmt *stmt =
		db_prepare(&a->db, children ? "UPDATE mailbox SET state=1, special=0, messages=0 WHERE id=?"
					    : "DELETE FROM mailbox WHERE id=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, id);
	return db_run(&a->db, stmt);
}

static enum store_err rename_inbox(struct account *a, const char *to)
{
	int64_t inbox, target;
	enum store_err err = mailbox_find(a, "INBOX", &inbox);
	if (!err)
		err = mailbox_create(a, to, 0, &target);
	struct uidset all = {0};
	uidset_append(&all, 1, UINT32_MAX);
	struct copy_result result = {0};
	if (!err)
		err = messages_move(a, inbox, &all, target, &result);
	copy_result_finish(&result);
	uidset_finish(&all);
	return err;
}

enum store_err mailbox_rename(struct account *a, const char *from, const char *to)
{
	int64_t id, taken, parent = 0;
	int state = STATE_REAL;
	size_t from_len = strlen(from);
	if (strcmp(to, "INBOX") == 0)
		return STORE_EXISTS;
	enum store_err err = find_any(a, from, &id, &state);
	if (err)
		return err;
	if (strncmp(to, from, from_len) == 0 && to[from_len] == '/' && strcmp(from, "INBOX") != 0)
		return STORE_CANNOT;
	int other = STATE_REAL;
	if (find_any(a, to, &taken, &other) == STORE_OK)
		return STORE_EXISTS;
	if (strcmp(from, "INBOX") == 0)
		return rename_inbox(a, to);
	const char *leaf = strrchr(to, '/');
	if (leaf) {
		char *parent_name = xcalloc(1, (size_t)(leaf - to) + 1);
		memcpy(parent_name, to, (size_t)(leaf - to));
		err = find_any(a, parent_name, &parent, &other);
		if (err == STORE_NOTFOUND)
			err = mailbox_create(a, parent_name, 0, &parent);
		free(parent_name);
		if (err)
			return err;
	}
	account_touch(a, id);
	account_durable(a);
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET parent=?, leaf=? WHERE id=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, parent);
	sqlite3_bind_text(stmt, 2, leaf ? leaf + 1 : to, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, id);
	return db_run(&a->db, stmt);
}

static enum store_err run_named(struct account *a, const char *sql, const char *name)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	account_durable(a);
	return db_run(&a->db, stmt);
}

enum store_err subscription_add(struct account *a, const char *name)
{
	return run_named(a, "INSERT OR IGNORE INTO subscription VALUES(?)", name);
}

enum store_err subscription_remove(struct account *a, const char *name)
{
	return run_named(a, "DELETE FROM subscription WHERE name=?", name);
}

enum store_err mailbox_take_recent(struct account *a, int64_t id, uint32_t *old_mark)
{
	struct roster *r;
	enum store_err err = roster_get(a, id, &r);
	if (err)
		return err;
	*old_mark = r->info.recent;
	if (r->info.recent + 1 < r->info.uidnext) {
		r->info.recent = r->info.uidnext - 1;
		r->info_dirty = true;
	}
	return STORE_OK;
}

enum store_err mailbox_info(struct account *a, int64_t id, struct mailbox_info *out)
{
	for (struct roster *r = a->rosters; r; r = r->next) {
		if (r->info.id == id) {
			*out = r->info;
			return STORE_OK;
		}
	}
	sqlite3_stmt *stmt =
		db_prepare(&a->db, "SELECT uidvalidity, uidnext, modseq, messages, unseen, deleted, bytes, recent,"
				   " special FROM mailbox WHERE id=? AND state=0 ");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = (struct mailbox_info){id,
				     (uint32_t)sqlite3_column_int64(stmt, 0),
				     (uint32_t)sqlite3_column_int64(stmt, 1),
				     (uint64_t)sqlite3_column_int64(stmt, 2),
				     (uint32_t)sqlite3_column_int64(stmt, 3),
				     (uint32_t)sqlite3_column_int64(stmt, 4),
				     (uint32_t)sqlite3_column_int64(stmt, 5),
				     (uint64_t)sqlite3_column_int64(stmt, 6),
				     (uint32_t)sqlite3_column_int64(stmt, 7),
				     (uint32_t)sqlite3_column_int64(stmt, 8)};
	sqlite3_reset(stmt);
	return STORE_OK;
}

static int name_order(const void *x, const void *y)
{
	const struct mailbox_name *a = x, *b = y;
	return strcmp(a->name, b->name);
}

enum store_err mailbox_list(struct account *a, struct mailbox_names *out)
{
	*out = (struct mailbox_names){0};
	sqlite3_stmt *stmt = db_prepare(
		&a->db, "WITH RECURSIVE tree(id, name, special, state) AS ("
			" SELECT id, leaf, special, state FROM mailbox WHERE parent=0 UNION ALL"
			" SELECT m.id, t.name || '/' || m.leaf, m.special, m.state FROM mailbox m JOIN tree t"
			" ON m.parent=t.id)"
			" SELECT id, name, special, state, EXISTS(SELECT 1 FROM mailbox c WHERE c.parent=tree.id),"
			" EXISTS(SELECT 1 FROM subscription s WHERE s.name=tree.name) FROM tree"
			" UNION ALL SELECT 0, name, 0, 1, 0, 1 FROM subscription WHERE name NOT IN (SELECT name FROM tree)");
	enum store_err err;
	size_t cap = 0;
	while (db_next(&a->db, stmt, &err)) {
		if (out->n == cap) {
			cap = cap ? cap * 2 : 16;
			out->v = xrealloc(out->v, cap * sizeof(*out->v));
		}
		char *name = strdup((const char *)sqlite3_column_text(stmt, 1));
		invariant(name);
		out->v[out->n++] = (struct mailbox_name){.id = sqlite3_column_int64(stmt, 0),
							 .name = name,
							 .special = (uint32_t)sqlite3_column_int(stmt, 2),
							 .noselect = sqlite3_column_int(stmt, 3) != STATE_REAL,
							 .has_children = sqlite3_column_int(stmt, 4) != 0,
							 .subscribed = sqlite3_column_int(stmt, 5) != 0};
	}
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), name_order);
	return err;
}

void mailbox_names_finish(struct mailbox_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i].name);
	free(names->v);
	*names = (struct mailbox_names){0};
}
