/* What the files of the check share.  For no one else. */
#ifndef STORAGE_CHECK_PRIVATE_H
#define STORAGE_CHECK_PRIVATE_H

#include "storage/check.h"
#include "storage/live.h"

enum check_phase {
	CHECK_DATABASE,
	CHECK_ACCOUNT,
	CHECK_MAILBOXES,
	CHECK_MESSAGES,
	CHECK_GRAVEYARD,
	CHECK_JOURNAL,
	CHECK_CONTENTS,
	CHECK_UNNAMED,
	CHECK_FILES,
	CHECK_INDEX,
	CHECK_DONE
};

/* Where the last slice ended in a table. */
struct check_place {
	int64_t a, b, c;
};

struct check {
	struct account *a; /* NULL after it was closed */
	const struct check_digest *digest;
	void (*report)(void *ctx, enum check_kind kind, const char *line);
	void *ctx;
	enum check_phase phase;
	struct check_place at;
	int64_t last; /* the highest content id at the start */
	struct live live;
	bool live_filled;
	unsigned directory;
	int64_t *damaged; /* contents, ascending */
	size_t damaged_n, damaged_cap;
	struct check_counts counts;
};

void check_report(struct check *c, enum check_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
/* On to the next phase, at the beginning of its table. */
void check_next_phase(struct check *c);
/* check_content.c: a slice of each. */
MUST_USE enum store_err check_contents(struct check *c);
MUST_USE enum store_err check_unnamed(struct check *c);
MUST_USE enum store_err check_files(struct check *c);
/* check_mailbox.c */
MUST_USE enum store_err check_mailboxes(struct check *c);
MUST_USE enum store_err check_messages(struct check *c);
MUST_USE enum store_err check_graveyard(struct check *c);

#endif
