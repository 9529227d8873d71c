/*
 * The in-memory columnar index of one mailbox, in UID order, and its durable form: segments of at most 256
 * messages (segment.c).  All changes go through here; nothing else touches the table `segment`.
 */
#ifndef STORAGE_ROSTER_H
#define STORAGE_ROSTER_H

#include "storage/account.h"
#include "storage/uidset.h"

enum { SEGMENT_MESSAGES = 256 };

struct roster_entry {
	uint32_t uid, flagset;
	uint64_t modseq;
	int64_t internal_date; /* Unix seconds */
	int32_t zone_min;
	int64_t save_date;
	uint32_t size;
	int64_t content;
};

/* Neighbours that lie together in memory, column by column. Valid until the roster changes. */
struct roster_slice {
	uint32_t index, n; /* of the first one; how many */
	const uint32_t *uid, *flagset, *size;
	const uint64_t *modseq;
	const int64_t *internal_date, *save_date, *content;
	const int16_t *zone_min;
};

struct segment {
	uint32_t low;   /* the row's key; 0: has no row yet */
	uint32_t count;
	uint64_t modseq_max;
	bool dirty;
};

struct mailbox_info {
	int64_t id;
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;
	uint32_t messages, unseen, deleted;
	uint64_t bytes;
	uint32_t recent; /* UIDs above it are \Recent to the next read-write session */
	uint32_t special;
};

struct roster {
	struct roster *next;
	struct mailbox_info info;
	bool info_dirty;
	uint32_t count, cap;
	uint32_t *uid, *flagset, *size;
	uint64_t *modseq;
	int64_t *internal_date, *save_date, *content;
	int16_t *zone_min;
	struct segment *segments;
	uint32_t segments_n, segments_cap;
	uint32_t hint, hint_first; /* the segment looked at last, and its first index */
};

/* The mailbox's roster, read when needed; valid until the account closes, the mailbox is deleted or an op fails. */
MUST_USE enum store_err roster_get(struct account *a, int64_t mailbox, struct roster **out);
void roster_drop(struct account *a, int64_t mailbox);
void roster_drop_all(struct account *a);
/* Writes dirty segments and mailbox rows: at the end of an op. */
MUST_USE enum store_err roster_flush_all(struct account *a);

/* The first index whose UID is at least `uid` (count when there is none). */
uint32_t roster_lower(const struct roster *r, uint32_t uid);
/* From `index` to the end of what lies together with it; false when there is no such message. */
bool roster_slice_at(const struct roster *r, uint32_t index, struct roster_slice *out);
void roster_read(const struct roster *r, uint32_t index, struct roster_entry *out);
/* Adds at the end; entry->uid must be above all. */
void roster_append(struct account *a, struct roster *r, const struct roster_entry *entry);
void roster_set_flags(struct account *a, struct roster *r, uint32_t index, uint32_t flagset);
/* Removes the messages at `indexes` (ascending) and buries them in the graveyard. */
MUST_USE enum store_err roster_remove(struct account *a, struct roster *r, const uint32_t *indexes, uint32_t n);

/* segment.c: entries to bytes (heap, caller frees) and back.  unpack appends to `out`, which has room for `n`. */
void segment_pack(const struct roster_entry *entries, uint32_t n, char **out, size_t *out_len);
MUST_USE enum store_err segment_count(struct bytes data, uint32_t *n);
MUST_USE enum store_err segment_unpack(struct bytes data, struct roster_entry *out, uint32_t n);

#endif
