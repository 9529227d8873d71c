#include "protocol/mime/date.h"

#include "protocol/mime/header.h"
#include "protocol/mime/params.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* At most max_digits; a longer number is none. */
static bool number(struct span *s, size_t max_digits, int *out, size_t *digits)
{
	size_t n = 0;
	int v = 0;
	while (n < s->len && is_digit(s->ptr[n]) && n <= max_digits)
		v = v * 10 + (s->ptr[n++] - '0');
	if (n == 0 || n > max_digits)
		return false;
	*s = span_after(*s, n);
	*out = v;
	*digits = n;
	return true;
}

static struct span word(struct span *s)
{
	size_t n = 0;
	while (n < s->len && is_alpha(s->ptr[n]))
		n++;
	struct span w = span_make(s->ptr, n);
	*s = span_after(*s, n);
	return w;
}

/* 1..12, or 0.  Full names are read as well. */
static int month_of(struct span w)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	for (int m = 0; w.len >= 3 && m < 12; m++)
		if (strncasecmp(w.ptr, names + (size_t)m * 3, 3) == 0)
			return m + 1;
	return 0;
}

/* RFC 5322 4.3: two digits below 50 are 20xx; other two digits, and three, count from 1900. */
static int full_year(int y, size_t digits)
{
	if (digits <= 2 && y < 50)
		return y + 2000;
	return digits <= 3 ? y + 1900 : y;
}

static int days_in(int y, int m)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	return m == 2 && leap ? 29 : days[m - 1];
}

/* Days since 1970-01-01 in the Gregorian calendar, counting years from March so that the leap day comes last. */
static int64_t day_number(int y, int m, int d)
{
	int64_t yy = m <= 2 ? y - 1 : y, era = yy / 400, yoe = yy - era * 400;
	int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* hh:mm[:ss], seconds since midnight; false (and nothing taken) when it is no time of day. */
static bool time_of_day(struct span *s, int *out)
{
	struct span at = *s;
	int h, m, sec = 0;
	size_t n;
	if (!number(&at, 2, &h, &n) || !at.len || (at.ptr[0] != ':' && at.ptr[0] != '.'))
		return false;
	at = span_after(at, 1);
	if (!number(&at, 2, &m, &n))
		return false;
	if (at.len && (at.ptr[0] == ':' || at.ptr[0] == '.')) {
		at = span_after(at, 1);
		if (!number(&at, 2, &sec, &n))
			return false;
	}
	*s = at;
	*out = h <= 23 && m <= 59 && sec <= 60 ? h * 3600 + m * 60 + sec : 0;
	return true;
}

/* Seconds east of UTC.  Military letters and unknown names say nothing (RFC 5322 4.3): 0. */
static int zone_of(struct span *s)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
		     {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
	if (s->len && (s->ptr[0] == '+' || s->ptr[0] == '-')) {
		int sign = s->ptr[0] == '-' ? -1 : 1, h, m = 0;
		size_t n;
		*s = span_after(*s, 1);
		if (!number(s, 4, &h, &n))
			return 0;
		if (n <= 2) {
			if (s->len && s->ptr[0] == ':') {
				*s = span_after(*s, 1);
				if (!number(s, 2, &m, &n))
					return 0;
			}
		} else {
			m = h % 100;
			h /= 100;
		}
		return h <= 23 && m <= 59 ? sign * (h * 3600 + m * 60) : 0;
	}
	struct span w = word(s);
	for (size_t i = 0; i < countof(zones); i++)
		if (span_is(w, zones[i].name))
			return zones[i].hours * 3600;
	return 0;
}

bool mime_date_read(struct span s, struct mime_date *out)
{
	static const char gaps[] = ",-/";
	int d, y, clock = 0, zone;
	size_t digits, d_digits;
	mime_skip_gap(&s, gaps);
	struct span first = word(&s);
	int month = month_of(first);
	if (!month && first.len) {
		/* The day of the week: not needed, so not checked. */
		mime_skip_gap(&s, ",.");
		month = month_of(s.len && is_alpha(s.ptr[0]) ? word(&s) : span_make("", 0));
	}
	bool asctime = month != 0; /* Tue Nov 24 10:00:00 2026 */
	mime_skip_gap(&s, gaps);
	if (!number(&s, 2, &d, &d_digits))
		return false;
	mime_skip_gap(&s, gaps);
	if (asctime) {
		time_of_day(&s, &clock);
		mime_skip_gap(&s, ",");
		zone = zone_of(&s);
		mime_skip_gap(&s, ",");
		if (!number(&s, 4, &y, &digits))
			return false;
	} else {
		month = month_of(word(&s));
		mime_skip_gap(&s, gaps);
		if (!month || !number(&s, 4, &y, &digits))
			return false;
		mime_skip_gap(&s, ",");
		time_of_day(&s, &clock);
		mime_skip_gap(&s, ",");
		zone = zone_of(&s);
	}
	y = full_year(y, digits);
	if (d < 1 || d > days_in(y, month))
		return false;
	out->day = day_number(y, month, d);
	out->utc_s = out->day * 86400 + clock - zone;
	return true;
}
