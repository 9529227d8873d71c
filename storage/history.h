/*
 * The journal as people read it: what was done, when, by which login and device ("who deleted this?").  changes.h has what
 * sessions ask of it.  Reads only.  Thread: the account's lane.
 */
#ifndef STORAGE_HISTORY_H
#define STORAGE_HISTORY_H

#include "storage/changes.h"
#include "storage/mailbox.h"

struct history_row {
	int64_t id; /* rises with time */
	uint64_t modseq;
	int64_t at_s, mailbox;
	unsigned kinds;               /* CHANGE_* */
	uint32_t first_uid, last_uid; /* CHANGE_ARRIVED */
	struct bytes flags;           /* CHANGE_FLAGS: flag_log_open() */
	const char *name;             /* as in struct change; NULL */
	const char *login, *device;
};

/* The rows behind id `after`, in order, until `each` says false: at most `rows_max`.  A row's pointers hold during the call.
 * *more: there may be others. */
MUST_USE enum store_err history_each(struct account *a, int64_t after, uint32_t rows_max,
				     bool (*each)(void *ctx, const struct history_row *row), void *ctx, bool *more);
/* The id behind which rows are from `since_s` or later: the journal is in the order of time but where the clock was set. */
MUST_USE enum store_err history_find(struct account *a, int64_t since_s, int64_t *after);
/* The mailbox into which the op of this expunge put messages, which was a MOVE or a RENAME of INBOX; 0: none. */
MUST_USE enum store_err history_moved_to(struct account *a, const struct history_row *row, int64_t *mailbox);
/* What the mailbox is called, or was when it was deleted.  STORE_NOTFOUND: that is forgotten. */
MUST_USE enum store_err history_name(struct account *a, int64_t mailbox, char out[MAILBOX_NAME_BYTES_MAX + 1]);

#endif
