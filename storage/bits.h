/* Numbers as bytes, little endian whatever the machine: for everything storage keeps in a format of its own. */
#ifndef STORAGE_BITS_H
#define STORAGE_BITS_H

#include <stdint.h>

static inline void put_u16(unsigned char *to, uint16_t v)
{
	to[0] = (unsigned char)v;
	to[1] = (unsigned char)(v >> 8);
}

static inline void put_u32(unsigned char *to, uint32_t v)
{
	put_u16(to, (uint16_t)v);
	put_u16(to + 2, (uint16_t)(v >> 16));
}

static inline void put_u64(unsigned char *to, uint64_t v)
{
	put_u32(to, (uint32_t)v);
	put_u32(to + 4, (uint32_t)(v >> 32));
}

static inline uint16_t get_u16(const unsigned char *from)
{
	return (uint16_t)(from[0] | from[1] << 8);
}

static inline uint32_t get_u32(const unsigned char *from)
{
	return get_u16(from) | (uint32_t)get_u16(from + 2) << 16;
}

static inline uint64_t get_u64(const unsigned char *from)
{
	return get_u32(from) | (uint64_t)get_u32(from + 4) << 32;
}

#endif
