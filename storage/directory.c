#include "storage/directory_private.h"

#include "storage/app_password.h"
#include "storage/setting.h"

enum { DIRECTORY_ID = 0x526f6f64 }; /* "Rood" */

/* hex(randomblob()) is SQLite's own generator, seeded from the system's: 128 bits never repeat. */
static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('key', randomblob(32));"
	"CREATE TABLE domain(name TEXT PRIMARY KEY) WITHOUT ROWID;"
	"CREATE TABLE user(address TEXT PRIMARY KEY, domain TEXT NOT NULL, account TEXT NOT NULL UNIQUE) WITHOUT ROWID;"
	"CREATE INDEX user_domain ON user(domain);"
	"CREATE TABLE credential(account TEXT NOT NULL, label TEXT NOT NULL, hash TEXT NOT NULL,"
	" scram_sha1 TEXT NOT NULL, scram_sha256 TEXT NOT NULL, PRIMARY KEY(account, label)) WITHOUT ROWID;"
	"CREATE TABLE app_password(id TEXT PRIMARY KEY, account TEXT NOT NULL, label TEXT NOT NULL, hash BLOB NOT NULL,"
	" protocols INTEGER NOT NULL, networks TEXT NOT NULL, capabilities_off TEXT NOT NULL, made INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, used INTEGER NOT NULL, UNIQUE(account, label)) WITHOUT ROWID;"
	"CREATE TABLE removed(account TEXT PRIMARY KEY, address TEXT NOT NULL, at INTEGER NOT NULL,"
	" with_domain INTEGER NOT NULL, purging INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE removed_domain(name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE alias(address TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY(address, target)) WITHOUT ROWID;"
	"CREATE INDEX alias_target ON alias(target);"
	"CREATE TABLE setting(owner TEXT NOT NULL, name TEXT NOT NULL, value NOT NULL," /* a number, or names */
	" PRIMARY KEY(owner, name)) WITHOUT ROWID;"
	"CREATE TABLE usage(account TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;";

static enum store_err open_as(const struct store_env *env, const char *path, bool read_only, struct directory **out)
{
	const struct db_options options = {.application_id = DIRECTORY_ID, .version = 1, .schema = schema,
					   .create = !read_only, .shared = true, .read_only = read_only};
	*out = NULL;
	struct directory *d = xcalloc(1, sizeof(*d));
	enum store_err err = db_open(&d->db, env, path, &options);
	if (err) {
		if (env->open_failed)
			env->open_failed(env->ctx, path, d->db.fault);
		directory_close(d);
		return err;
	}
	*out = d;
	return STORE_OK;
}

enum store_err directory_open(const struct store_env *env, const char *path, struct directory **out)
{
	return open_as(env, path, false, out);
}

enum store_err directory_open_reader(const struct store_env *env, const char *path, struct directory **out)
{
	return open_as(env, path, true, out);
}

void directory_close(struct directory *d)
{
	if (!d)
		return;
	db_close(&d->db);
	free(d);
}

const char *directory_fault(const struct directory *d)
{
	return d->db.fault;
}

bool directory_is_broken(const struct directory *d)
{
	return d->db.broken;
}

enum store_err directory_begin(struct directory *d)
{
	return db_begin(&d->db, POINT_DIRECTORY_BEGIN);
}

enum store_err directory_end(struct directory *d, bool ok)
{
	if (!ok) {
		db_rollback(&d->db);
		return STORE_OK;
	}
	enum store_err err = db_commit(&d->db, POINT_DIRECTORY_COMMIT);
	return err ? err : db_sync(&d->db, POINT_DIRECTORY_SYNC);
}

void directory_hold(struct directory *d)
{
	db_hold(&d->db);
}

void directory_let_go(struct directory *d)
{
	db_let_go(&d->db);
}

enum store_err directory_exists(struct directory *d, const char *sql, const char *text, enum store_err when_missing)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, sql);
	directory_bind(stmt, 1, text);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : when_missing;
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_has_domain(struct directory *d, const char *domain)
{
	return directory_exists(d, "SELECT 1 FROM domain WHERE name=?", domain, STORE_NOTFOUND);
}

enum store_err directory_run(struct directory *d, const char *sql, const char *text)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, sql);
	directory_bind(stmt, 1, text);
	return db_run(&d->db, stmt);
}

static enum store_err set_credential(struct directory *d, const char *account, const struct directory_secrets *secrets)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT OR REPLACE INTO credential VALUES(?,'',?,?,?)");
	directory_bind(stmt, 1, account);
	directory_bind(stmt, 2, secrets->hash);
	directory_bind(stmt, 3, secrets->scram_sha1);
	directory_bind(stmt, 4, secrets->scram_sha256);
	return db_run(&d->db, stmt);
}

