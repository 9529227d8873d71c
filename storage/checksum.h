/* The checksum of everything storage keeps in a format of its own: XXH3, 64 bits, faster than memory. */
#ifndef STORAGE_CHECKSUM_H
#define STORAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

/* `seed` says what the bytes are (an index, a key), so that sound bytes in a wrong place do not pass. */
static inline uint64_t checksum64(const void *bytes, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, len, seed);
}

#endif
