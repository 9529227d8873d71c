/* What the files of the repair share.  For no one else. */
#ifndef STORAGE_REPAIR_PRIVATE_H
#define STORAGE_REPAIR_PRIVATE_H

#include "storage/repair.h"

/* repair_rows.c: rows in the segment's format. */
MUST_USE enum store_err repair_segments(struct repair *r, struct account *a);
MUST_USE enum store_err repair_graveyard(struct repair *r, struct account *a);
/* repair_contents.c */
bool repair_is_damaged(const struct repair *r, int64_t content);

#endif
