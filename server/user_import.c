#include "server/user_import.h"

#include "protocol/buf.h"
#include "protocol/imap/capability.h"
#include "server/csv.h"
#include "storage/alias.h"
#include "storage/removed.h"
#include "storage/setting.h"

#include <openssl/crypto.h>
#include <uthash.h>

enum { HASHED_AT_ONCE = 4 };

enum column { COLUMN_ADDRESS, COLUMN_PASSWORD, COLUMN_HASH, COLUMN_SCRAM_SHA1, COLUMN_SCRAM_SHA256, COLUMN_ALIASES,
	      COLUMN_SETTING /* and its id */ };

static const char *const column_names[] = {"address", "password", "hash", "scram_sha1", "scram_sha256", "aliases"};

struct row {
	unsigned line;
	char address[ADDRESS_MAX + 1];
	char *fields[CSV_FIELDS_MAX]; /* in the text, by place; NULL: empty */
	struct directory_user was;    /* of a user who is there already */
	bool is_there, sets_secrets;
	struct directory_secrets secrets;
	enum user_import_did did;
	UT_hash_handle hh;
};

struct user_import {
	struct user_import_options options;
	struct buf text;
	int columns[CSV_FIELDS_MAX]; /* enum column, by place */
	size_t columns_n;
	struct row **rows, *by_address;
	size_t n, cap, hashed;
	/* While it is looked at. */
	void (*each)(void *ctx, unsigned line, const char *address, const char *problem);
	void *ctx;
	size_t wrong;
};

struct user_import *user_import_create(const struct user_import_options *options)
{
	struct user_import *u = xcalloc(1, sizeof(*u));
	u->options = *options;
	buf_init(&u->text, USER_IMPORT_BYTES_MAX + 1);
	return u;
}

void user_import_destroy(struct user_import *u)
{
	if (!u)
		return;
	HASH_CLEAR(hh, u->by_address);
	for (size_t i = 0; i < u->n; i++) {
		OPENSSL_cleanse(u->rows[i], sizeof(*u->rows[i]));
		free(u->rows[i]);
	}
	free(u->rows);
	if (u->text.len)
		OPENSSL_cleanse(u->text.data, u->text.len);
	buf_finish(&u->text);
	free(u);
}

bool user_import_take(struct user_import *u, const void *bytes, size_t len)
{
	if (u->text.len + len > USER_IMPORT_BYTES_MAX)
		return false;
	buf_add(&u->text, bytes, len);
	return !u->text.failed;
}

/* ---- looking at it ---- */

static PRINTF_LIKE(4, 5) void complain(struct user_import *u, unsigned line, const char *address, const char *fmt, ...)
{
	char problem[400];
	va_list args;
	va_start(args, fmt);
	vsnprintf(problem, sizeof(problem), fmt, args);
	va_end(args);
	u->wrong++;
	u->each(u->ctx, line, address, problem);
}

static int find_column(const char *name)
{
	for (size_t i = 0; i < countof(column_names); i++)
		if (strcmp(column_names[i], name) == 0)
			return (int)i;
	enum setting_id id = setting_find(name);
	bool is_one = id < SETTINGS_N && (setting_table[id].of & SETTING_OF_USER);
	return is_one ? COLUMN_SETTING + (int)id : -1;
}

static bool read_columns(struct user_import *u, const struct csv *c)
{
	bool has_address = false;
	u->columns_n = c->n;
	for (size_t i = 0; i < c->n; i++) {
		u->columns[i] = find_column(c->fields[i]);
		has_address = has_address || u->columns[i] == COLUMN_ADDRESS;
		if (u->columns[i] < 0)
			complain(u, c->line, "", "%.100s: no such column; the first line names them: address, password, hash, aliases, or a setting",
				 c->fields[i]);
		for (size_t k = 0; k < i; k++)
			if (u->columns[k] == u->columns[i] && u->columns[i] >= 0)
				complain(u, c->line, "", "%.100s: the column is there twice", c->fields[i]);
	}
	if (!has_address)
		complain(u, c->line, "", "there is no column \"address\"");
	return u->wrong == 0;
}

