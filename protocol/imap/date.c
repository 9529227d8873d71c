/* Dates of RFC 3501 9: date, date-time.  No libc time zones. */
#include "protocol/imap/parse.h"

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool digits(struct span s, size_t at, size_t n, int64_t *out)
{
	*out = 0;
	for (size_t i = at; i < at + n; i++) {
		if (i >= s.len || s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		*out = *out * 10 + (s.ptr[i] - '0');
	}
	return true;
}

/* d[d]-Mon-yyyy at the start; *used is where it ends. */
static bool civil(struct span s, int64_t *days, size_t *used)
{
	size_t at = s.len && s.ptr[0] == ' ' ? 1 : 0, n = s.len > at + 1 && s.ptr[at + 1] != '-' ? 2 : 1;
	int64_t day, year;
	if (!digits(s, at, n, &day) || s.len < at + n + 9 || s.ptr[at + n] != '-' || s.ptr[at + n + 4] != '-')
		return false;
	int64_t month = 0;
	for (int64_t i = 0; i < 12; i++)
		if (strncasecmp(s.ptr + at + n + 1, months + i * 3, 3) == 0)
			month = i + 1;
	if (!month || !digits(s, at + n + 5, 4, &year) || day < 1 || day > 31)
		return false;
	*days = days_from_civil(year, month, day);
	*used = at + n + 9;
	return true;
}

bool parse_date(struct span s, int64_t *days)
{
	size_t used;
	return civil(s, days, &used) && used == s.len;
}

bool parse_date_time(struct span s, int64_t *unix_s, int32_t *zone_min)
{
	int64_t days, h, m, sec, zh, zm;
	size_t at;
	if (!civil(s, &days, &at) || s.len != at + 15 || s.ptr[at] != ' ' || !digits(s, at + 1, 2, &h) ||
	    s.ptr[at + 3] != ':' || !digits(s, at + 4, 2, &m) || s.ptr[at + 6] != ':' ||
	    !digits(s, at + 7, 2, &sec) || s.ptr[at + 9] != ' ' || !digits(s, at + 11, 2, &zh) ||
	    !digits(s, at + 13, 2, &zm) || h > 23 || m > 59 || sec > 60 || zm > 59 ||
	    (s.ptr[at + 10] != '+' && s.ptr[at + 10] != '-'))
		return false;
	*zone_min = (int32_t)((zh * 60 + zm) * (s.ptr[at + 10] == '-' ? -1 : 1));
	*unix_s = days * 86400 + h * 3600 + m * 60 + sec - *zone_min * 60;
	return true;
}
