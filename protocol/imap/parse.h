/* From a command's text to a typed request (RFC 3501 9). */
#ifndef IMAP_PARSE_H
#define IMAP_PARSE_H

#include "protocol/imap/request.h"

enum parse_status { PARSE_OK, PARSE_BAD };

struct parse_error {
	size_t offset;
	const char *message; /* static */
};

/* `text` is the whole command, literals in place after their {n}CRLF, without the last CRLF.  The tag is set
 * whenever it is readable, else its ptr is NULL. */
MUST_USE enum parse_status parse_request(struct arena *a, struct span text, struct request *out,
					 struct parse_error *error);

/* What an APPEND says before each message: from `text` (the line up to and with its literal's {n}). For the first
 * message the line begins with the tag; for a later one with the space after the literal before. */
struct append_head {
	struct span mailbox;
	uint32_t flags;
	struct span keywords;
	bool has_date;
	int64_t date;
	int32_t zone_min;
};
MUST_USE enum parse_status parse_append(struct arena *a, struct span text, bool first, struct append_head *out,
					struct parse_error *error);

/* The number in a literal at the line's end: "{12}", "{12+}", "~{12}".  False when there is none. */
bool parse_literal_at_end(struct span line, uint64_t *size, bool *non_sync);

/* " 7-Feb-1994 21:52:25 -0800" (without quotes). */
bool parse_date_time(struct span s, int64_t *unix_s, int32_t *zone_min);
/* "1-Feb-1994" to days since 1970. */
bool parse_date(struct span s, int64_t *days);
int64_t days_from_civil(int64_t y, int64_t m, int64_t d);

#endif
