#include "storage/setting.h"

#include "storage/directory_private.h"

enum store_err directory_setting_set(struct directory *d, const char *owner, enum setting_id id, const int64_t *value)
{
	sqlite3_stmt *stmt = value ? db_prepare(&d->db, "INSERT OR REPLACE INTO setting VALUES(?,?,?)")
				   : db_prepare(&d->db, "DELETE FROM setting WHERE owner=? AND name=?");
	directory_bind(stmt, 1, owner);
	directory_bind(stmt, 2, setting_table[id].name);
	if (stmt && value)
		sqlite3_bind_int64(stmt, 3, *value);
	return db_run(&d->db, stmt);
}

enum store_err directory_setting_set_names(struct directory *d, const char *owner, enum setting_id id, const char *names)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT OR REPLACE INTO setting VALUES(?,?,?)");
	directory_bind(stmt, 1, owner);
	directory_bind(stmt, 2, setting_table[id].name);
	directory_bind(stmt, 3, names);
	return db_run(&d->db, stmt);
}

/* False: this version does not understand it. */
static bool take_value(sqlite3_stmt *stmt, enum setting_id id, struct setting_values *values)
{
	const struct setting *s = &setting_table[id];
	int64_t value = sqlite3_column_int64(stmt, 1);
	if (s->type != SETTING_NAMES) {
		bool understood = value >= s->min && value <= s->max;
		if (understood)
			values->value[id] = value;
		return understood;
	}
	const char *names = (const char *)sqlite3_column_text(stmt, 1);
	invariant(id == SETTING_CAPABILITIES_OFF); /* the one there is */
	if (!names || !setting_read(id, names, &value))
		return false;
	snprintf(values->capabilities_off, sizeof(values->capabilities_off), "%s", names);
	return true;
}

/* Lets what this owner has stand in `values`. */
static enum store_err lay_over(struct directory *d, const char *owner, enum setting_source source,
			       struct setting_values *values)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT name, value FROM setting WHERE owner=?");
	directory_bind(stmt, 1, owner);
	enum store_err err;
	while (db_next(&d->db, stmt, &err)) {
		enum setting_id id = setting_find((const char *)sqlite3_column_text(stmt, 0));
		if (id < SETTINGS_N && take_value(stmt, id, values))
			values->source[id] = (unsigned char)source;
	}
	return err;
}

enum store_err directory_settings_of_domain(struct directory *d, const char *domain, struct setting_values *values)
{
	char owner[ADDRESS_DOMAIN_MAX + 2];
	snprintf(owner, sizeof(owner), "@%s", domain);
	return lay_over(d, owner, SETTING_DOMAIN, values);
}

static enum store_err read_text(struct directory *d, const char *sql, const char *account, char *out, size_t size)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, sql);
	directory_bind(stmt, 1, account);
	enum store_err err;
	if (!db_next(&d->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	snprintf(out, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err directory_account_address(struct directory *d, const char *account, char out[ADDRESS_MAX + 1])
{
	return read_text(d, "SELECT address FROM user WHERE account=?", account, out, ADDRESS_MAX + 1);
}

enum store_err directory_account_domain(struct directory *d, const char *account, char out[ADDRESS_DOMAIN_MAX + 1])
{
	return read_text(d, "SELECT domain FROM user WHERE account=?", account, out, ADDRESS_DOMAIN_MAX + 1);
}

enum store_err directory_settings_of(struct directory *d, const char *account, struct setting_values *values)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	enum store_err err = directory_account_domain(d, account, domain);
	if (err)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	err = directory_settings_of_domain(d, domain, values);
	return err ? err : lay_over(d, account, SETTING_USER, values);
}

enum store_err directory_settings_of_removed(struct directory *d, const char *account, const char *address,
					     struct setting_values *values)
{
	enum store_err err = directory_settings_of_domain(d, address_domain(address), values);
	return err ? err : lay_over(d, account, SETTING_USER, values);
}

enum store_err directory_is_disabled(struct directory *d, const char *account, bool *out)
{
	struct setting_values values = {0};
	enum store_err err = directory_settings_of(d, account, &values);
	*out = values.value[SETTING_DISABLED];
	return err;
}

enum store_err directory_settings_drop(struct directory *d, const char *owner)
{
	return directory_run(d, "DELETE FROM setting WHERE owner=?", owner);
}
