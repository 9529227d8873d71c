#include "storage/limits.h"

#include "storage/flagset.h"
#include "storage/keys.h"
#include "storage/mailbox.h"
#include "storage/metadata.h"

const struct store_limit store_limits[] = {
	{"MAILBOX_MAX", MAILBOX_MAX, "mailboxes, and names that only have children: LIST reads them all"},
	{"MAILBOX_LEVELS_MAX", MAILBOX_LEVELS_MAX, "levels of a name, also after a RENAME above it"},
	{"MAILBOX_NAME_BYTES_MAX", MAILBOX_NAME_BYTES_MAX, "bytes of a name, also after a RENAME above it"},
	{"SUBSCRIPTION_MAX", SUBSCRIPTION_MAX, "subscriptions: they need no mailbox, so they have a limit of their own"},
	{"FLAG_KEYWORDS_MAX", FLAG_KEYWORDS_MAX, "keywords on a message: they are told with its flags"},
	{"FLAG_KEYWORD_BYTES_MAX", FLAG_KEYWORD_BYTES_MAX, "bytes of a keyword"},
	{"MAILBOX_KEYWORDS_MAX", MAILBOX_KEYWORDS_MAX, "keywords in use in a mailbox: they all stand in its FLAGS response"},
	{"KEYWORDS_MAX", KEYWORDS_MAX, "keywords of an account, ever: they stay in memory while it is open"},
	{"FLAGSETS_MAX", FLAGSETS_MAX, "combinations of flags of an account, ever: the same"},
	{"METADATA_ENTRIES_MAX", METADATA_ENTRIES_MAX,
	 "annotations of a mailbox, or of the account itself: 10 at least (RFC 5464 4.1): `NO [METADATA TOOMANY]`"},
	{"METADATA_NAME_BYTES_MAX", METADATA_NAME_BYTES_MAX, "bytes of an annotation's name"},
	{"METADATA_VALUE_BYTES_MAX", METADATA_VALUE_BYTES_MAX,
	 "bytes of an annotation's value: 1024 at least (RFC 5464 4.1): `NO [METADATA MAXSIZE]`"},
	{"METADATA_BYTES_MAX", METADATA_BYTES_MAX, "bytes of an account's annotations, names and values: `NO [OVERQUOTA]`"},
	{"KEYS_BYTES_MAX", KEYS_BYTES_MAX,
	 "bytes of memory for what SORT and THREAD compare, while an account is open: some 30 a message and its distinct strings and "
	 "IDs, of mailing lists 300 in all"},
	{"UID_MAX", UINT32_MAX - 1, "the last UID of a mailbox: UIDNEXT must be one, too"},
};
const size_t store_limits_n = countof(store_limits);
