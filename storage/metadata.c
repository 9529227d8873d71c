/*
 * One row an entry, in the table `metadata`.  What all of them hold together is kept as a number in `meta`, in the same
 * transaction, so that the account's limit costs nothing to look at.
 */
#include "storage/metadata.h"

#include "storage/changes.h"
#include "storage/mailbox.h"
#include "storage/roster.h"

static const char bytes_key[] = "metadata_bytes";

static sqlite3_stmt *prepare(struct account *a, const char *sql, int64_t mailbox, const char *name)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, mailbox);
		if (name)
			sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	}
	return stmt;
}

/* The first column of the only row; 0 for none. */
static enum store_err read_number(struct account *a, sqlite3_stmt *stmt, int64_t *out)
{
	enum store_err err;
	*out = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static enum store_err add_bytes(struct account *a, int64_t more)
{
	return account_set_meta(a, bytes_key, account_meta(a, bytes_key) + more);
}

/* ---- reading ---- */

enum store_err metadata_get(struct account *a, int64_t mailbox, const char *name, struct bytes *out)
{
	sqlite3_stmt *stmt = prepare(a, "SELECT value FROM metadata WHERE mailbox=? AND name=?", mailbox, name);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	const void *value = sqlite3_column_blob(stmt, 0); /* NULL when it is empty */
	*out = (struct bytes){value ? value : "", (size_t)sqlite3_column_bytes(stmt, 0)};
	return STORE_OK;
}

enum store_err metadata_list(struct account *a, int64_t mailbox, struct metadata_entries *out)
{
	sqlite3_stmt *stmt = prepare(a, "SELECT name, length(value) FROM metadata WHERE mailbox=? ORDER BY name", mailbox, NULL);
	size_t len = 0, cap = 0, n_cap = 0;
	enum store_err err;
	*out = (struct metadata_entries){0};
	while (db_next(&a->db, stmt, &err)) {
		size_t bytes = (size_t)sqlite3_column_bytes(stmt, 0) + 1;
		if (len + bytes > cap) {
			cap = 2 * (len + bytes);
			out->text = xrealloc(out->text, cap);
		}
		if (out->n == n_cap) {
			n_cap = n_cap ? 2 * n_cap : 8;
			out->v = xrealloc(out->v, n_cap * sizeof(*out->v));
		}
		memcpy(out->text + len, sqlite3_column_text(stmt, 0), bytes);
		out->v[out->n++].size = (uint32_t)sqlite3_column_int64(stmt, 1);
		len += bytes;
	}
	const char *at = out->text;
	for (size_t i = 0; i < out->n; at += strlen(at) + 1)
		out->v[i++].name = at;
	return err;
}

void metadata_entries_finish(struct metadata_entries *entries)
{
	free(entries->v);
	free(entries->text);
	*entries = (struct metadata_entries){0};
}

/* ---- setting ---- */

/* Raises the mailbox's modseq, and adds a name to the op's row in the journal. */
static enum store_err note(struct account *a, int64_t mailbox, const char *name)
{
	struct roster *r = roster_loaded(a, mailbox);
	struct change *change = r ? roster_changed(a, r, CHANGE_METADATA) : account_touch(a, mailbox, CHANGE_METADATA);
	size_t had = change->name ? strlen(change->name) + 1 : 0, len = strlen(name);
	change->name = xrealloc(change->name, had + len + 1);
	if (had)
		change->name[had - 1] = '\n';
	memcpy(change->name + had, name, len + 1);
	account_durable(a);
	a->metadata_modseq = account_modseq(a);
	if (r || mailbox == 0) /* account_end() writes theirs */
		return STORE_OK;
	sqlite3_stmt *stmt = prepare(a, "UPDATE mailbox SET modseq=?2 WHERE id=?1", mailbox, NULL);
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 2, (int64_t)account_modseq(a));
	return db_run(&a->db, stmt);
}

static enum store_err set_one(struct account *a, int64_t mailbox, const struct metadata_value *v)
{
	struct bytes old;
	enum store_err err = metadata_get(a, mailbox, v->name, &old);
	bool there = err == STORE_OK;
	if (err && err != STORE_NOTFOUND)
		return err;
	if (!there && !v->value.ptr)
		return STORE_OK;
	int64_t name_bytes = (int64_t)strlen(v->name), more = 0;
	if (there)
		more -= name_bytes + (int64_t)old.len;
	if (v->value.ptr)
		more += name_bytes + (int64_t)v->value.len;
	sqlite3_stmt *stmt;
	if (v->value.ptr)
		stmt = prepare(a, "INSERT INTO metadata VALUES(?,?,?) ON CONFLICT DO UPDATE SET value=excluded.value", mailbox,
			       v->name);
	else
		stmt = prepare(a, "DELETE FROM metadata WHERE mailbox=? AND name=?", mailbox, v->name);
	if (stmt && v->value.ptr)
		sqlite3_bind_blob64(stmt, 3, v->value.ptr, v->value.len, SQLITE_STATIC);
	err = stmt ? db_run(&a->db, stmt) : STORE_IO;
	if (!err)
		err = add_bytes(a, more);
	return err ? err : note(a, mailbox, v->name);
}

