/* The Date: field (RFC 5322 3.3, the obsolete forms of 4.3, and what else is seen).  Pure; any thread. */
#ifndef MIME_DATE_H
#define MIME_DATE_H

#include "protocol/span.h"

struct mime_date {
	int64_t day;   /* the calendar day as written, days since 1970-01-01: SEARCH SENT* (RFC 3501 6.4.4) */
	int64_t utc_s; /* seconds since 1970-01-01T00:00Z: SORT (RFC 5256 2.2); a bad zone counts as UTC, a bad time
			  as 00:00:00 */
};

/* `value` raw or unfolded.  False: no date can be read, *out is untouched. */
bool mime_date_read(struct span value, struct mime_date *out);

#endif
