#include "protocol/imap/date.h"

#include "protocol/put.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
enum { DAY_SECONDS = 86400 };

/* The year begins in March here, so that the leap day is its last. */
int64_t date_days(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400, year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
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

/* d[d]-Mon-yyyy at the start; *used is where it ends, *exists whether its month has that day. */
static bool civil(struct span s, int64_t *days, bool *exists, size_t *used)
{
	size_t n = s.len > 1 && s.ptr[1] != '-' ? 2 : 1;
	int64_t day, year, month = 0;
	if (!digits(s, 0, n, &day) || s.len < n + 9 || s.ptr[n] != '-' || s.ptr[n + 4] != '-')
		return false;
	for (int64_t i = 0; i < 12; i++)
		if (strncasecmp(s.ptr + n + 1, months + i * 3, 3) == 0)
			month = i + 1;
	if (!month || !digits(s, n + 5, 4, &year) || day < 1 || day > 31)
		return false;
	*days = date_days(year, month, day);
	*exists = *days < date_days(year + month / 12, month % 12 + 1, 1);
	*used = n + 9;
	return true;
}

bool date_parse(struct span s, int64_t *days)
{
	size_t used;
	bool exists;
	return civil(s, days, &exists, &used) && used == s.len;
}

bool date_time_parse(struct span s, int64_t *unix_s, int32_t *zone_min)
{
	int64_t days, hour, minute, second, zone_hour, zone_minute;
	size_t at;
	bool exists;
	if (s.len > 2 && s.ptr[0] == ' ' && s.ptr[2] == '-')
		s = span_after(s, 1);
	if (!civil(s, &days, &exists, &at) || !exists || s.len != at + 15 || s.ptr[at] != ' ' || !digits(s, at + 1, 2, &hour) ||
	    s.ptr[at + 3] != ':' || !digits(s, at + 4, 2, &minute) || s.ptr[at + 6] != ':' ||
	    !digits(s, at + 7, 2, &second) || s.ptr[at + 9] != ' ' || !digits(s, at + 11, 2, &zone_hour) ||
	    !digits(s, at + 13, 2, &zone_minute))
		return false;
	char sign = s.ptr[at + 10];
	if (hour > 23 || minute > 59 || second > 60 || zone_hour > 23 || zone_minute > 59 || (sign != '+' && sign != '-'))
		return false;
	*zone_min = (int32_t)((zone_hour * 60 + zone_minute) * (sign == '-' ? -1 : 1));
	*unix_s = days * DAY_SECONDS + hour * 3600 + minute * 60 + second - (int64_t)*zone_min * 60;
	return true;
}

void date_time_write(struct buf *out, int64_t unix_s, int32_t zone_min)
{
	/* 1-Jan-0000 and 1-Jan-10000 in days. */
	const int64_t first = -719528 * (int64_t)DAY_SECONDS, last = 2932897 * (int64_t)DAY_SECONDS - 1;
	int64_t local = unix_s < first || unix_s > last ? unix_s : unix_s + (int64_t)zone_min * 60;
	local = local < first ? first : (local > last ? last : local);
	int64_t days = local / DAY_SECONDS - (local % DAY_SECONDS < 0);
	uint32_t rest = (uint32_t)(local - days * DAY_SECONDS);
	/* The inverse of date_days(), 400 years (146097 days) on so that nothing is negative. */
	uint32_t z = (uint32_t)(days + 719468 + 146097), era = z / 146097, day_of_era = z % 146097;
	uint32_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint32_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100), shifted = (5 * day_of_year + 2) / 153;
	uint32_t day = day_of_year - (153 * shifted + 2) / 5 + 1, month = shifted < 10 ? shifted + 3 : shifted - 9;
	year = year + era * 400 - 400 + (month <= 2);
	uint32_t zone = (uint32_t)(zone_min < 0 ? -(int64_t)zone_min : zone_min);

	char text[28] = "\" 7-Feb-1994 21:52:25 -0800\"", *to = text + 1;
	put_two(to, day);
	if (day < 10)
		to[0] = ' ';
	memcpy(to + 3, months + (month - 1) * 3, 3);
	put_two(to + 7, year / 100);
	put_two(to + 9, year % 100);
	put_two(to + 12, rest / 3600);
	put_two(to + 15, rest / 60 % 60);
	put_two(to + 18, rest % 60);
	to[21] = zone_min < 0 ? '-' : '+';
	put_two(to + 22, zone / 60 % 100);
	put_two(to + 24, zone % 60);
	buf_add(out, text, sizeof(text));
}
