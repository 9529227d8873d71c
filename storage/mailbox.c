#include "storage/mailbox.h"

#include "storage/adopt.h"
#include "storage/changes.h"
#include "storage/copy.h"
#include "storage/flagset.h"
#include "storage/gone.h"
#include "storage/metadata.h"
#include "storage/roster_private.h"
#include "storage/usage.h"

enum state { STATE_MAILBOX = 0, STATE_NAME_ONLY = 1, STATE_ROOT = 2 };

static enum store_err find_child(struct account *a, int64_t parent, const char *leaf, size_t len, int64_t *id,
				 enum state *state)
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
	*state = sqlite3_column_int(stmt, 1) == STATE_MAILBOX ? STATE_MAILBOX : STATE_NAME_ONLY;
	sqlite3_reset(stmt);
	return STORE_OK;
}

static enum store_err find_any(struct account *a, const char *name, int64_t *id, enum state *state)
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
	enum state state = STATE_MAILBOX;
	enum store_err err = find_any(a, name, out, &state);
	return !err && state != STATE_MAILBOX ? STORE_NOTFOUND : err;
}

enum store_err mailbox_find_name(struct account *a, const char *name, int64_t *out)
{
	enum state state = STATE_MAILBOX;
	return find_any(a, name, out, &state);
}

/* "F" and 100 bits of chance. */
static void make_objectid(char out[MAILBOX_OBJECTID_BYTES])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	unsigned char chance[MAILBOX_OBJECTID_BYTES - 4];
	sqlite3_randomness((int)sizeof(chance), chance);
	out[0] = 'F';
	for (size_t i = 0; i < sizeof(chance); i++)
		out[1 + i] = digits[chance[i] & 31];
	out[1 + sizeof(chance)] = '\0';
}

static enum store_err note_name(struct account *a, int64_t id, enum change_kind kind, const char *name)
{
	struct change *change = account_touch(a, id, kind);
	account_durable(a);
	free(change->name);
	change->name = strdup(name);
	invariant(change->name);
	return STORE_OK;
}

static enum store_err count_rows(struct account *a, const char *sql, int64_t *out)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_IO;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static enum store_err run_with_id(struct account *a, const char *sql, int64_t id)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, id);
	return db_run(&a->db, stmt);
}

static enum store_err insert_mailbox(struct account *a, int64_t parent, const char *leaf, size_t len, uint32_t special,
				     int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO mailbox VALUES(NULL,?1,?2,?3,?4,1,?5,?5,0,0,0,0,0,0,?6,0)");
	char objectid[MAILBOX_OBJECTID_BYTES];
	if (!stmt)
		return STORE_IO;
	make_objectid(objectid);
	sqlite3_bind_int64(stmt, 1, parent);
	sqlite3_bind_text(stmt, 2, leaf, (int)len, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, objectid, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 4, account_next_uidvalidity(a));
	sqlite3_bind_int64(stmt, 5, (int64_t)account_modseq(a));
	sqlite3_bind_int64(stmt, 6, special);
	enum store_err err = db_run(&a->db, stmt);
	*out = sqlite3_last_insert_rowid(a->db.handle);
	return err;
}

/* A name becomes a mailbox: under a new id, since whoever knew the old one is not to mistake this one for it. */
static enum store_err replace_name(struct account *a, int64_t name, int64_t parent, const char *leaf, size_t len,
				   uint32_t special, int64_t *out)
{
	enum store_err err = run_with_id(a, "DELETE FROM mailbox WHERE id=?", name);
	if (!err)
		err = insert_mailbox(a, parent, leaf, len, special, out);
	if (!err)
		err = metadata_move(a, name, *out);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&a->db, "UPDATE mailbox SET parent=? WHERE parent=?");
	if (!stmt)
		return err ? err : STORE_IO;
	sqlite3_bind_int64(stmt, 1, *out);
	sqlite3_bind_int64(stmt, 2, name);
	return db_run(&a->db, stmt);
}

static enum store_err check_name(const char *name)
{
	size_t levels = 1;
	for (const char *at = name; *at; at++)
		levels += *at == '/';
	return levels > MAILBOX_LEVELS_MAX || strlen(name) > MAILBOX_NAME_BYTES_MAX ? STORE_LIMIT : STORE_OK;
}

