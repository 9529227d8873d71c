/*
 * The UIDs of one mailbox by sequence number, at one moment: immutable, shared, cheap to take and to drop.
 *
 * A roster keeps one for its messages and hands it to every session in sync with it; a session that is behind keeps
 * an older one.  Below a root stand nodes of up to 64 chunks, and a chunk is a block of up to 256 UIDs:
 *
 *     struct uids {map, n, nodes, slots}  ->  root  ->  node, node, ...  ->  block, block, ...
 *
 * Each of the three is counted, so that two maps share all that they have in common: an expunge copies a root, one node
 * and one block, whatever the size of the mailbox.  What arrives goes into slots that no earlier value names: the
 * counts travel in the value, not in the map, so that a reader never looks at what the owner writes.
 *
 * Threads: uids_acquire() and uids_release() anywhere; reading anywhere; changing by the owner alone, which is the one
 * that made the map with uids_append() or uids_add_chunk() (a roster, on its account's lane).
 */
#ifndef STORAGE_UIDMAP_H
#define STORAGE_UIDMAP_H

#include "storage/uidset.h"

enum { UIDMAP_CHUNK = 256, UIDMAP_FAN = 64 };

struct uidmap;

struct uids {
	struct uidmap *map;    /* NULL: no messages */
	uint32_t n;            /* messages */
	uint32_t nodes, slots; /* of the map and of its last node: how many belong to these n */
};

/* A run of neighbours that lie together in memory. */
struct uids_run {
	const uint32_t *uid;
	uint32_t n;
	uint32_t chunk, offset; /* the number of their chunk, from 0; the place in it of the first */
};

/* A second reference to the same messages; each is released once.  Release leaves an empty value. */
struct uids uids_acquire(const struct uids *u);
void uids_release(struct uids *u);

/* The UID at `index` (below n): sequence number index + 1. */
uint32_t uids_at(const struct uids *u, uint32_t index);
/* The first index whose UID is at least `uid`; n when there is none. */
uint32_t uids_lower(const struct uids *u, uint32_t uid);
bool uids_find(const struct uids *u, uint32_t uid, uint32_t *index);
/* The highest UID, 0 for none. */
uint32_t uids_last(const struct uids *u);
/* The UIDs from `index` to the end of their chunk; false from n on. */
bool uids_run(const struct uids *u, uint32_t index, struct uids_run *out);
/* The first index of chunk number `chunk`, which must exist. */
uint32_t uids_chunk_first(const struct uids *u, uint32_t chunk);

/* Which messages of `old` are not in `now`, ascending.  What both share is skipped unread, so that the cost follows
 * the difference.  Neither may be released meanwhile. */
struct uids_diff {
	const struct uids *old, *now;
	uint32_t at, now_at;
};
void uids_diff_init(struct uids_diff *d, const struct uids *old, const struct uids *now);
bool uids_diff_next(struct uids_diff *d, uint32_t *index, uint32_t *uid);

/* Makes `u` end with what `from` holds at and above `uid`, which must be above all that `u` holds. */
void uids_extend(struct uids *u, const struct uids *from, uint32_t uid);

/* What `u` holds below `below`, and the UIDs of `more` (normalised, each of them a message's, none in `u`): chunks without
 * any of those are shared. */
struct uids uids_with(const struct uids *u, uint32_t below, const struct uidset *more);

/* For the owner.  Adds a UID above all at the end; true when it opened a new chunk. */
bool uids_append(struct uids *u, uint32_t uid);
/* Adds a chunk of `n` UIDs, with room for `cap`; the caller fills it (ascending, above all) before anything else. */
uint32_t *uids_add_chunk(struct uids *u, uint32_t n, uint32_t cap, uint32_t low);
/* Adds a node or a chunk of another map, shared. */
void uids_share_node(struct uids *u, const struct uids *from, uint32_t node);
void uids_share_chunk(struct uids *u, const struct uids *from, uint32_t chunk);
/* The node that holds chunk number `chunk`, and the numbers of the chunks it holds: [*first, *end). */
uint32_t uids_node(const struct uids *u, uint32_t chunk, uint32_t *first, uint32_t *end);
uint32_t uids_chunks(const struct uids *u);

#endif
