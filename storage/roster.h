/*
 * The in-memory columnar index of one mailbox, in UID order: about 46 bytes a message, in segments of at most 256.
 * A segment is a row of the table `segment` (segment.h says what its bytes are), a
 * chunk of the shared UID map (uidmap.h) and one block of columns here, so that a change in the middle of a million
 * messages touches a few hundred.  UIDs only grow: a segment is never split; small neighbours are joined.
 *
 * All changes go through here and are inside an op; account_end() makes them durable.  Nothing takes or returns one
 * message's flags by itself: callers name messages by UID set or walk slices.  Thread: the account's lane.
 */
#ifndef STORAGE_ROSTER_H
#define STORAGE_ROSTER_H

#include "storage/account.h"
#include "storage/flagset.h"
#include "storage/segment.h"
#include "storage/uidmap.h"
#include "storage/uidset.h"

_Static_assert((int)SEGMENT_MESSAGES == (int)UIDMAP_CHUNK, "a segment is a chunk of the UID map");

/* One message, whole. */
struct roster_entry {
	uint32_t uid, flagset;
	uint64_t modseq;
	int64_t internal_date, save_date; /* Unix seconds */
	int32_t zone_min;                 /* of the internal date */
	uint32_t size;                    /* RFC822.SIZE: bytes of the CRLF form */
	int64_t content;
};

enum { MAILBOX_OBJECTID_BYTES = 24 };

/* What STATUS and SELECT tell of a mailbox; the same as its row. */
struct mailbox_info {
	int64_t id;
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;         /* of the last change: HIGHESTMODSEQ */
	uint64_t floor;          /* the journal and the graveyard know what happened after it, not what did before */
	uint64_t expunge_modseq; /* of the last expunge, 0 for none */
	uint32_t messages, unseen, deleted;
	uint64_t bytes;
	uint32_t recent;  /* UIDs above it are \Recent to the next read-write session (RFC 3501 2.3.2) */
	uint32_t special; /* SPECIAL_*, mailbox.h */
	char objectid[MAILBOX_OBJECTID_BYTES]; /* RFC 8474 4; never changes */
};

struct segment {
	uint32_t low; /* its row's key, at most its first UID; 0: it has no row yet */
	uint32_t count, cap;
	uint32_t unseen, deleted;
	bool dirty;
	void *columns; /* all but the UIDs, which are the map's */
};

/* Read `info` and `uids`; the rest belongs to the files that share roster_private.h. */
struct roster {
	struct roster *next;
	struct mailbox_info info;
	struct uids uids;
	bool info_dirty; /* the row is behind */
	bool in_op;      /* read or changed by the running op: dropped when that fails */
	struct segment *segments;
	uint64_t *modseq_max; /* a segment's highest: apart, so that "changed since" reads little */
	uint32_t segments_n, segments_cap;
	uint32_t *dead; /* keys of rows to delete */
	uint32_t dead_n, dead_cap;
	uint32_t *population; /* messages by flag set */
	size_t population_n;
};

/* The mailbox's roster, read when needed; valid until the account closes, the mailbox is deleted or an op that changed it
 * fails.  STORE_NOTFOUND also for a name without mailbox; STORE_CORRUPT. */
MUST_USE enum store_err roster_get(struct account *a, int64_t mailbox, struct roster **out);
/* The roster if it is in memory, else NULL. */
struct roster *roster_loaded(const struct account *a, int64_t mailbox);
void roster_drop(struct account *a, int64_t mailbox);
void roster_drop_all(struct account *a);
/* account.c alone.  Writes what differs from the database; then the op has ended well, or its changes are forgotten. */
MUST_USE enum store_err roster_flush_all(struct account *a);
bool roster_is_behind(const struct account *a); /* there is something to write */
void roster_keep(struct account *a);
void roster_undo(struct account *a);

/* The UIDs as they are, for a view to keep: uids_release() it, on any thread. */
struct uids roster_snapshot(const struct roster *r);
uint32_t roster_lower(const struct roster *r, uint32_t uid);
void roster_read(const struct roster *r, uint32_t index, struct roster_entry *out);
/* The slice's message number `i`. */
struct roster_entry roster_entry_at(const struct roster_slice *s, uint32_t i);
/* From `index` to the end of its segment; false when there is no such message.  Valid until the roster changes. */
bool roster_slice_at(const struct roster *r, uint32_t index, struct roster_slice *out);
/* The first message without \Seen; roster's end when there is none. */
uint32_t roster_first_unseen(const struct account *a, const struct roster *r);

/* Walks the messages that `set` (normalised) names, of those that are there at the start, ascending, in slices; never
 * looks at UIDs that no message has. */
struct roster_cursor {
	const struct roster *r;
	const struct uidset *set;
	size_t range;
	uint32_t index, end;
};
void roster_cursor_init(struct roster_cursor *c, const struct roster *r, const struct uidset *set);
bool roster_cursor_next(struct roster_cursor *c, struct roster_slice *out);

/* Adds at the end; entry->uid must be above all and below uidnext, its modseq the op's. */
void roster_append(struct account *a, struct roster *r, const struct roster_entry *entry);

/* A stretch of neighbouring messages that had flag set `from` and have `to`: those from `lo` to `hi` that exist. */
struct roster_flag_run {
	uint32_t lo, hi, from, to;
	bool adjoins; /* no message lies between it and the run before */
};
/* Gives each message of `set` the flag set map[its own] and, where that differs, the op's modseq.  `each` hears of the
 * stretches changed, ascending. */
void roster_map_flags(struct account *a, struct roster *r, const struct uidset *set, const uint32_t *map,
		      void (*each)(void *ctx, const struct roster_flag_run *run), void *ctx);
/* Removes the messages at `indexes` (ascending, n > 0), buried by the caller before. */
void roster_remove(struct account *a, struct roster *r, const uint32_t *indexes, uint32_t n);
/* The running op changes the mailbox: its modseq, its row in the journal. */
struct change *roster_changed(struct account *a, struct roster *r, unsigned kind);
/* Messages that have flag set `flagset`. */
uint32_t roster_population(const struct roster *r, uint32_t flagset);
/* The keywords in use, for FLAGS and PERMANENTFLAGS. */
void roster_keywords(const struct account *a, const struct roster *r, struct keyword_set *out);
/* STORE_LIMIT: with messages of these flag sets too many keywords would be in use. */
MUST_USE enum store_err roster_check_keywords(const struct account *a, const struct roster *r, const uint32_t *flagsets,
					      size_t n);

#endif