static const char *field(const struct user_import *u, const struct row *row, int column)
{
	for (size_t i = 0; i < u->columns_n; i++)
		if (u->columns[i] == column)
			return row->fields[i];
	return NULL;
}

static bool copy_secret(const char *text, const char *begin, char *out, size_t size)
{
	if (!text)
		return true;
	int n = snprintf(out, size, "%s", text);
	return n > 0 && (size_t)n < size && strncmp(text, begin, strlen(begin)) == 0;
}

static void check_secrets(struct user_import *u, struct row *row)
{
	const char *password = field(u, row, COLUMN_PASSWORD), *hash = field(u, row, COLUMN_HASH);
	const char *sha1 = field(u, row, COLUMN_SCRAM_SHA1), *sha256 = field(u, row, COLUMN_SCRAM_SHA256);
	struct directory_secrets *s = &row->secrets;
	char prepared[PASSWORD_MAX + 1];
	if (password && !password_prepare(password, strlen(password), prepared))
		complain(u, row->line, row->address, "this cannot be a password");
	OPENSSL_cleanse(prepared, sizeof(prepared));
	if (password && hash)
		complain(u, row->line, row->address, "a password or a hash, not both");
	if ((sha1 || sha256) && !hash)
		complain(u, row->line, row->address, "scram_sha1 and scram_sha256 go with a hash");
	int salt = hash ? crypt_checksalt(hash) : CRYPT_SALT_OK;
	bool is_hash = copy_secret(hash, "$", s->hash, sizeof(s->hash)) && (salt == CRYPT_SALT_OK || salt == CRYPT_SALT_METHOD_LEGACY ||
									 salt == CRYPT_SALT_TOO_CHEAP);
	if (!is_hash)
		complain(u, row->line, row->address, "this is no hash that crypt(5) knows");
	if (!copy_secret(sha1, "SCRAM-SHA-1$", s->scram_sha1, sizeof(s->scram_sha1)) ||
	    !copy_secret(sha256, "SCRAM-SHA-256$", s->scram_sha256, sizeof(s->scram_sha256)))
		complain(u, row->line, row->address, "this is no SCRAM secret");
	row->sets_secrets = password || (hash && (!row->is_there || memcmp(s, &row->was.secrets, sizeof(*s)) != 0));
}

static void check_settings(struct user_import *u, const struct row *row)
{
	for (size_t i = 0; i < u->columns_n; i++) {
		char expected[100];
		int64_t value;
		if (u->columns[i] < COLUMN_SETTING || !row->fields[i])
			continue;
		enum setting_id id = (enum setting_id)(u->columns[i] - COLUMN_SETTING);
		struct span wrong;
		bool is_read = setting_read(id, row->fields[i], &value);
		if (is_read && id == SETTING_CAPABILITIES_OFF && !capability_can_be_off(row->fields[i], &wrong))
			complain(u, row->line, row->address, "%s: \"%.*s\" is no capability that can be left out", setting_table[id].name,
				 (int)wrong.len, wrong.ptr);
		if (is_read)
			continue;
		setting_describe(id, expected, sizeof(expected));
		complain(u, row->line, row->address, "%s = %.100s: %s is expected", setting_table[id].name, row->fields[i], expected);
	}
}

/* Calls `each` for the addresses, in their normal form; "" for what is none. */
static enum store_err each_alias(const char *text, enum store_err (*each)(void *ctx, const char *alias, const char *as_it_is), void *ctx)
{
	enum store_err err = STORE_OK;
	while (text && *text && !err) {
		char one[ADDRESS_MAX + 2], alias[ADDRESS_MAX + 1] = "";
		size_t n = strcspn(text, " ");
		snprintf(one, sizeof(one), "%.*s", n <= ADDRESS_MAX ? (int)n : 0, text);
		if (n && !alias_normalise(one, alias))
			alias[0] = '\0';
		if (n)
			err = each(ctx, alias, one);
		text += n + (text[n] == ' ');
	}
	return err;
}

struct checking {
	struct user_import *u;
	struct directory *d;
	struct row *row;
};

/* A domain that is not there, and is not to be made. */
static bool lacks_domain(const struct checking *c, const char *domain)
{
	return !c->u->options.adds_domains && directory_has_domain(c->d, domain) == STORE_NOTFOUND;
}

