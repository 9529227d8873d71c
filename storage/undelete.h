/*
 * Mail that was deleted, had back: the graveyard's entries (gone.h) become messages again, with new UIDs, for as long as
 * retention keeps them.
 *
 * What was only moved is not missing: a message is offered when no mailbox has its content, once, from where it was removed
 * last; rather not from \Trash, when it was somewhere else before.  Where its mailbox was deleted too, that is made again.
 *
 * Thread: the account's lane.
 */
#ifndef STORAGE_UNDELETE_H
#define STORAGE_UNDELETE_H

#include "storage/mailbox.h"

/* What is wanted; all that is given must hold. */
struct undelete_filter {
	const char *mailbox;        /* from which it was removed, by its name now or when it was deleted; NULL: any */
	int64_t since_s, until_s;   /* when: since <= time <= until */
	const char *who;            /* a part of the login's or the device's name; NULL: anybody */
};

struct undelete_item {
	struct roster_entry entry;
	int64_t at_s;
	int64_t mailbox;
	uint64_t modseq;
	const char *login, *device; /* in the list's memory */
	bool from_trash;
};

struct undelete_list {
	struct undelete_item *v; /* by mailbox and UID */
	size_t n;
	char **texts; /* of logins and devices */
	size_t texts_n;
};

/* O(graveyard and all rosters). undelete_list_finish() it, also after a failure. */
MUST_USE enum store_err undelete_find(struct account *a, const struct undelete_filter *filter, struct undelete_list *out);
void undelete_list_finish(struct undelete_list *list);
/* Inside an op: restores the items [from, from + n) to their mailboxes, or all to `to`; \Deleted is taken away.  The names
 * of mailboxes that are not there are made. */
MUST_USE enum store_err undelete_apply(struct account *a, const struct undelete_list *list, size_t from, size_t n,
				       const char *to);

#endif
