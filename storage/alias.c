#include "storage/alias.h"

#include "storage/directory_private.h"
#include "storage/setting.h"

/* The targets of one alias, copied, so that its statement is free for theirs. */
struct names {
	char (*v)[ADDRESS_MAX + 1];
	size_t n;
};

static enum store_err read_names(struct directory *d, const char *address, struct names *out)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT target FROM alias WHERE address=? ORDER BY target");
	enum store_err err;
	*out = (struct names){0};
	directory_bind(stmt, 1, address);
	while (db_next(&d->db, stmt, &err)) {
		out->v = xrealloc(out->v, (out->n + 1) * sizeof(*out->v));
		snprintf(out->v[out->n++], sizeof(*out->v), "%s", (const char *)sqlite3_column_text(stmt, 0));
	}
	return err;
}

static enum store_err add_user(struct directory *d, const struct directory_user *user, struct alias_targets *out)
{
	struct setting_values values = {0};
	for (size_t i = 0; i < out->n; i++)
		if (strcmp(out->v[i].account, user->account) == 0)
			return STORE_OK;
	if (out->n == ALIAS_TARGETS_MAX)
		return STORE_LIMIT;
	enum store_err err = directory_settings_of(d, user->account, &values);
	if (err)
		return err;
	out->v = xrealloc(out->v, (out->n + 1) * sizeof(*out->v));
	struct alias_target *t = &out->v[out->n++];
	*t = (struct alias_target){.refuses_mail = values.value[SETTING_REFUSE_MAIL]};
	memcpy(t->address, user->address, sizeof(t->address));
	memcpy(t->account, user->account, sizeof(t->account));
	return STORE_OK;
}

/* `never`, when not NULL, may not be come across.  STORE_NOTFOUND: neither a user nor an alias, or one without targets. */
static enum store_err collect(struct directory *d, const char *address, const char *never, int depth,
			      struct alias_targets *out)
{
	struct directory_user user;
	struct names names;
	bool found = false;
	if (never && strcmp(address, never) == 0)
		return STORE_CANNOT;
	if (depth > ALIAS_DEPTH_MAX)
		return STORE_LIMIT;
	enum store_err err = directory_user_find(d, address, &user);
	if (err != STORE_NOTFOUND)
		return err ? err : add_user(d, &user, out);
	const char *at = strrchr(address, '@');
	err = at ? directory_has_domain(d, at + 1) : STORE_NOTFOUND; /* else it waits with its domain (removed.h) */
	if (!err)
		err = read_names(d, address, &names);
	else
		names = (struct names){0};
	for (size_t i = 0; i < names.n && !err; i++) {
		err = collect(d, names.v[i], never, depth + 1, out);
		found = found || !err;
		err = err == STORE_NOTFOUND ? STORE_OK : err;
	}
	free(names.v);
	return err ? err : (found ? STORE_OK : STORE_NOTFOUND);
}

enum store_err alias_only_user(struct directory *d, const char *address, char out[ADDRESS_MAX + 1])
{
	struct alias_targets targets = {0};
	enum store_err err = collect(d, address, NULL, 0, &targets);
	if (!err && targets.n != 1)
		err = STORE_NOTFOUND;
	if (!err)
		memcpy(out, targets.v[0].address, sizeof(targets.v[0].address));
	alias_targets_finish(&targets);
	return err;
}

static bool without_detail(const char *address, char out[ADDRESS_MAX + 1], char detail[ADDRESS_LOCAL_MAX + 1])
{
	const char *at = strrchr(address, '@'), *plus = at ? memchr(address, '+', (size_t)(at - address)) : NULL;
	if (!plus || plus == address)
		return false;
	snprintf(out, ADDRESS_MAX + 1, "%.*s%s", (int)(plus - address), address, at);
	snprintf(detail, ADDRESS_LOCAL_MAX + 1, "%.*s", (int)(at - plus - 1), plus + 1);
	return true;
}