static enum store_err check_alias(void *ctx, const char *alias, const char *as_it_is)
{
	const struct checking *c = ctx;
	struct directory_user user;
	struct row *row;
	HASH_FIND_STR(c->u->by_address, alias, row);
	if (!*alias)
		complain(c->u, c->row->line, c->row->address, "%s: this cannot be an alias", as_it_is);
	else if (row || directory_user_find(c->d, alias, &user) == STORE_OK)
		complain(c->u, c->row->line, c->row->address, "%s: this is a user, and no alias", alias);
	else if (lacks_domain(c, strrchr(alias, '@') + 1))
		complain(c->u, c->row->line, c->row->address, "%s: the domain is not one of ours", alias);
	return STORE_OK;
}

static void check_row(struct checking *c)
{
	struct row *row = c->row;
	enum store_err err = directory_user_find(c->d, row->address, &row->was);
	row->is_there = !err;
	if (err && err != STORE_NOTFOUND)
		complain(c->u, row->line, row->address, "the directory cannot be read");
	if (lacks_domain(c, address_domain(row->address)))
		complain(c->u, row->line, row->address, "the domain is not one of ours (--domains makes it one)");
	check_secrets(c->u, row);
	check_settings(c->u, row);
	(void)!each_alias(field(c->u, row, COLUMN_ALIASES), check_alias, c);
	row->did = !row->is_there ? USER_ADDED : (row->sets_secrets ? USER_CHANGED : USER_UNCHANGED);
}

static void add_row(struct user_import *u, const struct csv *c)
{
	struct row *row = xcalloc(1, sizeof(*row)), *same;
	const char *address = NULL;
	row->line = c->line;
	for (size_t i = 0; i < c->n && i < u->columns_n; i++)
		row->fields[i] = *c->fields[i] ? c->fields[i] : NULL;
	address = field(u, row, COLUMN_ADDRESS);
	if (u->n == u->cap) {
		u->cap = u->cap ? u->cap * 2 : 256;
		u->rows = xrealloc(u->rows, u->cap * sizeof(*u->rows));
	}
	u->rows[u->n++] = row;
	if (c->n > u->columns_n)
		complain(u, row->line, "", "there are %zu fields for %zu columns", c->n, u->columns_n);
	if (!address || !address_normalise(address, strlen(address), row->address)) {
		complain(u, row->line, "", "%.100s: this is not an address (user@domain)", address ? address : "");
		row->address[0] = '\0';
		return;
	}
	HASH_FIND_STR(u->by_address, row->address, same);
	if (same)
		complain(u, row->line, row->address, "line %u has this user, too", same->line);
	else
		HASH_ADD_STR(u->by_address, address, row);
}

size_t user_import_validate(struct user_import *u, struct directory *d,
			    void (*each)(void *ctx, unsigned line, const char *address, const char *problem), void *ctx)
{
	struct checking c = {.u = u, .d = d};
	struct csv csv;
	size_t len = u->text.len;
	u->each = each;
	u->ctx = ctx;
	buf_add_char(&u->text, '\0');
	csv_init(&csv, u->text.data, len);
	bool goes_on = csv_next(&csv) && read_columns(u, &csv);
	if (!csv.n && !csv.wrong)
		complain(u, csv.line, "", "the table is empty");
	while (goes_on && u->n < USER_IMPORT_ROWS_MAX && csv_next(&csv))
		add_row(u, &csv);
	if (csv.wrong)
		complain(u, csv.line, "", "%s", csv.wrong);
	if (u->n == USER_IMPORT_ROWS_MAX)
		complain(u, csv.line, "", "there are too many lines; at most %d are expected", USER_IMPORT_ROWS_MAX);
	for (size_t i = 0; i < u->n; i++) {
		c.row = u->rows[i];
		if (c.row->address[0])
			check_row(&c);
	}
	return u->wrong;
}

/* ---- doing it ---- */

