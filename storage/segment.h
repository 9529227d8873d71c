/*
 * A segment's bytes: up to 256 messages, column by column, each column as differences from its least value in as few bits
 * as they take.  10 to 14 bytes a message on disk against 46 in memory.  Pure: no database.
 *
 *     offset  bytes
 *     0       1      version (1)
 *     1       1      columns (8)
 *     2       2      messages, n
 *     4       4      zero
 *     8       8      checksum64 of all that follows, seeded with the eight bytes before
 *     16      9 * 8  for each column: its least value (8, signed) and the bits of a difference (1)
 *     88      ...    for each column: n differences, packed from the lowest bit up, padded to a whole byte
 *     end     8      zero, so that a reader may load whole words
 *
 * Little endian.  Columns: uid, flag set, modseq, internal date, its zone, save date, size, content.  UIDs and contents
 * mostly count up, so these two are taken less the message's place: neighbours without a gap cost no bits.
 */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include "storage/base.h"
#include "storage/error.h"

enum { SEGMENT_MESSAGES = 256, SEGMENT_COLUMNS = 8, SEGMENT_HEAD = 16 + 9 * SEGMENT_COLUMNS };
enum { SEGMENT_BYTES_MAX = SEGMENT_HEAD + 8 * SEGMENT_MESSAGES * SEGMENT_COLUMNS + 8 };

/* Neighbouring messages that lie together in memory, column by column. */
struct roster_slice {
	uint32_t index, n; /* the first one's place in the mailbox, from 0; how many */
	const uint32_t *uid, *flagset, *size;
	const uint64_t *modseq;
	const int64_t *internal_date, *save_date; /* Unix seconds */
	const int64_t *content;
	const int16_t *zone_min; /* of the internal date */
};

/* Where columns are to be written, each with room for 256 messages, or for as many as segment_count() said. */
struct message_columns {
	uint32_t *uid, *flagset, *size;
	uint64_t *modseq;
	int64_t *internal_date, *save_date;
	int64_t *content;
	int16_t *zone_min;
};

/* Room for one segment's columns, 12 KB: on the stack of whoever reads rows without a roster. */
struct segment_room {
	uint32_t uid[SEGMENT_MESSAGES], flagset[SEGMENT_MESSAGES], size[SEGMENT_MESSAGES];
	uint64_t modseq[SEGMENT_MESSAGES];
	int64_t internal_date[SEGMENT_MESSAGES], save_date[SEGMENT_MESSAGES], content[SEGMENT_MESSAGES];
	int16_t zone_min[SEGMENT_MESSAGES];
};

static inline struct message_columns segment_room_columns(struct segment_room *r)
{
	return (struct message_columns){.uid = r->uid, .flagset = r->flagset, .size = r->size, .modseq = r->modseq,
					.internal_date = r->internal_date, .save_date = r->save_date,
					.content = r->content, .zone_min = r->zone_min};
}

static inline struct roster_slice segment_room_slice(const struct segment_room *r, uint32_t n)
{
	return (struct roster_slice){.n = n, .uid = r->uid, .flagset = r->flagset, .size = r->size, .modseq = r->modseq,
				     .internal_date = r->internal_date, .save_date = r->save_date,
				     .content = r->content, .zone_min = r->zone_min};
}

/* Packs the slice's messages (1 to 256); returns the length. */
size_t segment_pack(const struct roster_slice *in, unsigned char out[SEGMENT_BYTES_MAX]);
/* How many messages `data` holds, after its checksum was found right. STORE_CORRUPT also for a foreign version. */
MUST_USE enum store_err segment_count(struct bytes data, uint32_t *n);
/* The same data's columns; UIDs are known to ascend and to be above 0 after it. */
MUST_USE enum store_err segment_unpack(struct bytes data, const struct message_columns *out);

#endif
