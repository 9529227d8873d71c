/*
 * Into which of an account's mailboxes a message is delivered: the one place that decides it, where a filter of the user's
 * own (RFC 5228) will stand.  Thread: the account's lane.
 */
#ifndef SERVER_TARGET_H
#define SERVER_TARGET_H

#include "protocol/span.h"
#include "storage/account.h"

/* What is known of the message and its recipient. */
struct target_facts {
	struct span detail; /* user+detail@ (RFC 5233 1); empty: none */
	bool is_junk;       /* a field of its header says so */
};

/* Junk goes into the \Junk mailbox; else the mailbox that the detail names, if there is one, in any case of its letters and
 * with '.' between levels, since an address may not hold a '/'; else INBOX, which also takes what has nowhere else to go. */
MUST_USE enum store_err target_find(struct account *a, const struct target_facts *facts, int64_t *mailbox);

/* Does the header have one of the fields that `rules` names with the value it gives?  "X-Spam-Flag: YES, X-Spam-Status: Yes":
 * a field matches when its value begins so, in any case of its letters.  Pure. */
bool target_is_junk(const char *rules, struct span header);

#endif
