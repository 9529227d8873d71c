/* What accounts took when it was written down last (directory.h). */
#include "storage/directory_private.h"

#include "storage/setting.h"

/* One number; 0 when there is no row. */
static enum store_err read_number(struct directory *d, sqlite3_stmt *stmt, int64_t *out)
{
	enum store_err err;
	*out = 0;
	if (!db_next(&d->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_usage_record(struct directory *d, const char *account, int64_t bytes)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT OR REPLACE INTO usage VALUES(?,?)");
	directory_bind(stmt, 1, account);
	if (stmt)
		sqlite3_bind_int64(stmt, 2, bytes);
	return db_run(&d->db, stmt);
}

enum store_err directory_usage_of(struct directory *d, const char *account, int64_t *out_bytes)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT bytes FROM usage WHERE account=?");
	directory_bind(stmt, 1, account);
	return read_number(d, stmt, out_bytes);
}

enum store_err directory_usage_of_domain(struct directory *d, const char *domain, int64_t *out_bytes)
{
	sqlite3_stmt *stmt =
		db_prepare(&d->db, "SELECT coalesce(sum(bytes), 0) FROM user JOIN usage USING(account) WHERE domain=?");
	directory_bind(stmt, 1, domain);
	return read_number(d, stmt, out_bytes);
}

enum store_err directory_usage_by_domain(struct directory *d, void (*each)(void *ctx, const char *domain, int64_t bytes),
					 void *ctx)
{
	sqlite3_stmt *stmt =
		db_prepare(&d->db, "SELECT domain, sum(bytes) FROM user JOIN usage USING(account) GROUP BY domain");
	enum store_err err;
	while (db_next(&d->db, stmt, &err))
		each(ctx, (const char *)sqlite3_column_text(stmt, 0), sqlite3_column_int64(stmt, 1));
	return err;
}

enum store_err directory_usage_set_time(struct directory *d, int64_t now_s)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT OR REPLACE INTO meta VALUES('usage_at', ?)");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, now_s);
	return db_run(&d->db, stmt);
}

enum store_err directory_usage_time(struct directory *d, int64_t *out_s)
{
	return read_number(d, db_prepare(&d->db, "SELECT value FROM meta WHERE key='usage_at'"), out_s);
}

enum store_err directory_allowed(struct directory *d, const char *domain, int64_t standard, int64_t *out_bytes,
				 int64_t *out_unlimited)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT coalesce(sum(coalesce(value, ?2)), 0), count(*) FILTER (WHERE"
						" coalesce(value, ?2)=0) FROM user LEFT JOIN setting ON owner=account AND"
						" name=?3 WHERE domain=?1");
	enum store_err err;
	*out_bytes = *out_unlimited = 0;
	directory_bind(stmt, 1, domain);
	if (stmt)
		sqlite3_bind_int64(stmt, 2, standard);
	directory_bind(stmt, 3, setting_table[SETTING_QUOTA_STORAGE].name);
	if (!db_next(&d->db, stmt, &err))
		return err;
	*out_bytes = sqlite3_column_int64(stmt, 0);
	*out_unlimited = sqlite3_column_int64(stmt, 1);
	sqlite3_reset(stmt);
	return STORE_OK;
}
