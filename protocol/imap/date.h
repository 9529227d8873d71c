/* Dates of RFC 3501 9, in the proleptic Gregorian calendar. No libc time zones. */
#ifndef IMAP_DATE_H
#define IMAP_DATE_H

#include "protocol/buf.h"

/* Days since 1970-01-01. A day beyond the month's end counts on into the next. */
int64_t date_days(int64_t year, int64_t month, int64_t day);
/* date-text: "1-Feb-1994"; it is only compared with, so "31-Feb-1994" is taken, as a day in March. */
bool date_parse(struct span s, int64_t *days);
/* date-time without its quotes: " 7-Feb-1994 21:52:25 -0800"; the pad may be left out or be a zero.
 * It is kept, so its month must have that day. */
bool date_time_parse(struct span s, int64_t *unix_s, int32_t *zone_min);
/* date-time with its quotes, in the zone given. Years 0 to 9999; what is beyond is written as the nearest. */
void date_time_write(struct buf *out, int64_t unix_s, int32_t zone_min);

#endif