/* A password that is the user's already stays as it is hashed. */
static void hash_row(struct user_import *u, struct row *row, const struct password_cost *cost, struct crypt_data *scratch)
{
	const char *password = field(u, row, COLUMN_PASSWORD);
	char prepared[PASSWORD_MAX + 1];
	invariant(password && password_prepare(password, strlen(password), prepared)); /* it was looked at */
	bool is_same = row->is_there && row->was.secrets.hash[0] && password_verify(prepared, row->was.secrets.hash, scratch);
	row->sets_secrets = !is_same;
	if (is_same)
		row->did = USER_UNCHANGED;
	else if (!password_make(prepared, cost, scratch, &row->secrets))
		row->secrets = (struct directory_secrets){.hash = ""}; /* no randomness: nobody's password */
	OPENSSL_cleanse(prepared, sizeof(prepared));
}

bool user_import_hash(struct user_import *u, const struct password_cost *cost, struct crypt_data *scratch)
{
	size_t done = 0;
	for (; u->hashed < u->n && done < HASHED_AT_ONCE; u->hashed++) {
		if (!field(u, u->rows[u->hashed], COLUMN_PASSWORD))
			continue;
		hash_row(u, u->rows[u->hashed], cost, scratch);
		done++;
	}
	return u->hashed < u->n;
}

static enum store_err need_domain(struct directory *d, const char *domain)
{
	enum store_err err = directory_has_domain(d, domain);
	return err == STORE_NOTFOUND ? directory_domain_add(d, domain) : err;
}

static void note_change(struct row *row)
{
	if (row->did == USER_UNCHANGED)
		row->did = USER_CHANGED;
}

static enum store_err apply_settings(struct user_import *u, struct directory *d, struct row *row, const char *account)
{
	struct setting_values now = {.value = {0}};
	enum store_err err = directory_settings_of(d, account, &now);
	for (size_t i = 0; i < u->columns_n && !err; i++) {
		int64_t value;
		if (u->columns[i] < COLUMN_SETTING || !row->fields[i])
			continue;
		enum setting_id id = (enum setting_id)(u->columns[i] - COLUMN_SETTING);
		bool is_names = setting_table[id].type == SETTING_NAMES;
		invariant(setting_read(id, row->fields[i], &value));
		bool is_same = now.source[id] == SETTING_USER &&
			       (is_names ? strcmp(now.capabilities_off, row->fields[i]) == 0 : now.value[id] == value);
		if (is_same)
			continue;
		err = is_names ? directory_setting_set_names(d, account, id, row->fields[i])
			       : directory_setting_set(d, account, id, &value);
		note_change(row);
	}
	return err;
}

static enum store_err apply_alias(void *ctx, const char *alias, const char *as_it_is)
{
	struct checking *c = ctx;
	(void)as_it_is;
	enum store_err err = need_domain(c->d, strrchr(alias, '@') + 1);
	if (!err)
		err = alias_add(c->d, alias, c->row->address);
	if (!err)
		note_change(c->row);
	return err == STORE_EXISTS ? STORE_OK : err; /* it leads there already: that it is a user was looked at */
}

static enum store_err apply_row(struct user_import *u, struct directory *d, struct row *row)
{
	struct checking c = {.u = u, .d = d, .row = row};
	struct directory_user user;
	enum store_err err = need_domain(d, address_domain(row->address));
	if (!err && !row->is_there)
		err = directory_user_add(d, row->address, &row->secrets);
	else if (!err && row->sets_secrets)
		err = directory_user_passwd(d, row->address, &row->secrets);
	if (!err)
		err = directory_user_find(d, row->address, &user);
	if (!err)
		err = apply_settings(u, d, row, user.account);
	return err ? err : each_alias(field(u, row, COLUMN_ALIASES), apply_alias, &c);
}

enum store_err user_import_apply(struct user_import *u, struct directory *d, unsigned *out_line)
{
	enum store_err err = STORE_OK;
	*out_line = 0;
	for (size_t i = 0; i < u->n && !err; i++) {
		*out_line = u->rows[i]->line;
		err = apply_row(u, d, u->rows[i]);
	}
	return err;
}

size_t user_import_count(const struct user_import *u, enum user_import_did did)
{
	size_t n = 0;
	for (size_t i = 0; i < u->n; i++)
		n += u->rows[i]->did == did;
	return n;
}
