/*
 * Room on the store's disk.  A disk that is full to the last byte refuses what nobody should be refused: a flag, an
 * EXPUNGE, the write-back of a log.  So some of it is kept back: mail is added only while more than that is left
 * (STORE_FULL: "452" by LMTP, a NO by IMAP).  When others have used up even that, nothing is written that would fail
 * half-way: what reads goes on, without marking \Seen.
 */
#ifndef SERVER_ROOM_H
#define SERVER_ROOM_H

#include "storage/base.h"

#include <stdatomic.h>

struct room {
	const char *path;
	_Atomic uint64_t looked_ms; /* 0: never */
	_Atomic int64_t left;       /* bytes, without those kept back */
	_Atomic bool gone;          /* or read-only */
};

/* `path` is on the disk, and outlives it. */
void room_init(struct room *r, const char *path);
/* Any thread.  So many bytes may be added. */
bool room_has(struct room *r, uint64_t bytes);
/* Any thread.  What was kept back is used up as well. */
bool room_is_gone(struct room *r);

/* Of a disk of a size so much is free: what of it mail may use (less than 0: so much of the reserve is used), and whether
 * hardly any of the reserve is left. */
int64_t room_left(uint64_t size_bytes, uint64_t free_bytes, bool *gone);

#endif
