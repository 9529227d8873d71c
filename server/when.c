#include "server/when.h"

#include "protocol/imap/date.h"

#include <ctype.h>
#include <time.h>

static bool parse_ago(const char *text, int64_t now_s, int64_t *out_s)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	char *end;
	long long n = strtoll(text, &end, 10);
	if (end == text || !*end || end[1] || n < 0 || n > 1000000)
		return false;
	for (size_t i = 0; i < countof(units); i++) {
		if (units[i].letter != *end)
			continue;
		*out_s = now_s - n * units[i].seconds;
		return true;
	}
	return false;
}

bool when_parse(const char *text, int64_t now_s, int64_t *out_s)
{
	int year, month, day, hour = 0, minute = 0, second = 0, used = 0;
	if (parse_ago(text, now_s, out_s))
		return true;
	if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || !isdigit((unsigned char)*text))
		return false;
	text += used;
	if (*text == ' ' || *text == 'T') {
		if (sscanf(++text, "%2d:%2d%n", &hour, &minute, &used) != 2)
			return false;
		text += used;
		if (*text == ':' && sscanf(text, ":%2d%n", &second, &used) == 1)
			text += used;
		text += *text == 'Z';
	}
	if (*text || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
	    minute > 59 || second < 0 || second > 60)
		return false;
	*out_s = (date_days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
	return true;
}

void when_write(int64_t unix_s, char out[WHEN_TEXT_MAX])
{
	struct tm t = {0};
	time_t at = (time_t)unix_s;
	gmtime_r(&at, &t);
	if (strftime(out, WHEN_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
		out[0] = '\0';
}
