/* A message on its way in, whole. */
#ifndef SERVER_DELIVER_H
#define SERVER_DELIVER_H

#include "protocol/span.h"
#include "storage/account.h"

struct append_message {
	char *data;
	size_t len;
	uint32_t flags;
	struct span keywords;
	bool has_date;
	int64_t date;
	int32_t zone_min;
};

/* Messages (CRLF) become contents and new messages of a mailbox.  Inside an op. */
MUST_USE enum store_err deliver_message(struct account *a, int64_t mailbox, const struct append_message *messages,
					size_t n, uint32_t *first_uid);

#endif