enum store_err alias_resolve(struct directory *d, const char *address, struct alias_targets *out)
{
	char plain[ADDRESS_MAX + 1], detail[ADDRESS_LOCAL_MAX + 1];
	*out = (struct alias_targets){0};
	enum store_err err = collect(d, address, NULL, 0, out);
	if (err == STORE_NOTFOUND && without_detail(address, plain, detail)) {
		err = collect(d, plain, NULL, 0, out);
		if (!err)
			memcpy(out->detail, detail, sizeof(detail));
	}
	if (err == STORE_NOTFOUND && strchr(address, '@'))
		err = collect(d, strrchr(address, '@'), NULL, 0, out);
	return err;
}

void alias_targets_finish(struct alias_targets *t)
{
	free(t->v);
	*t = (struct alias_targets){0};
}

static enum store_err insert(struct directory *d, const char *address, const char *target)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "INSERT INTO alias VALUES(?,?)");
	directory_bind(stmt, 1, address);
	directory_bind(stmt, 2, target);
	return db_run(&d->db, stmt);
}

enum store_err alias_add(struct directory *d, const char *address, const char *target)
{
	struct alias_targets targets = {0};
	struct directory_user user;
	enum store_err err = directory_has_domain(d, address_domain(address));
	if (!err)
		err = directory_user_find(d, address, &user);
	if (err != STORE_NOTFOUND)
		return err ? err : STORE_EXISTS;
	err = directory_has_domain(d, address_domain(address));
	if (!err)
		err = collect(d, target, address, 1, &targets);
	if (!err)
		err = insert(d, address, target);
	alias_targets_finish(&targets);
	/* What the address now comes to as a whole. */
	if (!err)
		err = collect(d, address, NULL, 0, &targets);
	alias_targets_finish(&targets);
	return err;
}

enum store_err alias_remove(struct directory *d, const char *address, const char *target)
{
	struct names names;
	enum store_err err = read_names(d, address, &names);
	bool there = false;
	for (size_t i = 0; i < names.n; i++)
		there = there || !target || strcmp(names.v[i], target) == 0;
	free(names.v);
	if (err || !there)
		return err ? err : STORE_NOTFOUND;
	sqlite3_stmt *stmt = db_prepare(&d->db, "DELETE FROM alias WHERE address=?1 AND (?2 IS NULL OR target=?2)");
	directory_bind(stmt, 1, address);
	if (target)
		directory_bind(stmt, 2, target);
	return db_run(&d->db, stmt);
}

enum store_err alias_list(struct directory *d, const char *domain, const char *address, const char *target,
			  bool (*each)(void *ctx, const char *address, const char *target), void *ctx)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT address, target FROM alias WHERE (address, target)>(?1, ?2) AND"
						" (?3 IS NULL OR substr(address, instr(address, '@') + 1)=?3) ORDER BY address, target");
	enum store_err err;
	directory_bind(stmt, 1, address);
	directory_bind(stmt, 2, target);
	if (domain)
		directory_bind(stmt, 3, domain);
	while (db_next(&d->db, stmt, &err)) {
		if (!each(ctx, (const char *)sqlite3_column_text(stmt, 0), (const char *)sqlite3_column_text(stmt, 1))) {
			sqlite3_reset(stmt);
			break;
		}
	}
	return err;
}

bool alias_normalise(const char *text, char out[ADDRESS_MAX + 1])
{
	out[0] = '@';
	if (text[0] != '@')
		return address_normalise(text, strlen(text), out);
	return address_domain_normalise(text + 1, strlen(text + 1), out + 1);
}

enum store_err alias_of(struct directory *d, const char *target, void (*each)(void *ctx, const char *address), void *ctx)
{
	sqlite3_stmt *stmt = db_prepare(&d->db, "SELECT address FROM alias WHERE target=? ORDER BY address");
	enum store_err err;
	directory_bind(stmt, 1, target);
	while (db_next(&d->db, stmt, &err))
		each(ctx, (const char *)sqlite3_column_text(stmt, 0));
	return err;
}