enum store_err mailbox_create(struct account *a, const char *name, uint32_t special, int64_t *out)
{
	int64_t parent = 0, names = 0;
	enum store_err err = check_name(name);
	if (!err)
		err = count_rows(a, "SELECT count(*) FROM mailbox", &names);
	for (const char *at = name; !err;) {
		size_t len = strcspn(at, "/");
		bool last = at[len] == '\0', makes = false;
		enum state state = STATE_MAILBOX;
		*out = 0;
		err = find_child(a, parent, at, len, out, &state);
		if (err == STORE_NOTFOUND) {
			makes = true;
			err = names++ <= MAILBOX_MAX ? usage_check_mailboxes(a, 1) : STORE_LIMIT; /* the root counts */
		} else if (!err && last) {
			makes = state == STATE_NAME_ONLY;
			err = makes ? usage_check_mailboxes(a, 1) : STORE_EXISTS;
		}
		if (!err && makes) {
			char path[MAILBOX_NAME_BYTES_MAX + 1];
			snprintf(path, sizeof(path), "%.*s", (int)(at + len - name), name);
			err = *out ? replace_name(a, *out, parent, at, len, special, out)
				   : insert_mailbox(a, parent, at, len, last ? special : 0, out);
			if (!err)
				err = note_name(a, *out, CHANGE_MADE, path);
		}
		if (last)
			return err;
		parent = *out;
		at += len + 1;
	}
	return err;
}

