/*
 * Frames: a message's bytes in pieces of 64 KiB (the last one shorter), each stored by itself, compressed where that
 * pays, so that a part of a message is read without the rest, and damage is found before its bytes leave.
 *
 * The frame table has one entry a frame, 16 bytes, little endian:
 *
 *   0  u32  end         of the stored bytes, counted from the start of the body; the frame before it ends where this begins
 *   4  u16  raw - 1     bytes of message in it: 65536 in all frames but the last
 *   6  u8   method      enum frame_method
 *   7  u8   dictionary  its version, for FRAME_DICTIONARY; else 0
 *   8  u64  checksum    XXH3 of the stored bytes, seeded with the frame's index
 *
 * The checksum is of the stored bytes: they are fewer, and nothing unsound reaches the decompressor.
 */
#ifndef STORAGE_FRAME_H
#define STORAGE_FRAME_H

#include "storage/base.h"
#include "storage/error.h"

enum { FRAME_BYTES = 65536, FRAME_ENTRY_BYTES = 16 };

enum frame_method {
	FRAME_RAW = 0,
	FRAME_ZSTD = 1,
	FRAME_DICTIONARY = 2 /* zstd with one of our dictionaries */
};

struct frame {
	uint32_t index;
	uint32_t begin, end; /* of the stored bytes in the body */
	uint32_t raw;        /* bytes */
	enum frame_method method;
	uint8_t dictionary;
	uint64_t checksum;
};

struct scratch;

/* Packs `raw_len` (1 to FRAME_BYTES) bytes as frame `index`, the next after stored bytes that end at `begin`.  Writes
 * at most raw_len bytes to `to` and the entry to `entry`; returns the stored length. */
size_t frame_pack(struct scratch *s, const char *raw, size_t raw_len, uint32_t index, uint32_t begin, char *to,
		  unsigned char entry[FRAME_ENTRY_BYTES]);
/* Reads entry `index` of a table; STORE_CORRUPT when it is not one that frame_pack() can have made. */
MUST_USE enum store_err frame_find(struct bytes table, uint32_t index, struct frame *out);
uint32_t frame_count(struct bytes table);
/* Checks and unpacks the stored bytes (end - begin of them) to `to` (room for f->raw).  `stored` may be `to` for
 * FRAME_RAW.  STORE_CORRUPT: not the bytes that were stored. */
MUST_USE enum store_err frame_unpack(struct scratch *s, const struct frame *f, const char *stored, char *to);

#endif
