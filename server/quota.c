#include "server/quota.h"

#include "server/lane.h"
#include "storage/usage.h"

#include <stdlib.h>

void quota_apply(struct lane *lane)
{
	const int64_t *value = lane->settings.now.value;
	const struct quota quota = {.bytes = (uint64_t)value[SETTING_QUOTA_STORAGE],
				    .messages = (uint64_t)value[SETTING_QUOTA_MESSAGES],
				    .mailboxes = (uint64_t)value[SETTING_QUOTA_MAILBOXES],
				    .pool_bytes = (uint64_t)value[SETTING_QUOTA_DOMAIN]};
	if (!lane->account->share && lane->member.is_member)
		usage_set_share(lane->account, &lane->member.share);
	usage_set_quota(lane->account, &quota);
}

bool quota_read_warnings(const char *text, int out[QUOTA_WARNINGS_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < QUOTA_WARNINGS_MAX; i++)
		out[i] = 0;
	while (n < QUOTA_WARNINGS_MAX) {
		char *end;
		long percent = strtol(text, &end, 10);
		if (end == text || percent < 1 || percent > 100 || (n && percent <= out[n - 1]))
			return false;
		out[n++] = (int)percent;
		if (!*end)
			return true;
		if (*end != ' ')
			return false;
		text = end + 1;
	}
	return false;
}

static bool has_come_to(uint64_t is, uint64_t limit, int percent)
{
	return limit && percent && (double)is * 100 >= (double)limit * percent;
}

int quota_reached(const struct account *a, const int percent[QUOTA_WARNINGS_MAX], const char **out_of)
{
	int reached = 0;
	*out_of = "";
	for (size_t i = 0; i < QUOTA_WARNINGS_MAX; i++) {
		bool storage = has_come_to(a->usage.bytes, a->quota.bytes, percent[i]);
		if (!storage && !has_come_to(a->usage.messages, a->quota.messages, percent[i]))
			continue;
		reached = percent[i];
		*out_of = storage ? "storage" : "messages";
	}
	return reached;
}