static enum store_err count_children(struct account *a, int64_t id, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT count(*) FROM mailbox WHERE parent=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_IO;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err mailbox_has_children(struct account *a, int64_t id, bool *out)
{
	int64_t n = 0;
	enum store_err err = count_children(a, id, &n);
	*out = n > 0;
	return err;
}

static enum store_err parent_of(struct account *a, int64_t id, int64_t *parent, enum state *state)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT parent, state FROM mailbox WHERE id=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	*parent = sqlite3_column_int64(stmt, 0);
	*state = (enum state)sqlite3_column_int(stmt, 1);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* Names without mailbox go with their last child. */
static enum store_err drop_empty_names(struct account *a, int64_t id)
{
	while (id) {
		int64_t parent, children;
		enum state state;
		enum store_err err = parent_of(a, id, &parent, &state);
		if (!err)
			err = count_children(a, id, &children);
		if (err || state != STATE_NAME_ONLY || children)
			return err;
		err = metadata_drop(a, id);
		if (!err)
			err = run_with_id(a, "DELETE FROM mailbox WHERE id=?", id);
		if (err)
			return err;
		id = parent;
	}
	return STORE_OK;
}

static enum store_err bury_all(struct account *a, int64_t id)
{
	struct roster *r;
	enum store_err err = roster_get(a, id, &r);
	if (err)
		return err;
	uint32_t n = r->uids.n, *indexes = xmalloc(n * sizeof(*indexes));
	for (uint32_t i = 0; i < n; i++)
		indexes[i] = i;
	err = gone_bury(a, r, indexes, n);
	free(indexes);
	if (err)
		return err;
	usage_subtract(a, r->info.bytes, n);
	roster_drop(a, id);
	sqlite3_stmt *stmt = db_prepare(&a->db, "DELETE FROM segment WHERE id BETWEEN ? AND ?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, segment_key(id, 0));
	sqlite3_bind_int64(stmt, 2, segment_key(id, UINT32_MAX));
	return db_run(&a->db, stmt);
}

enum store_err mailbox_delete(struct account *a, const char *name)
{
	int64_t id, parent = 0, children = 0;
	enum state state = STATE_MAILBOX;
	if (strcmp(name, "INBOX") == 0)
		return STORE_CANNOT;
	enum store_err err = find_any(a, name, &id, &state);
	if (!err && state == STATE_NAME_ONLY)
		return STORE_HASCHILDREN;
	if (!err)
		err = count_children(a, id, &children);
	if (!err)
		err = parent_of(a, id, &parent, &state);
	if (!err)
		err = note_name(a, id, CHANGE_DELETED, name);
	if (!err)
		err = bury_all(a, id);
	if (!err)
		err = metadata_drop(a, id);
	if (err)
		return err;
	if (children)
		return run_with_id(a, "UPDATE mailbox SET state=1, special=0, messages=0, unseen=0, deleted=0, bytes=0"
				      " WHERE id=?", id);
	err = run_with_id(a, "DELETE FROM mailbox WHERE id=?", id);
	return err ? err : drop_empty_names(a, parent);
}

static enum store_err note_renamed(struct account *a, int64_t id, const char *from, const char *to)
{
	char both[2 * MAILBOX_NAME_BYTES_MAX + 2];
	snprintf(both, sizeof(both), "%s\n%s", to, from);
	return note_name(a, id, CHANGE_RENAMED, both);
}

static enum store_err rename_inbox(struct account *a, const char *to)
{
	int64_t inbox, target;
	enum store_err err = mailbox_find(a, "INBOX", &inbox);
	if (!err)
		err = mailbox_create(a, to, 0, &target);
	if (!err)
		err = note_renamed(a, target, "INBOX", to);
	if (!err)
		err = metadata_copy(a, inbox, target);
	struct uidset all = {0};
	uidset_append(&all, 1, UINT32_MAX);
	struct copy_result result = {0};
	if (!err)
		err = messages_move(a, inbox, &all, target, &result);
	copy_result_finish(&result);
	uidset_finish(&all);
	return err;
}

/* The tree below `id` fits below its new name too. */
static enum store_err check_tree(struct account *a, int64_t id, const char *to)
{
	sqlite3_stmt *stmt = db_prepare(
		&a->db, "WITH RECURSIVE tree(id, bytes, levels) AS (SELECT ?1, 0, 0 UNION ALL"
			" SELECT m.id, t.bytes + 1 + length(CAST(m.leaf AS BLOB)), t.levels + 1 FROM mailbox m"
			" JOIN tree t ON m.parent=t.id) SELECT max(bytes), max(levels) FROM tree");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_IO;
	size_t bytes = (size_t)sqlite3_column_int64(stmt, 0), levels = 1 + (size_t)sqlite3_column_int64(stmt, 1);
	sqlite3_reset(stmt);
	for (const char *at = to; *at; at++)
		levels += *at == '/';
	return levels > MAILBOX_LEVELS_MAX || strlen(to) + bytes > MAILBOX_NAME_BYTES_MAX ? STORE_LIMIT : STORE_OK;
}

/* The row below which `to` will stand. */
static enum store_err make_parent(struct account *a, const char *to, int64_t *out)
{
	const char *leaf = strrchr(to, '/');
	enum state state;
	char name[MAILBOX_NAME_BYTES_MAX + 1];
	*out = 0;
	if (!leaf)
		return STORE_OK;
	snprintf(name, sizeof(name), "%.*s", (int)(leaf - to), to);
	enum store_err err = find_any(a, name, out, &state);
	return err == STORE_NOTFOUND ? mailbox_create(a, name, 0, out) : err;
}

enum store_err mailbox_rename(struct account *a, const char *from, const char *to)
{
	int64_t id, taken, parent = 0, old_parent = 0;
	enum state state = STATE_MAILBOX;
	size_t from_len = strlen(from);
	enum store_err err = find_any(a, from, &id, &state);
	if (err)
		return err;
	bool inbox = strcmp(from, "INBOX") == 0;
	if (!inbox && strncmp(to, from, from_len) == 0 && to[from_len] == '/')
		return STORE_CANNOT;
	err = find_any(a, to, &taken, &state);
	if (err != STORE_NOTFOUND)
		return err ? err : STORE_EXISTS;
	if (inbox)
		return rename_inbox(a, to);
	err = check_tree(a, id, to);
	if (!err)
		err = parent_of(a, id, &old_parent, &state);
	if (!err)
		err = make_parent(a, to, &parent);
	if (!err)
		err = mailbox_unshare(a, id);
	if (!err)
		err = note_renamed(a, id, from, to);
	if (err)
		return err;
	const char *leaf = strrchr(to, '/');
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET parent=?, leaf=? WHERE id=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, parent);
	sqlite3_bind_text(stmt, 2, leaf ? leaf + 1 : to, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, id);
	err = db_run(&a->db, stmt);
	return err ? err : drop_empty_names(a, old_parent);
}

static enum store_err change_subscription(struct account *a, const char *sql, const char *name, enum change_kind kind)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	enum store_err err = db_run(&a->db, stmt);
	return err || sqlite3_changes(a->db.handle) == 0 ? err : note_name(a, 0, kind, name);
}

enum store_err subscription_add(struct account *a, const char *name)
{
	int64_t n;
	enum store_err err = count_rows(a, "SELECT count(*) FROM subscription", &n);
	if (!err && n >= SUBSCRIPTION_MAX)
		err = STORE_LIMIT;
	return err ? err : change_subscription(a, "INSERT OR IGNORE INTO subscription VALUES(?)", name, CHANGE_SUBSCRIBED);
}

