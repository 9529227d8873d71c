#include "storage/setting.h"

#include <errno.h>
#include <inttypes.h>

static const char units[] = "KMGT";

/* In the order of enum setting_id. */
const struct setting setting_table[SETTINGS_N] = {
	[SETTING_RETENTION_DAYS] = {"retention_days", SETTING_NUMBER, SETTING_OF_BOTH, 0, 3650, 7,
				    "How many days what was expunged is kept, and can be had back."},
	[SETTING_TRASH_DAYS] = {"trash_days", SETTING_NUMBER, SETTING_OF_BOTH, 0, 36500, 0,
				"After how many days in the mailbox for deleted mail a message is expunged; 0: never."},
	[SETTING_JUNK_DAYS] = {"junk_days", SETTING_NUMBER, SETTING_OF_BOTH, 0, 36500, 0,
			       "The same for the mailbox for unwanted mail."},
	[SETTING_MASTER] = {"master", SETTING_BOOL, SETTING_OF_USER, 0, 1, 0,
			    "May log in as any user with the own password: for migration and support."},
	[SETTING_DOMAIN_MASTER] = {"domain_master", SETTING_BOOL, SETTING_OF_USER, 0, 1, 0,
				   "The same, for the users of the own domain."},
	[SETTING_QUOTA_STORAGE] = {"quota_storage", SETTING_BYTES, SETTING_OF_BOTH, 0, INT64_MAX, 0,
				   "How many bytes of mail a user may have; 0: any."},
	[SETTING_QUOTA_MESSAGES] = {"quota_messages", SETTING_NUMBER, SETTING_OF_BOTH, 0, INT64_MAX, 0,
				    "How many messages a user may have; 0: any."},
	[SETTING_QUOTA_MAILBOXES] = {"quota_mailboxes", SETTING_NUMBER, SETTING_OF_BOTH, 0, INT64_MAX, 0,
				     "How many mailboxes a user may have; 0: as many as anybody."},
	[SETTING_QUOTA_REFUSE] = {"quota_refuse", SETTING_BOOL, SETTING_OF_BOTH, 0, 1, 0,
				  "Mail over a quota goes back to its sender (552), instead of being tried again later (452)."},
	[SETTING_QUOTA_DOMAIN] = {"quota_domain", SETTING_BYTES, SETTING_OF_DOMAIN, 0, INT64_MAX, 0,
				  "How many bytes of mail the users of the domain may have together, whatever each may have; 0: any."},
	[SETTING_REMOVED_DAYS] = {"removed_days", SETTING_NUMBER, SETTING_OF_BOTH, 0, 3650, 30,
				  "After how many days the mail of a removed user is deleted for good; 0: not before somebody says so."},
	[SETTING_DISABLED] = {"disabled", SETTING_BOOL, SETTING_OF_BOTH, 0, 1, 0, "Nobody can log in; mail still comes in."},
	[SETTING_REFUSE_MAIL] = {"refuse_mail", SETTING_BOOL, SETTING_OF_BOTH, 0, 1, 0,
				 "No mail is taken in: it goes back to its sender (550)."},
	[SETTING_CAPABILITIES_OFF] = {"capabilities_off", SETTING_NAMES, SETTING_OF_BOTH, 0, 0, 0,
				      "What IMAP is not offered of, like UIDONLY QRESYNC, beside what the port and the password leave out."},
};

enum setting_id setting_find(const char *name)
{
	enum setting_id id = 0;
	while (id < SETTINGS_N && strcmp(setting_table[id].name, name) != 0)
		id++;
	return id;
}

void setting_describe(enum setting_id id, char *out, size_t size)
{
	const struct setting *s = &setting_table[id];
	switch (s->type) {
	case SETTING_NUMBER:
		snprintf(out, size, "a number from %" PRId64 " to %" PRId64, s->min, s->max);
		break;
	case SETTING_BYTES:
		snprintf(out, size, "a number of bytes, or one with K, M, G or T behind it");
		break;
	case SETTING_BOOL:
		snprintf(out, size, "true or false");
		break;
	case SETTING_NAMES:
		snprintf(out, size, "names with one space between them, at most %d bytes", SETTING_NAMES_MAX);
		break;
	}
}

static bool read_number(const struct setting *s, const char *text, int64_t *out)
{
	char *end;
	int64_t unit = 1;
	errno = 0;
	*out = strtoll(text, &end, 10);
	if (end == text || errno != 0 || text[0] == ' ' || *out < 0)
		return false;
	const char *found = s->type == SETTING_BYTES && *end ? strchr(units, *end) : NULL;
	for (const char *u = units; found && u <= found; u++)
		unit *= 1024;
	if (end[found ? 1 : 0] || *out > s->max / unit)
		return false;
	*out *= unit;
	return *out >= s->min;
}

/* Words of printable ASCII. */
static bool are_names(const char *text)
{
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~' || (text[i] == ' ' && (i == 0 || i + 1 == len || text[i + 1] == ' ')))
			return false;
	return len <= SETTING_NAMES_MAX;
}

bool setting_read(enum setting_id id, const char *text, int64_t *out)
{
	const struct setting *s = &setting_table[id];
	if (s->type == SETTING_NAMES) {
		*out = 0;
		return are_names(text);
	}
	if (s->type != SETTING_BOOL)
		return read_number(s, text, out);
	*out = strcmp(text, "true") == 0;
	return *out || strcmp(text, "false") == 0;
}

void setting_write(enum setting_id id, int64_t value, char out[SETTING_VALUE_MAX])
{
	if (setting_table[id].type == SETTING_BOOL) {
		snprintf(out, SETTING_VALUE_MAX, "%s", value ? "true" : "false");
		return;
	}
	const char *unit = units;
	bool is_scaled = setting_table[id].type == SETTING_BYTES && value;
	while (is_scaled && value % 1024 == 0 && *unit) {
		value /= 1024;
		unit++;
	}
	snprintf(out, SETTING_VALUE_MAX, "%" PRId64 "%.1s", value, unit > units ? unit - 1 : "");
}
