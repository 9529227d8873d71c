/*
 * Bytes that are packed with gzip (RFC 1952) or Zstandard (RFC 8878), as a stream; several members or frames one behind the
 * other are one stream.  Memory: what the format's window takes: 32 KiB; of Zstandard
 * 8 MiB as a rule, and 128 MiB at most.  Any thread, one at a time.
 */
#ifndef SERVER_UNPACK_H
#define SERVER_UNPACK_H

#include "protocol/span.h"

enum packing { PACKING_NONE, PACKING_GZIP, PACKING_ZSTD, PACKING_OTHER /* one that is known, and cannot be unpacked here */ };

/* What begins so is packed with: PACKING_HEAD bytes tell it, or all there are.  *out_name gets its name, static; NULL for none. */
enum { PACKING_HEAD = 16 };
enum packing packing_of(struct span head, const char **out_name);

struct unpacker;

/* PACKING_GZIP or PACKING_ZSTD. */
struct unpacker *unpacker_create(enum packing packing);
/* Accepts NULL. */
void unpacker_destroy(struct unpacker *u);
/* Unpacks from the beginning of `in`, which loses what was taken, to `to`.  Returns how many bytes were written: when none, all of
 * `in` was taken, or what follows is not packed (some writers fill up with zeros) and is not for unpacking.  -1: it is damaged. */
MUST_USE int64_t unpacker_step(struct unpacker *u, struct span *in, void *to, size_t len);
/* All that was begun has come to its end, so that no more input need come. */
bool unpacker_is_whole(const struct unpacker *u);

#endif