enum store_err subscription_find(struct account *a, const char *name)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT 1 FROM subscription WHERE name=?");
	if (stmt)
		sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err subscription_remove(struct account *a, const char *name)
{
	return change_subscription(a, "DELETE FROM subscription WHERE name=?", name, CHANGE_UNSUBSCRIBED);
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

struct mailbox_info mailbox_read(sqlite3_stmt *stmt, int64_t id, int at)
{
	const char *objectid = (const char *)sqlite3_column_text(stmt, at + 11);
	struct mailbox_info info = {.id = id,
				     .uidvalidity = (uint32_t)sqlite3_column_int64(stmt, at),
				     .uidnext = (uint32_t)sqlite3_column_int64(stmt, at + 1),
				     .modseq = (uint64_t)sqlite3_column_int64(stmt, at + 2),
				     .floor = (uint64_t)sqlite3_column_int64(stmt, at + 3),
				     .expunge_modseq = (uint64_t)sqlite3_column_int64(stmt, at + 4),
				     .messages = (uint32_t)sqlite3_column_int64(stmt, at + 5),
				     .unseen = (uint32_t)sqlite3_column_int64(stmt, at + 6),
				     .deleted = (uint32_t)sqlite3_column_int64(stmt, at + 7),
				     .bytes = (uint64_t)sqlite3_column_int64(stmt, at + 8),
				     .recent = (uint32_t)sqlite3_column_int64(stmt, at + 9),
				     .special = (uint32_t)sqlite3_column_int64(stmt, at + 10)};
	snprintf(info.objectid, sizeof(info.objectid), "%s", objectid ? objectid : "");
	return info;
}

enum store_err mailbox_row(struct account *a, int64_t id, struct mailbox_info *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT " MAILBOX_INFO_COLUMNS " FROM mailbox WHERE id=? AND state<>1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	*out = (struct mailbox_info){0};
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = mailbox_read(stmt, id, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err mailbox_info(struct account *a, int64_t id, struct mailbox_info *out)
{
	const struct roster *r = roster_loaded(a, id);
	if (!r)
		return id ? mailbox_row(a, id, out) : STORE_NOTFOUND;
	*out = r->info;
	return STORE_OK;
}

enum store_err mailbox_recent(struct account *a, int64_t id, uint32_t *out)
{
	struct mailbox_info info;
	struct roster *r;
	enum store_err err = mailbox_info(a, id, &info);
	*out = 0;
	if (err || info.messages == 0 || info.recent + 1 >= info.uidnext)
		return err;
	err = roster_get(a, id, &r);
	if (!err)
		*out = r->uids.n - roster_lower(r, info.recent + 1);
	return err;
}

enum store_err mailbox_deleted_bytes(struct account *a, int64_t id, uint64_t *out)
{
	struct mailbox_info info;
	struct roster *r;
	enum store_err err = mailbox_info(a, id, &info);
	*out = 0;
	if (err || info.deleted == 0)
		return err;
	err = roster_get(a, id, &r);
	for (uint32_t k = 0; !err && k < r->segments_n; k++) {
		const struct segment *s = &r->segments[k];
		const struct message_columns c = segment_columns(s);
		for (uint32_t i = 0; s->deleted && i < s->count; i++)
			*out += flagset_system(a, c.flagset[i]) & FLAG_DELETED ? c.size[i] : 0;
	}
	return err;
}

enum store_err mailbox_objectid(struct account *a, int64_t id, char out[MAILBOX_OBJECTID_BYTES])
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT objectid FROM mailbox WHERE id=? AND state=0");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	snprintf(out, MAILBOX_OBJECTID_BYTES, "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err mailbox_path(struct account *a, int64_t id, char out[MAILBOX_NAME_BYTES_MAX + 1])
{
	size_t at = MAILBOX_NAME_BYTES_MAX;
	out[at] = '\0';
	do {
		sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT parent, leaf FROM mailbox WHERE id=? AND state<>2");
		if (stmt)
			sqlite3_bind_int64(stmt, 1, id);
		enum store_err err;
		if (!db_next(&a->db, stmt, &err))
			return err ? err : STORE_NOTFOUND;
		id = sqlite3_column_int64(stmt, 0);
		size_t len = (size_t)sqlite3_column_bytes(stmt, 1), slash = out[at] != '\0';
		bool fits = len && len + slash <= at;
		if (fits && slash)
			out[--at] = '/';
		if (fits)
			memcpy(out + (at -= len), sqlite3_column_text(stmt, 1), len);
		sqlite3_reset(stmt);
		if (!fits)
			return STORE_CORRUPT;
	} while (id);
	memmove(out, out + at, MAILBOX_NAME_BYTES_MAX + 1 - at);
	return STORE_OK;
}