enum store_err directory_account_of(struct directory *d, const char *address, char out[DIRECTORY_ACCOUNT_LEN + 1])
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT account FROM user WHERE address=?");
	directory_bind(stmt, 1, address);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	snprintf(out, DIRECTORY_ACCOUNT_LEN + 1, "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_user_add(struct directory *d, const char *address, const struct directory_secrets *secrets)
{
	enum store_err err = directory_has_domain(d, address_domain(address));
	if (err)
		return err;
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT INTO user VALUES(?,?,lower(hex(randomblob(16))))");
	directory_bind(stmt, 1, address);
	directory_bind(stmt, 2, address_domain(address));
	err = db_run(&d->db, stmt);
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	if (!err)
		err = directory_account_of(d, address, account);
	return err ? err : set_credential(d, account, secrets);
}

enum store_err directory_user_passwd(struct directory *d, const char *address, const struct directory_secrets *secrets)
{
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	enum store_err err = directory_account_of(d, address, account);
	return err ? err : set_credential(d, account, secrets);
}

enum store_err directory_user_rename(struct directory *d, const char *address, const char *to)
{
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	enum store_err err = directory_account_of(d, address, account);
	if (!err)
		err = directory_has_domain(d, address_domain(to));
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&d->db, "UPDATE user SET address=?, domain=? WHERE account=?");
	directory_bind(stmt, 1, to);
	directory_bind(stmt, 2, address_domain(to));
	directory_bind(stmt, 3, account);
	if (!err)
		err = db_run(&d->db, stmt);
	/* Who was reached by the old name is reached by the new. */
	stmt = err ? NULL : db_prepare(&d->db, "UPDATE OR REPLACE alias SET target=? WHERE target=?");
	directory_bind(stmt, 1, to);
	directory_bind(stmt, 2, address);
	return err ? err : db_run(&d->db, stmt);
}

enum store_err directory_user_find(struct directory *d, const char *address, struct directory_user *out)
{
	sqlite3_stmt *stmt =
		db_prepare(&d->db, "SELECT account, coalesce(hash, ''), coalesce(scram_sha1, ''), coalesce(scram_sha256, '')"
				   " FROM user LEFT JOIN credential USING(account) WHERE address=? AND coalesce(label, '')=''");
	directory_bind(stmt, 1, address);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	struct directory_secrets *s = &out->secrets;
	snprintf(out->address, sizeof(out->address), "%s", address);
	snprintf(out->account, sizeof(out->account), "%s", (const char *)sqlite3_column_text(stmt, 0));
	snprintf(s->hash, sizeof(s->hash), "%s", (const char *)sqlite3_column_text(stmt, 1));
	snprintf(s->scram_sha1, sizeof(s->scram_sha1), "%s", (const char *)sqlite3_column_text(stmt, 2));
	snprintf(s->scram_sha256, sizeof(s->scram_sha256), "%s", (const char *)sqlite3_column_text(stmt, 3));
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_domains(struct directory *d, const char *after,
				 bool (*each)(void *ctx, const char *name, int64_t users), void *ctx)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT name, (SELECT count(*) FROM user WHERE domain=name) FROM domain"
						" WHERE name>? ORDER BY name");
	directory_bind(stmt, 1, after);
	enum store_err err;
	while (db_next(&d->db, stmt, &err)) {
		if (!each(ctx, (const char *)sqlite3_column_text(stmt, 0), sqlite3_column_int64(stmt, 1))) {
			sqlite3_reset(stmt);
			break;
		}
	}
	return err;
}

enum store_err directory_domain_users(struct directory *d, const char *domain, int64_t *out)
{
	sqlite3_stmt *stmt =
		db_prepare(&d->db, "SELECT (SELECT count(*) FROM user WHERE domain=name) FROM domain WHERE name=?");
	directory_bind(stmt, 1, domain);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_users(struct directory *d, const char *domain, const char *after,
			       bool (*each)(void *ctx, const char *address, const char *account), void *ctx)
{
	sqlite3_stmt *stmt =
		domain ? db_prepare(&d->db, "SELECT address, account FROM user WHERE address>? AND domain=? ORDER BY address")
		       : db_prepare(&d->db, "SELECT address, account FROM user WHERE address>? ORDER BY address");
	directory_bind(stmt, 1, after);
	if (domain)
		directory_bind(stmt, 2, domain);
	enum store_err err;
	while (db_next(&d->db, stmt, &err)) {
		if (!each(ctx, (const char *)sqlite3_column_text(stmt, 0), (const char *)sqlite3_column_text(stmt, 1))) {
			sqlite3_reset(stmt);
			break;
		}
	}
	return err;
}

enum store_err directory_key(struct directory *d, unsigned char out[DIRECTORY_KEY_BYTES])
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT value FROM meta WHERE key='key'");
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	bool sound = sqlite3_column_bytes(stmt, 0) == DIRECTORY_KEY_BYTES;
	if (sound)
		memcpy(out, sqlite3_column_blob(stmt, 0), DIRECTORY_KEY_BYTES);
	sqlite3_reset(stmt);
	return sound ? STORE_OK : STORE_CORRUPT;
}
