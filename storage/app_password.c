#include "storage/app_password.h"

#include "storage/directory_private.h"

#define COLUMNS "id, account, label, hash, protocols, networks, capabilities_off, made, expires, used"

static void bind_number(sqlite3_stmt *stmt, int at, int64_t number)
{
	if (stmt)
		sqlite3_bind_int64(stmt, at, number);
}

static enum store_err count(struct directory *d, const char *account, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT count(*) FROM app_password WHERE account=?");
	directory_bind(stmt, 1, account);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_app_password_add(struct directory *d, const struct app_password *p)
{
	int64_t there;
	enum store_err err = count(d, p->account, &there);
	if (err || there >= APP_PASSWORDS_MAX)
		return err ? err : STORE_LIMIT;
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT INTO app_password(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?)");
	directory_bind(stmt, 1, p->id);
	directory_bind(stmt, 2, p->account);
	directory_bind(stmt, 3, p->label);
	if (stmt)
		sqlite3_bind_blob(stmt, 4, p->hash, sizeof(p->hash), SQLITE_STATIC);
	bind_number(stmt, 5, p->protocols);
	directory_bind(stmt, 6, p->networks);
	directory_bind(stmt, 7, p->capabilities_off);
	bind_number(stmt, 8, p->made_s);
	bind_number(stmt, 9, p->expires_s);
	bind_number(stmt, 10, p->used_s);
	return db_run(&d->db, stmt);
}

static void take_text(sqlite3_stmt *stmt, int at, char *out, size_t size)
{
	const unsigned char *text = sqlite3_column_text(stmt, at);
	snprintf(out, size, "%s", text ? (const char *)text : "");
}

/* False: the row is not one we wrote. */
static bool take(sqlite3_stmt *stmt, struct app_password *out)
{
	*out = (struct app_password){.protocols = (unsigned)sqlite3_column_int(stmt, 4) & APP_PASSWORD_ALL,
				     .made_s = sqlite3_column_int64(stmt, 7),
				     .expires_s = sqlite3_column_int64(stmt, 8),
				     .used_s = sqlite3_column_int64(stmt, 9)};
	take_text(stmt, 0, out->id, sizeof(out->id));
	take_text(stmt, 1, out->account, sizeof(out->account));
	take_text(stmt, 2, out->label, sizeof(out->label));
	take_text(stmt, 5, out->networks, sizeof(out->networks));
	take_text(stmt, 6, out->capabilities_off, sizeof(out->capabilities_off));
	if (sqlite3_column_bytes(stmt, 3) != APP_PASSWORD_HASH_BYTES)
		return false;
	memcpy(out->hash, sqlite3_column_blob(stmt, 3), APP_PASSWORD_HASH_BYTES);
	return true;
}

enum store_err directory_app_password_find(struct directory *d, const char *id, struct app_password *out)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT " COLUMNS " FROM app_password WHERE id=?");
	directory_bind(stmt, 1, id);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	bool sound = take(stmt, out);
	sqlite3_reset(stmt);
	return sound ? STORE_OK : STORE_CORRUPT;
}

enum store_err directory_app_passwords(struct directory *d, const char *account,
				       void (*each)(void *ctx, const struct app_password *p), void *ctx)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT " COLUMNS " FROM app_password WHERE account=? ORDER BY label");
	directory_bind(stmt, 1, account);
	enum store_err err;
	bool sound = true;
	while (db_next(&d->db, stmt, &err)) {
		struct app_password p;
		if (take(stmt, &p))
			each(ctx, &p);
		else
			sound = false;
	}
	return err || sound ? err : STORE_CORRUPT;
}

enum store_err directory_app_password_remove(struct directory *d, const char *account, const char *which,
					     char out_id[APP_PASSWORD_ID_LEN + 1])
{
	/* A label may look like an id: then it is the id that is meant. */
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT id FROM app_password WHERE account=?1 AND (id=?2 OR label=?2)"
						" ORDER BY id=?2 DESC LIMIT 1");
	directory_bind(stmt, 1, account);
	directory_bind(stmt, 2, which);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	take_text(stmt, 0, out_id, APP_PASSWORD_ID_LEN + 1);
	sqlite3_reset(stmt);
	return directory_run(d, "DELETE FROM app_password WHERE id=?", out_id);
}

enum store_err directory_app_password_used(struct directory *d, const char *id, int64_t now_s)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "UPDATE app_password SET used=? WHERE id=?");
	bind_number(stmt, 1, now_s);
	directory_bind(stmt, 2, id);
	return db_run(&d->db, stmt);
}

enum store_err directory_app_passwords_drop(struct directory *d, const char *account)
{
	return directory_run(d, "DELETE FROM app_password WHERE account=?", account);
}
