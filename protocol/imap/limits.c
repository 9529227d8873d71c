#include "protocol/imap/limits.h"

const struct parse_limit_row parse_limits[PARSE_LIMITS] = {
	[LIMIT_NONE] = {"none", 0, "", ""},
	[LIMIT_TAG_BYTES] = {"tag_bytes", 100, "The tag is too long", "a session keeps the tags of IDLE and AUTHENTICATE"},
	[LIMIT_SET_RANGES] = {"set_ranges", 20000, "Too many ranges in a set",
			      "8 bytes each; as many as a command line can hold in practice"},
	[LIMIT_FETCH_ITEMS] = {"fetch_items", 200, "Too many FETCH items", "duplicates are looked for pair by pair"},
	[LIMIT_PART_LEVELS] = {"part_levels", 100, "The section has too many part numbers",
			       "deeper parts are not told apart by the MIME parser"},
	[LIMIT_HEADER_FIELDS] = {"header_fields", 1000, "Too many header fields in a command",
				 "each is looked up in each header of each message"},
	[LIMIT_SEARCH_DEPTH] = {"search_depth", 100, "The search is nested too deeply",
				"search keys are evaluated recursively"},
	[LIMIT_SEARCH_KEYS] = {"search_keys", 1000, "Too many search keys", "each is asked of each message"},
	[LIMIT_KEYWORDS] = {"keywords", 100, "Too many keywords in a command", "a flag set is bounded"},
	[LIMIT_KEYWORD_BYTES] = {"keyword_bytes", 100, "A keyword is too long", "a flag set is bounded"},
	[LIMIT_LIST_PATTERNS] = {"list_patterns", 100, "Too many patterns", "each is matched with each name"},
	[LIMIT_ENABLE_NAMES] = {"enable_names", 50, "Too many capabilities", "more than there are"},
	[LIMIT_ID_PAIRS] = {"id_pairs", 30, "More than 30 ID fields", "RFC 2971 3.3"},
	[LIMIT_ID_KEY_BYTES] = {"id_key_bytes", 30, "An ID field name is longer than 30 octets", "RFC 2971 3.3"},
	[LIMIT_ID_VALUE_BYTES] = {"id_value_bytes", 1024, "An ID value is longer than 1024 octets", "RFC 2971 3.3"},
};
