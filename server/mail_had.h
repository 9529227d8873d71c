/*
 * What a mailbox had before an import brought mail for it: which of that came again, so that nothing is there twice, and what
 * did not.  Thread: the account's lane.  Memory: 24 bytes a message.
 */
#ifndef SERVER_MAIL_HAD_H
#define SERVER_MAIL_HAD_H

#include "storage/account.h"
#include "storage/imported.h"
#include "storage/uidset.h"

struct mail_had_message {
	int64_t content;
	uint32_t uid;  /* 0: it was removed here */
	bool came;
	bool as_brought; /* an import changed it last */
};

struct mail_had {
	struct mail_had_message *v; /* by content and UID */
	size_t n, cap;
};

/* Replaces what *h knew.  `imported` tells what imports brought; `removed`: messages count too that were removed here, as long as
 * that is remembered, though not by an import. */
MUST_USE enum store_err mail_had_load(struct mail_had *h, struct account *a, int64_t mailbox, const struct imported *imported,
				      bool removed);
void mail_had_finish(struct mail_had *h);
/* One that has not come yet: that UID, or with 0 the first of that content.  Now it came.  NULL: there is none. */
const struct mail_had_message *mail_had_take(struct mail_had *h, int64_t content, uint32_t uid);
/* Those that are as an import brought them, and did not come now. */
void mail_had_missing(const struct mail_had *h, struct uidset *out);

#endif
