/* Every verb there is: a row here is a verb that is parsed, helped with, done and tested. */
#include "server/admin.h"

#define WORD(name) {ADMIN_PARAM_WORD, name, NULL}
#define MAYBE(name) {ADMIN_PARAM_MAYBE, name, NULL}
#define FLAG(name, help) {ADMIN_PARAM_FLAG, name, help}
#define VALUE(name, help) {ADMIN_PARAM_VALUE, name, help}

static const char first_help[] = "with --count: the first number";
static const char count_help[] = "adds numbered users (name1@, name2@, ... up to this number) with one password, for tests";

const struct admin_verb admin_verbs[] = {
	{"check", "Proves that a user's mail is sound: every reference, counter, checksum and digest. Exit code 1 when not.",
	 ADMIN_ACCOUNT | ADMIN_EACH | ADMIN_LISTS, 2, admin_check,
	 {WORD("ADDRESS"), FLAG("all", "every user's, one after the other")}, NULL},
	{"deliver", "Puts the message on standard input into a mailbox of a user: INBOX, or the one named.",
	 ADMIN_ACCOUNT | ADMIN_INPUT | ADMIN_WRITES, 0, admin_deliver, {WORD("ADDRESS"), MAYBE("MAILBOX")},
	 admin_deliver_take},
	{"domain add", "Makes mail for a domain ours.", ADMIN_WRITES, 0, admin_domain_add, {WORD("DOMAIN")}, NULL},
	{"domain list", "Lists the domains.", ADMIN_LISTS, 1, admin_domain_list, {{0}}, NULL},
	{"domain remove", "Gives a domain up that has no users any more.", ADMIN_WRITES, 0, admin_domain_remove,
	 {WORD("DOMAIN")}, NULL},
	{"domain set", "Sets something for the users of a domain that have nothing else set; without VALUE: as the configuration has it.",
	 ADMIN_WRITES, 0, admin_domain_set, {WORD("DOMAIN"), WORD("SETTING"), MAYBE("VALUE")}, NULL},
	{"domain show", "Shows what is set for a domain, and where it comes from.", ADMIN_LISTS, 3, admin_domain_show,
	 {WORD("DOMAIN")}, NULL},
	{"expire", "Expunges what has been too long in a user's mailboxes for deleted and unwanted mail, as the daemon does by itself.",
	 ADMIN_ACCOUNT | ADMIN_EACH | ADMIN_WRITES | ADMIN_LISTS, 2, admin_expire,
	 {WORD("ADDRESS"), FLAG("all", "every user's, one after the other"),
	  VALUE("days", "older than so many days, instead of trash_days and junk_days")},
	 NULL},
	{"export", "Writes a user's mail to PATH: a Maildir, mbox files, or a tar archive of either where PATH ends in .tar.",
	 ADMIN_ACCOUNT | ADMIN_STREAMS, 0, admin_export,
	 {WORD("ADDRESS"), WORD("PATH"), VALUE("mailbox", "only this one"), VALUE("format", "maildir (default) or mbox")}, NULL},
	{"history", "Says what was done to a user's mail, when, by which login and device, as far back as retention reaches.",
	 ADMIN_ACCOUNT | ADMIN_LISTS, 6, admin_history,
	 {WORD("ADDRESS"), VALUE("mailbox", "of this mailbox"), VALUE("since", "from then on: 2h, 3d, 2026-11-25, or with a time"),
	  VALUE("who", "by a login or device with this in its name"), VALUE("uid", "to the message with this UID")},
	 NULL},
	{"import", "Takes in the mail at PATH: a Maildir, an mbox file, a directory of them, or a tar archive of any of these.",
	 ADMIN_ACCOUNT | ADMIN_INPUT | ADMIN_WRITES | ADMIN_STREAMS, 3, admin_import,
	 {WORD("ADDRESS"), WORD("PATH"), VALUE("mailbox", "all into this one")}, admin_import_take},
	{"index status", "Shows a user's full-text index: messages in it, those still to come, those deleted since, bytes on disk.",
	 ADMIN_ACCOUNT | ADMIN_EACH | ADMIN_LISTS, 5, admin_index_status,
	 {WORD("ADDRESS"), FLAG("all", "every user's, one after the other")}, NULL},
	{"jump", "After a restore from a backup: has clients compare what they remember with what is there.",
	 ADMIN_ACCOUNT | ADMIN_EACH | ADMIN_LISTS, 2, admin_jump,
	 {WORD("ADDRESS"), FLAG("all", "every user's, one after the other")}, NULL},
	{"mailbox list", "Lists a user's mailboxes with the number of messages, and of those not seen.",
	 ADMIN_ACCOUNT | ADMIN_LISTS, 3, admin_mailbox_list, {WORD("ADDRESS")}, NULL},
	{"reindex", "Makes a user's full-text index anew; the old one is used until then.",
	 ADMIN_ACCOUNT | ADMIN_EACH | ADMIN_LISTS, 0, admin_reindex,
	 {WORD("ADDRESS"), FLAG("all", "every user's, one after the other")}, NULL},
	{"status", "Shows what the server counts of itself.", ADMIN_LISTS, 2, admin_status, {{0}}, NULL},
	{"undelete", "Brings deleted messages back, and mailboxes that were deleted with them, as far back as retention reaches.",
	 ADMIN_ACCOUNT | ADMIN_LISTS | ADMIN_WRITES, 6, admin_undelete,
	 {WORD("ADDRESS"), VALUE("mailbox", "from this mailbox"), VALUE("since", "deleted from then on: 2h, 3d, 2026-11-25"),
	  VALUE("who", "by a login or device with this in its name"), VALUE("to", "into this mailbox"),
	  FLAG("list", "only shows them")},
	 NULL},
	{"user add", "Adds a user, with a password that is asked for.", ADMIN_WRITES | ADMIN_PASSWORD | ADMIN_FORGETS, 0,
	 admin_user_add, {WORD("ADDRESS"), VALUE("first", first_help), VALUE("count", count_help)}, NULL},
	{"user list", "Lists the users, of one domain or of all.", ADMIN_LISTS, 1, admin_user_list, {MAYBE("DOMAIN")}, NULL},
	{"user passwd", "Changes a user's password.", ADMIN_WRITES | ADMIN_PASSWORD | ADMIN_FORGETS, 0, admin_user_passwd,
	 {WORD("ADDRESS")}, NULL},
	{"user remove", "Removes a user; the mail stays on disk until somebody deletes it.", ADMIN_WRITES | ADMIN_FORGETS, 0,
	 admin_user_remove, {WORD("ADDRESS")}, NULL},
	{"user set", "Sets something for a user; without VALUE: as the domain or the configuration has it.", ADMIN_WRITES, 0,
	 admin_user_set, {WORD("ADDRESS"), WORD("SETTING"), MAYBE("VALUE")}, NULL},
	{"user show", "Shows what is set for a user, and where it comes from.", ADMIN_LISTS, 3, admin_user_show,
	 {WORD("ADDRESS")}, NULL},
};
const size_t admin_verbs_n = countof(admin_verbs);
