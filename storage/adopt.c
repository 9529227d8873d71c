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

/* A mailbox that never had a message can as well have another one. */
static enum store_err make_way(struct account *a, int64_t other, bool *clashes)
{
	struct roster *r;
	enum store_err err = roster_get(a, other, &r);
	*clashes = !err && r->info.uidnext != 1;
	return err || *clashes ? err : write_uidvalidity(a, r, a->last_uidvalidity + 1);
}

enum store_err mailbox_adopt(struct account *a, int64_t mailbox, uint32_t uidvalidity, bool *taken)
{
	struct roster *r;
	bool clashes = false;
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
		err = make_way(a, other, &clashes);
	if (err || clashes)
		return err;
	err = write_uidvalidity(a, r, uidvalidity);
	*taken = !err;
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
