#include "storage/adopt.h"

#include "storage/changes.h"
#include "storage/roster.h"

/* The other mailbox that has this UIDVALIDITY; 0: none. */
static enum store_err find_other(struct account *a, int64_t mailbox, uint32_t uidvalidity, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id FROM mailbox WHERE uidvalidity=? AND id<>? AND state=0 AND id>0");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, uidvalidity);
		sqlite3_bind_int64(stmt, 2, mailbox);
	}
	enum store_err err;
	*out = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static enum store_err write_uidvalidity(struct account *a, struct roster *r, uint32_t uidvalidity)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET uidvalidity=? WHERE id=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, uidvalidity);
	sqlite3_bind_int64(stmt, 2, r->info.id);
	/* Whoever remembers the mailbox as it was hears that nothing is as it was. */
	roster_changed(a, r, CHANGE_RESTAMPED);
	r->info.uidvalidity = uidvalidity;
	if (uidvalidity > a->last_uidvalidity)
		a->last_uidvalidity = uidvalidity;
	account_durable(a);
	return db_run(&a->db, stmt);
}

/* Row of `meta`: mailboxes have, or have had, this UIDVALIDITY together. */
static enum store_err note_shared(struct account *a, uint32_t uidvalidity)
{
	char key[32];
	snprintf(key, sizeof(key), "shared:%u", uidvalidity);
	return account_set_meta(a, key, 1);
}

enum store_err mailbox_adopt(struct account *a, int64_t mailbox, uint32_t uidvalidity, bool *taken)
{
	struct roster *r;
	*taken = false;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err || uidvalidity == 0)
		return err;
	*taken = r->info.uidvalidity == uidvalidity;
	if (*taken || r->info.uidnext != 1)
		return STORE_OK;
	int64_t other;
	err = find_other(a, mailbox, uidvalidity, &other);
	if (!err && other)
		err = note_shared(a, uidvalidity);
	if (!err)
		err = write_uidvalidity(a, r, uidvalidity);
	*taken = !err;
	return err;
}

/* One of the tree below `top` whose UIDVALIDITY others have, too; 0: there is none. */
static enum store_err find_sharing(struct account *a, int64_t top, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "WITH RECURSIVE tree(id) AS (SELECT ?1 UNION SELECT m.id FROM mailbox m"
						" JOIN tree t ON m.parent=t.id) SELECT m.id FROM tree JOIN mailbox m USING (id)"
						" WHERE m.state=0 AND EXISTS(SELECT 1 FROM meta"
						" WHERE key='shared:' || m.uidvalidity) LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, top);
	enum store_err err;
	*out = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err mailbox_unshare(struct account *a, int64_t top)
{
	struct roster *r;
	int64_t id;
	enum store_err err = find_sharing(a, top, &id);
	while (!err && id) {
		err = roster_get(a, id, &r);
		if (!err)
			err = write_uidvalidity(a, r, a->last_uidvalidity + 1);
		if (!err)
			err = find_sharing(a, top, &id);
	}
	return err;
}

enum store_err mailbox_raise_uidnext(struct account *a, int64_t mailbox, uint32_t uidnext)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err || uidnext <= r->info.uidnext)
		return err;
	roster_changed(a, r, 0);
	r->info.uidnext = uidnext;
	account_durable(a);
	return STORE_OK;
}
