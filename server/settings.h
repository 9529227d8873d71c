/*
 * What is set for users and domains (storage/setting.h), as lanes see it: each lane has the values that hold for its
 * account and reads them again, by a connection of our own to the directory, when something was changed since.  So a
 * change holds from each account's next op on, and no lane waits for another.
 */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include "storage/setting.h"

struct config;
struct settings;

/* The values of a lane, with what they are as new as; zeroed: never read. */
struct lane_settings {
	uint64_t generation;
	struct setting_values now;
};

/* What holds for everybody: the configuration's, or the table's.  Any thread. */
void settings_defaults(struct settings *s, struct setting_values *out);
/* Takes those of a configuration that was read again: they hold from each account's next op on.  Any thread. */
void settings_configure(struct settings *s, const struct config *config);

/* Takes the reader over. */
struct settings *settings_create(const struct config *config, struct directory *reader);
/* Takes NULL. */
void settings_destroy(struct settings *s);
/* After every commit to the directory that may have changed some.  Any thread. */
void settings_changed(struct settings *s);
/* Nothing was changed since.  Any thread. */
bool settings_are_fresh(const struct settings *s, const struct lane_settings *of);
/* Whose the account is, as the directory has it. */
struct settings_owner {
	char domain[ADDRESS_DOMAIN_MAX + 1]; /* "": nobody's */
	int64_t recorded;                    /* directory_usage_of() */
};

/* Reads them when they are not fresh; on a worker.  When that fails it is logged, and what was there stays.  True: they were
 * read, and whose they are is in *out. */
bool settings_refresh(struct settings *s, const char *account, struct lane_settings *of, struct settings_owner *out);

/* The address of the account's user; STORE_NOTFOUND: it is nobody's.  Any thread. */
MUST_USE enum store_err settings_address(struct settings *s, const char *account, char out[ADDRESS_MAX + 1]);

#endif
