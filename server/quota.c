#include "server/quota.h"

#include "server/lane.h"
#include "storage/usage.h"

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
