#include "storage/removed.h"

#include "storage/app_password.h"
#include "storage/directory_private.h"
#include "storage/setting.h"

enum store_err directory_domain_forget(struct directory *d, const char *domain)
{
	char owner[ADDRESS_DOMAIN_MAX + 2];
	snprintf(owner, sizeof(owner), "@%s", domain);
	enum store_err err = directory_settings_drop(d, owner);
	if (!err)
		err = directory_run(d, "DELETE FROM alias WHERE substr(address, instr(address, '@') + 1)=?", domain);
	return err ? err : directory_run(d, "DELETE FROM removed_domain WHERE name=?", domain);
}

enum store_err directory_domain_add(struct directory *d, const char *domain)
{
	enum store_err err = directory_run(d, "INSERT INTO domain VALUES(?)", domain);
	return err ? err : directory_domain_forget(d, domain);
}

enum store_err directory_domain_remove(struct directory *d, const char *domain, int64_t now_s)
{
	enum store_err err = directory_has_domain(d, domain);
	if (err)
		return err;
	err = directory_exists(d, "SELECT 1 FROM user WHERE domain=?", domain, STORE_NOTFOUND);
	if (err != STORE_NOTFOUND)
		return err ? err : STORE_HASCHILDREN;
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT OR REPLACE INTO removed_domain VALUES(?,?)");
	directory_bind(stmt, 1, domain);
	if (stmt)
		sqlite3_bind_int64(stmt, 2, now_s);
	err = db_run(&d->db, stmt);
	return err ? err : directory_run(d, "DELETE FROM domain WHERE name=?", domain);
}

enum store_err directory_was_domain(struct directory *d, const char *domain)
{
	enum store_err err = directory_exists(d, "SELECT 1 FROM removed_domain WHERE name=?", domain, STORE_NOTFOUND);
	return err == STORE_NOTFOUND ? directory_exists(d, "SELECT 1 FROM removed WHERE substr(address, -length(?1) - 1)='@' || ?1",
							domain, STORE_NOTFOUND)
				     : err;
}

enum store_err directory_domain_restore(struct directory *d, const char *domain)
{
	enum store_err err = directory_exists(d, "SELECT 1 FROM removed_domain WHERE name=?", domain, STORE_NOTFOUND);
	if (!err)
		err = directory_run(d, "INSERT INTO domain VALUES(?)", domain);
	return err ? err : directory_run(d, "DELETE FROM removed_domain WHERE name=?", domain);
}

enum store_err directory_removed_domains(struct directory *d, void (*each)(void *ctx, const char *name, int64_t at_s), void *ctx)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT name, at FROM removed_domain ORDER BY name");
	enum store_err err;
	while (db_next(&d->db, stmt, &err))
		each(ctx, (const char *)sqlite3_column_text(stmt, 0), sqlite3_column_int64(stmt, 1));
	return err;
}

enum store_err directory_user_remove(struct directory *d, const char *address, int64_t now_s, bool with_domain,
				     char out_account[DIRECTORY_ACCOUNT_LEN + 1])
{
	enum store_err err = directory_account_of(d, address, out_account);
	if (err)
		return err;
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT INTO removed VALUES(?,?,?,?,0)");
	directory_bind(stmt, 1, out_account);
	directory_bind(stmt, 2, address);
	if (stmt) {
		sqlite3_bind_int64(stmt, 3, now_s);
		sqlite3_bind_int(stmt, 4, with_domain);
	}
	err = db_run(&d->db, stmt);
	if (!err)
		err = directory_app_passwords_drop(d, out_account);
	return err ? err : directory_run(d, "DELETE FROM user WHERE address=?", address);
}

static void read_row(sqlite3_stmt *stmt, struct removed_user *out)
{
	snprintf(out->account, sizeof(out->account), "%s", (const char *)sqlite3_column_text(stmt, 0));
	snprintf(out->address, sizeof(out->address), "%s", (const char *)sqlite3_column_text(stmt, 1));
	out->at_s = sqlite3_column_int64(stmt, 2);
	out->with_domain = sqlite3_column_int(stmt, 3) != 0;
	out->purging = sqlite3_column_int(stmt, 4) != 0;
}

/* The last one of that address. */
static enum store_err find(struct directory *d, const char *address, bool also_purging, struct removed_user *out)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT account, address, at, with_domain, purging FROM removed"
						" WHERE address=? AND purging<=? ORDER BY at DESC LIMIT 1");
	enum store_err err;
	directory_bind(stmt, 1, address);
	if (stmt)
		sqlite3_bind_int(stmt, 2, also_purging);
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	read_row(stmt, out);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_removed_find(struct directory *d, const char *address, struct removed_user *out)
{
	return find(d, address, true, out);
}

enum store_err directory_user_restore(struct directory *d, const char *address)
{
	struct removed_user user;
	enum store_err err = find(d, address, false, &user);
	if (!err)
		err = directory_has_domain(d, address_domain(address));
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&d->db, "INSERT INTO user VALUES(?,?,?)");
	directory_bind(stmt, 1, address);
	directory_bind(stmt, 2, address_domain(address));
	directory_bind(stmt, 3, user.account);
	if (!err)
		err = db_run(&d->db, stmt);
	return err ? err : directory_run(d, "DELETE FROM removed WHERE account=?", user.account);
}

enum store_err directory_removed(struct directory *d, const char *domain, const char *after,
				 bool (*each)(void *ctx, const struct removed_user *user), void *ctx)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT account, address, at, with_domain, purging FROM removed WHERE account>?1"
						" AND (?2 IS NULL OR substr(address, -length(?2) - 1)='@' || ?2) ORDER BY account");
	struct removed_user user;
	enum store_err err;
	directory_bind(stmt, 1, after);
	if (domain)
		directory_bind(stmt, 2, domain);
	else if (stmt)
		sqlite3_bind_null(stmt, 2);
	while (db_next(&d->db, stmt, &err)) {
		read_row(stmt, &user);
		if (!each(ctx, &user)) {
			sqlite3_reset(stmt);
			break;
		}
	}
	return err;
}

enum store_err directory_purge_begin(struct directory *d, const char *account)
{
	enum store_err err = directory_exists(d, "SELECT 1 FROM removed WHERE account=?", account, STORE_NOTFOUND);
	return err ? err : directory_run(d, "UPDATE removed SET purging=1 WHERE account=?", account);
}

enum store_err directory_purge_end(struct directory *d, const char *account)
{
	static const char *const of_it[] = {"DELETE FROM credential WHERE account=?", "DELETE FROM setting WHERE owner=?",
					    "DELETE FROM usage WHERE account=?", "DELETE FROM removed WHERE account=?"};
	enum store_err err = directory_app_passwords_drop(d, account);
	for (size_t i = 0; i < countof(of_it) && !err; i++)
		err = directory_run(d, of_it[i], account);
	return err;
}
