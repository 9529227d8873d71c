/*
 * Mending an account that the check (check.h) found damaged.  Nothing that can still be read is thrown away:
 *
 *   tree        names without a parent hang below the root under a name that says so; INBOX is made
 *   numbers     UIDVALIDITYs that clash are given anew, UIDNEXT rises above all UIDs
 *   segments    counters and summaries are counted afresh; one that cannot be read is taken out, and the contents that
 *               nobody names after that become messages of the mailbox "Recovered"; messages whose UIDs are out of order
 *               get new ones
 *   graveyard   and journal: what cannot be read is taken out, and what names damaged contents
 *   contents    a message whose bytes are damaged becomes another, of what can be read of it: the caller makes it
 *
 * repair_structure() > repair_uses(), and repair_replace() for each > repair_recover(), repair_tidy() > account_jump(), since modseqs are in
 * doubt > usage_load() > a thorough sweep.  Each is between ops of others, in one of its own.  Thread: the account's lane.
 */
#ifndef STORAGE_REPAIR_H
#define STORAGE_REPAIR_H

#include "storage/account.h"
#include "storage/roster.h"

struct repair {
	/* One line of text for each thing that was done, valid during the call. */
	void (*report)(void *ctx, const char *line);
	void *ctx;
	const int64_t *damaged; /* contents, ascending: what check_damaged() gave; the caller's */
	size_t damaged_n;
	uint64_t mended;        /* lines */
	bool has_lost_segments; /* contents may have lost their names */
	bool uids_are_in_doubt; /* the jump has to leap UIDs too */
};

/* A message that names a content which is damaged or not there. */
struct repair_use {
	int64_t mailbox;
	struct roster_entry entry;
};

struct repair_uses {
	struct repair_use *v; /* by content */
	size_t n;
};

void repair_told(struct repair *r, const char *format, ...) PRINTF_LIKE(2, 3);
/* Inside an op; drops all rosters. */
MUST_USE enum store_err repair_structure(struct repair *r, struct account *a);
/* The messages that name one of the damaged contents or one that is not there. */
MUST_USE enum store_err repair_uses(const struct repair *r, struct account *a, struct repair_uses *out);
void repair_uses_finish(struct repair_uses *uses);
/* Inside an op: the content is not what its digest says, so that the same bytes are not taken for it. */
MUST_USE enum store_err repair_disown(struct account *a, int64_t content);
/* Inside an op: `content`, of `size` bytes, as a new message in place of the one in use; 0: that only goes. */
MUST_USE enum store_err repair_replace(struct account *a, const struct repair_use *use, int64_t content, uint32_t size);
/* Inside an op: contents that nobody names become messages of "Recovered".  *n of them. */
MUST_USE enum store_err repair_recover(struct repair *r, struct account *a, uint64_t *n);

/* Inside an op, after repair_replace(): rows that belong to no content are of no more use. */
MUST_USE enum store_err repair_tidy(struct account *a);

#endif
