/* What roster.c, roster_io.c and roster_remove.c share: the inside of a roster.  For no one else, but for segment_key(). */
#ifndef STORAGE_ROSTER_PRIVATE_H
#define STORAGE_ROSTER_PRIVATE_H

#include "storage/roster.h"

/* Where a segment's columns lie; uid is NULL, since UIDs are the map's. */
struct message_columns segment_columns(const struct segment *s);
/* Room for `cap` messages (at most 256). */
void segment_reserve(struct segment *s, uint32_t cap);
/* `n` messages' columns, all but the UIDs, from one place to another; they may overlap. */
void segment_copy(const struct message_columns *to, uint32_t to_at, const struct message_columns *from,
		  uint32_t from_at, uint32_t n);
/* An empty one at the end; the pointer holds until the next. */
struct segment *roster_add_segment(struct roster *r);
/* Counts a segment just read into its summary and the roster's population. */
void roster_count_segment(const struct account *a, struct roster *r, struct segment *s);
void roster_free(struct roster *r);
/* Where a message that exists lies: its segment's number and its place in it. */
struct uids_run roster_chunk(const struct roster *r, uint32_t index);
/* A segment's summary anew, after its flags or messages changed; the mailbox's counters follow, the row is to be
 * written. */
void roster_summarise(const struct account *a, struct roster *r, struct segment *s);
void roster_raise_modseq(struct roster *r, const struct segment *s, uint64_t modseq);
void roster_depopulate(struct roster *r, uint32_t flagset, uint32_t n);
/* The range of rows in table `segment` that are a mailbox's: its id and a segment's low UID make the key. */
static inline int64_t segment_key(int64_t mailbox, uint32_t low)
{
	return (int64_t)((uint64_t)mailbox << 32 | low);
}

#endif
