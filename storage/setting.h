/*
 * What can be set for a user, or for the users of a domain: one table of what there is, kept in directory.db's table
 * `setting` (owner, name, value).  The owner is an account's id, which a user keeps through a change of address, or
 * "@" and a domain.
 *
 * A value is looked for with the user, then with the domain, then in the configuration, where an option of the same name
 * is the default for everybody; where there is none, the table's own default holds.
 *
 * A new setting is one row in setting.c; `roost user set|show` and `roost domain set|show` take and explain it from
 * there.  What acts on it reads the number from its lane (server/settings.h), or from directory_settings_of().
 */
#ifndef STORAGE_SETTING_H
#define STORAGE_SETTING_H

#include "storage/directory.h"

enum setting_id {
	SETTING_RETENTION_DAYS,
	SETTING_TRASH_DAYS,
	SETTING_JUNK_DAYS,
	SETTING_MASTER,
	SETTING_DOMAIN_MASTER,
	SETTING_QUOTA_STORAGE,
	SETTING_QUOTA_MESSAGES,
	SETTING_QUOTA_MAILBOXES,
	SETTING_QUOTA_REFUSE,
	SETTING_QUOTA_DOMAIN,
	SETTING_REMOVED_DAYS,
	SETTING_DISABLED,
	SETTING_REFUSE_MAIL,
	SETTING_CAPABILITIES_OFF,
	SETTINGS_N
};

enum setting_type {
	SETTING_NUMBER,
	SETTING_BYTES, /* 500M, 10G; in multiples of 1024 */
	SETTING_BOOL,  /* 0, 1 */
	SETTING_NAMES  /* separated by single spaces; as a number it is 0 */
};
enum setting_of { SETTING_OF_USER = 1, SETTING_OF_DOMAIN = 2, SETTING_OF_BOTH = 3 };

enum { SETTING_VALUE_MAX = 32, SETTING_NAMES_MAX = 200 /* bytes */ };

struct setting {
	const char *name;
	enum setting_type type;
	unsigned of;      /* SETTING_OF_*: whose it can be */
	int64_t min, max; /* of numbers and bytes */
	int64_t standard; /* where the configuration has no option of that name */
	const char *help; /* one sentence */
};

extern const struct setting setting_table[SETTINGS_N];

/* SETTINGS_N when there is none of that name. */
enum setting_id setting_find(const char *name);
/* What a value looks like: "a number from 0 to 3650". */
void setting_describe(enum setting_id id, char *out, size_t size);
/* False: `text` is no value of this setting.  What names mean is for the caller to know. */
MUST_USE bool setting_read(enum setting_id id, const char *text, int64_t *out);
/* The text that setting_read() takes: "10G", "true".  Not of names. */
void setting_write(enum setting_id id, int64_t value, char out[SETTING_VALUE_MAX]);

enum setting_source { SETTING_STANDARD, SETTING_DOMAIN, SETTING_USER };

/* All settings of one owner, by id. */
struct setting_values {
	int64_t value[SETTINGS_N];
	unsigned char source[SETTINGS_N]; /* enum setting_source */
	char capabilities_off[SETTING_NAMES_MAX + 1];
};

/* Sets one, or with `value` NULL takes it away.  `owner` is an account's id or "@domain"; the caller knows that there is
 * such a one.  Inside a transaction of the directory's. */
MUST_USE enum store_err directory_setting_set(struct directory *d, const char *owner, enum setting_id id,
					      const int64_t *value);
/* The same for one that is SETTING_NAMES; setting_read() took `names`. */
MUST_USE enum store_err directory_setting_set_names(struct directory *d, const char *owner, enum setting_id id,
						    const char *names);
/* The settings that hold for an account; `values` comes with the defaults.  Of an account that is nobody's, these stay.
 * A value this version does not understand is passed by. */
MUST_USE enum store_err directory_settings_of(struct directory *d, const char *account, struct setting_values *values);
/* The same for an account whose user, of that address, was removed. */
MUST_USE enum store_err directory_settings_of_removed(struct directory *d, const char *account, const char *address,
						      struct setting_values *values);
/* The same for the users of a domain that have none of their own. */
MUST_USE enum store_err directory_settings_of_domain(struct directory *d, const char *domain,
						     struct setting_values *values);
/* Nobody may log in to it: it is set so. */
MUST_USE enum store_err directory_is_disabled(struct directory *d, const char *account, bool *out);
/* Takes all away that the owner has. */
MUST_USE enum store_err directory_settings_drop(struct directory *d, const char *owner);

#endif
