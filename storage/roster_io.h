/* What roster.c and roster_io.c share: the inside of a roster.  For no one else. */
#ifndef STORAGE_ROSTER_IO_H
#define STORAGE_ROSTER_IO_H

#include "storage/roster.h"

/* Where a segment's columns lie; uid is NULL, since UIDs are the map's. */
struct message_columns segment_columns(const struct segment *s);
/* Room for `cap` messages (at most 256). */
void segment_reserve(struct segment *s, uint32_t cap);
/* An empty one at the end; the pointer holds until the next. */
struct segment *roster_add_segment(struct roster *r);
/* Counts a segment just read into its summary and the roster's population. */
void roster_count_segment(const struct account *a, struct roster *r, struct segment *s);
void roster_free(struct roster *r);
/* The range of rows in table `segment` that are a mailbox's: its id and a segment's low UID make the key. */
static inline int64_t segment_key(int64_t mailbox, uint32_t low)
{
	return (int64_t)((uint64_t)mailbox << 32 | low);
}

#endif