enum store_err metadata_set(struct account *a, int64_t mailbox, const struct metadata_value *values, size_t n)
{
	enum store_err err = STORE_OK;
	int64_t entries;
	for (size_t i = 0; i < n && !err; i++) {
		invariant(values[i].value.len <= METADATA_VALUE_BYTES_MAX);
		err = set_one(a, mailbox, &values[i]);
	}
	if (!err)
		err = read_number(a, prepare(a, "SELECT count(*) FROM metadata WHERE mailbox=?", mailbox, NULL), &entries);
	if (err)
		return err;
	if (entries > METADATA_ENTRIES_MAX)
		return STORE_LIMIT;
	return account_meta(a, bytes_key) > METADATA_BYTES_MAX ? STORE_OVERQUOTA : STORE_OK;
}

enum store_err metadata_set_special(struct account *a, int64_t mailbox, uint32_t special)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err || r->info.special == special)
		return err;
	err = note(a, mailbox, METADATA_SPECIAL_USE);
	sqlite3_stmt *stmt = err ? NULL : prepare(a, "UPDATE mailbox SET special=?2 WHERE id=?1", mailbox, NULL);
	if (!stmt)
		return err ? err : STORE_IO;
	sqlite3_bind_int64(stmt, 2, special);
	r->info.special = special;
	return db_run(&a->db, stmt);
}

/* ---- what changed ---- */

bool metadata_is_known(const struct account *a, uint64_t since)
{
	return a->metadata_modseq <= since;
}

enum store_err metadata_next(struct account *a, int64_t from, int64_t *out)
{
	static const char sql[] = "SELECT min(id) FROM (SELECT min(mailbox) AS id FROM metadata WHERE mailbox>=?1"
				  " UNION ALL SELECT min(id) FROM mailbox WHERE id>=?1 AND special<>0)";
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (stmt)
		sqlite3_bind_int64(stmt, 1, from);
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	bool none = sqlite3_column_type(stmt, 0) == SQLITE_NULL;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return none ? STORE_NOTFOUND : STORE_OK;
}

enum store_err metadata_changes(struct account *a, uint64_t since,
				bool (*each)(void *ctx, uint64_t modseq, int64_t mailbox, const char *names), void *ctx)
{
	int64_t row;
	uint64_t floor;
	if (metadata_is_known(a, since))
		return STORE_OK;
	enum store_err err = changes_floor(a, &floor);
	if (!err && since < floor)
		return STORE_LIMIT;
	if (!err)
		err = changes_first_row(a, since, &row);
	if (err || row == INT64_MAX)
		return err;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT modseq, mailbox, name FROM change WHERE id>=? AND kinds & ?"
						" ORDER BY id");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, row);
		sqlite3_bind_int64(stmt, 2, CHANGE_METADATA);
	}
	while (db_next(&a->db, stmt, &err)) {
		const char *names = (const char *)sqlite3_column_text(stmt, 2);
		if (!names || each(ctx, (uint64_t)sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1), names))
			continue;
		sqlite3_reset(stmt);
		break;
	}
	return err;
}

/* ---- with their mailbox ---- */

static enum store_err bytes_of(struct account *a, int64_t mailbox, int64_t *out)
{
	return read_number(a, prepare(a, "SELECT sum(length(name) + length(value)) FROM metadata WHERE mailbox=?", mailbox, NULL),
			   out);
}

enum store_err metadata_copy(struct account *a, int64_t from, int64_t to)
{
	int64_t bytes;
	enum store_err err = bytes_of(a, from, &bytes);
	if (err || bytes == 0)
		return err;
	if (account_meta(a, bytes_key) + bytes > METADATA_BYTES_MAX)
		return STORE_OVERQUOTA;
	sqlite3_stmt *stmt = prepare(a, "INSERT INTO metadata SELECT ?2, name, value FROM metadata WHERE mailbox=?1", from, NULL);
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 2, to);
	err = db_run(&a->db, stmt);
	return err ? err : add_bytes(a, bytes);
}

enum store_err metadata_drop(struct account *a, int64_t mailbox)
{
	int64_t bytes;
	enum store_err err = bytes_of(a, mailbox, &bytes);
	if (err || bytes == 0)
		return err;
	err = db_run(&a->db, prepare(a, "DELETE FROM metadata WHERE mailbox=?", mailbox, NULL));
	return err ? err : add_bytes(a, -bytes);
}

enum store_err metadata_move(struct account *a, int64_t from, int64_t to)
{
	sqlite3_stmt *stmt = prepare(a, "UPDATE metadata SET mailbox=?2 WHERE mailbox=?1", from, NULL);
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 2, to);
	return db_run(&a->db, stmt);
}
