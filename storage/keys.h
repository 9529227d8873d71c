/*
 * What SORT and THREAD compare (RFC 5256, 5957): made from a message's header at delivery, kept in a narrow table of
 * its own, and held in memory by content from its first use until the account closes.
 *
 * A row of the table `keys` has the sent date, the strings (as the parser folded them: comparing is memcmp()), and the
 * message's own ID and those it refers to as 64-bit keys (thread.h).  In memory contents stand in pages of 256 ids, each
 * with a column for what was asked for; strings are numbers of a pool that gives them ranks (keys_pool.h), IDs are
 * numbers from 1 on.  A page is read in one step, and what is delivered later is read when it is asked for: nothing is
 * to be kept up to date, since contents never change and their ids are not used again.
 *
 * Two IDs with the same 64 bits count as one: of a million there are two in one of ten million accounts.
 *
 * Memory: some 12 bytes a message, 4 for each string asked for, 12 and 4 an ID for links; and the distinct strings and IDs
 * once: of a million messages of mailing lists, each with a dozen references, some 300 MB for all of it.  KEYS_BYTES_MAX at
 * the most.  Thread: the account's lane.
 */
#ifndef STORAGE_KEYS_H
#define STORAGE_KEYS_H

#include "storage/account.h"
#include "storage/keys_pool.h"

enum keys_string {
	KEYS_SUBJECT,      /* the base subject */
	KEYS_FROM, KEYS_TO, KEYS_CC,
	KEYS_DISPLAY_FROM, KEYS_DISPLAY_TO,
	KEYS_STRINGS
};

/* What of a message is wanted: bits 1 << enum keys_string, and its IDs.  Dates always come. */
enum { KEYS_LINKS = 1 << KEYS_STRINGS };

#define KEYS_NO_DATE INT64_MIN
#define KEYS_NO_DAY INT32_MIN
#define KEYS_DAY_UNKNOWN INT32_MAX

/* What a message brings. */
struct content_keys {
	int64_t sent_s;                     /* Unix seconds, KEYS_NO_DATE for none */
	int32_t sent_day;                   /* the day as the sender wrote it, since 1970; of no use without sent_s */
	bool is_reply;                      /* the subject says so */
	bool has_id;                        /* the first ID is the message's own */
	struct bytes string[KEYS_STRINGS];  /* folded; empty for none */
	const struct bytes *ids;            /* its own if it has one, then those it refers to, the nearest first */
	size_t ids_n;
};

enum { KEYS_PAGE = 256, KEYS_BYTES_MAX = 1 << 30 /* of memory, an account */ };

struct keys_page {
	unsigned have;      /* columns that were read */
	uint32_t below;     /* how many ids of the page were looked for */
	int64_t sent_s[KEYS_PAGE];
	int32_t sent_day[KEYS_PAGE];    /* KEYS_NO_DAY: the message has no date; KEYS_DAY_UNKNOWN: nothing was found of it */
	uint64_t is_reply[KEYS_PAGE / 64];
	uint32_t *string[KEYS_STRINGS]; /* numbers of keys->pool, 0 for the empty string; NULL: not asked for */
	uint32_t *links;                /* where in keys->links, 0 for none */
};

struct keys {
	struct keys_page **pages; /* by content id / KEYS_PAGE */
	size_t pages_n;
	struct keys_pool pool[KEYS_STRINGS];
	/* IDs, numbered; open addressing, at most half full. */
	struct keys_id {
		uint64_t key; /* 0: free */
		uint32_t number;
	} *ids;
	uint32_t ids_n, ids_cap;
	/* Of each message: how many IDs it refers to, its own (0: none), and those, the eldest first. */
	uint32_t *links;
	uint32_t links_n, links_cap;
	size_t pages_bytes, bytes_max;
	uint64_t rows, swept; /* read; of all contents, deleted since */
};

/* Inside an op: the row of a new content. */
MUST_USE enum store_err keys_insert(struct account *a, int64_t content, const struct content_keys *keys);
/* The same: contents were deleted, with their rows.  When they are many, what is in memory is given up. */
void keys_swept(struct account *a, uint32_t n);
/* account.c alone. */
void keys_drop(struct account *a);
size_t keys_bytes(const struct account *a);

/* The account's keys; valid while a->keys_epoch stays the same, and numbers of strings and IDs with it. */
struct keys *keys_get(struct account *a);
/* The page in which `content` stands, with `want` read at least of it; its place there is content % KEYS_PAGE.  Reads the
 * database at most once: some 200 us.  A content without a row has no date, empty strings, no IDs.  STORE_LIMIT: all
 * of it would be more than KEYS_BYTES_MAX; then it is given up, and begins anew.  Valid as the keys are. */
MUST_USE enum store_err keys_page(struct account *a, int64_t content, unsigned want, const struct keys_page **out);
/* The page if that takes no reading, else NULL. */
static inline const struct keys_page *keys_page_loaded(const struct keys *k, int64_t content, unsigned want)
{
	size_t at = (uint64_t)content / KEYS_PAGE;
	const struct keys_page *page = at < k->pages_n ? k->pages[at] : NULL;
	return page && (page->have & want) == want && (uint64_t)content % KEYS_PAGE < page->below ? page : NULL;
}

#endif
