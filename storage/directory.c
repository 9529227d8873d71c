#include "storage/directory.h"

enum { DIRECTORY_ID = 0x526f6f64 }; /* "Rood" */

struct directory {
	struct db db;
};

static const char schema[] =
	"CREATE TABLE domain(name TEXT PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID;"
	"CREATE TABLE user(address TEXT PRIMARY KEY COLLATE NOCASE, account TEXT NOT NULL UNIQUE, hash TEXT NOT NULL)"
	" WITHOUT ROWID;";

enum store_err directory_open(const struct store_env *env, const char *path, struct directory **out)
{
	struct directory *d = xcalloc(1, sizeof(*d));
	static const struct db_options options = {.application_id = DIRECTORY_ID, .version = 1, .schema = schema,
						  .create = true};
	enum store_err err = db_open(&d->db, env, path, &options);
	if (err) {
		free(d);
		return err;
	}
	*out = d;
	return STORE_OK;
}

void directory_close(struct directory *d)
{
	if (!d)
		return;
	db_close(&d->db);
	free(d);
}

enum store_err directory_begin(struct directory *d)
{
	return db_begin(&d->db, POINT_DIRECTORY_BEGIN);
}

enum store_err directory_commit(struct directory *d)
{
	enum store_err err = db_commit(&d->db, POINT_DIRECTORY_COMMIT);
	return err ? err : db_sync(&d->db, POINT_DIRECTORY_SYNC);
}

enum store_err directory_domain_add(struct directory *d, const char *domain)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT INTO domain VALUES(?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_text(stmt, 1, domain, -1, SQLITE_STATIC);
	return db_run(&d->db, stmt);
}

enum store_err directory_user_add(struct directory *d, const char *address, const char *account, const char *hash)
{
	const char *at = strrchr(address, '@');
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT 1 FROM domain WHERE name=?");
	if (!at || !stmt)
		return at ? STORE_IO : STORE_NOTFOUND;
	sqlite3_bind_text(stmt, 1, at + 1, -1, SQLITE_STATIC);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	sqlite3_reset(stmt);
	stmt = db_prepare(&d->db, "INSERT INTO user VALUES(?,?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_text(stmt, 1, address, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, account, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, hash, -1, SQLITE_STATIC);
	return db_run(&d->db, stmt);
}

enum store_err directory_user_find(struct directory *d, const char *address, struct directory_user *out)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT account, hash FROM user WHERE address=?");
	if (stmt)
		sqlite3_bind_text(stmt, 1, address, -1, SQLITE_STATIC);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	snprintf(out->account, sizeof(out->account), "%s", (const char *)sqlite3_column_text(stmt, 0));
	snprintf(out->hash, sizeof(out->hash), "%s", (const char *)sqlite3_column_text(stmt, 1));
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_list(struct directory *d, bool domains, void (*each)(void *, const char *), void *ctx)
{
	sqlite3_stmt *stmt = domains ? db_prepare(&d->db, "SELECT name FROM domain ORDER BY name")
				     : db_prepare(&d->db, "SELECT address FROM user ORDER BY address");
	enum store_err err;
	while (db_next(&d->db, stmt, &err))
		each(ctx, (const char *)sqlite3_column_text(stmt, 0));
	return err;
}
