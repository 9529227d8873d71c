/* What one command may hold beyond the octets that reader.h counts: one table, quoted by docs/limits.md. */
#ifndef IMAP_LIMITS_H
#define IMAP_LIMITS_H

#include "protocol/base.h"

enum parse_limit {
	LIMIT_NONE,
	LIMIT_TAG_BYTES,
	LIMIT_SET_RANGES,
	LIMIT_FETCH_ITEMS,
	LIMIT_PART_LEVELS,
	LIMIT_HEADER_FIELDS,
	LIMIT_SEARCH_DEPTH,
	LIMIT_SEARCH_KEYS,
	LIMIT_KEYWORDS,
	LIMIT_KEYWORD_BYTES,
	LIMIT_LIST_PATTERNS,
	LIMIT_ENABLE_NAMES,
	LIMIT_ID_PAIRS,
	LIMIT_ID_KEY_BYTES,
	LIMIT_ID_VALUE_BYTES,
	LIMIT_METADATA_ENTRIES,
	LIMIT_METADATA_NAME_BYTES,
	PARSE_LIMITS /* how many */
};

struct parse_limit_row {
	const char *name;
	uint32_t max;
	const char *message; /* what the client is told */
	const char *reason;
};
extern const struct parse_limit_row parse_limits[PARSE_LIMITS];

#endif
