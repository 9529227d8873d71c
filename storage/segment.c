/*
 * A segment's bytes: version (1), three zero bytes, count (4), checksum of what follows (4), then eight columns
 * (uid, flagset, modseq, internal date, zone + 2000, save date, size, content), each as its least value (8), the
 * bits a difference takes (1) and the differences packed in that many bits.  Little endian.
 */
#include "storage/roster.h"

enum { SEGMENT_VERSION = 1, SEGMENT_HEAD = 12, COLUMNS = 8, ZONE_BIAS = 2000 };

static uint32_t checksum(const unsigned char *p, size_t n)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static uint64_t column_get(const struct roster_entry *e, unsigned column)
{
	const uint64_t values[COLUMNS] = {e->uid, e->flagset, e->modseq, (uint64_t)e->internal_date,
					  (uint64_t)(e->zone_min + ZONE_BIAS), (uint64_t)e->save_date, e->size,
					  (uint64_t)e->content};
	return values[column];
}

static void column_set(struct roster_entry *e, unsigned column, uint64_t v)
{
	switch (column) {
	case 0: e->uid = (uint32_t)v; break;
	case 1: e->flagset = (uint32_t)v; break;
	case 2: e->modseq = v; break;
	case 3: e->internal_date = (int64_t)v; break;
	case 4: e->zone_min = (int32_t)v - ZONE_BIAS; break;
	case 5: e->save_date = (int64_t)v; break;
	case 6: e->size = (uint32_t)v; break;
	default: e->content = (int64_t)v; break;
	}
}

static void put_bits(unsigned char *to, size_t at, unsigned bits, uint64_t v)
{
	for (unsigned done = 0; done < bits;) {
		unsigned shift = (unsigned)((at + done) & 7), take = 8 - shift;
		to[(at + done) >> 3] = (unsigned char)(to[(at + done) >> 3] | (v >> done) << shift);
		done += take;
	}
}

static uint64_t get_bits(const unsigned char *from, size_t at, unsigned bits)
{
	uint64_t v = 0;
	for (unsigned done = 0; done < bits;) {
		unsigned shift = (unsigned)((at + done) & 7), take = 8 - shift;
		uint64_t part = (uint64_t)(from[(at + done) >> 3] >> shift);
		if (take > bits - done)
			part &= (1ull << (bits - done)) - 1;
		v |= part << done;
		done += take;
	}
	return v;
}

void segment_pack(const struct roster_entry *entries, uint32_t n, char **out, size_t *out_len)
{
	unsigned char *data = xcalloc(1, SEGMENT_HEAD + COLUMNS * (9 + (size_t)n * 8 + 8));
	size_t at = SEGMENT_HEAD;
	for (unsigned c = 0; c < COLUMNS; c++) {
		uint64_t least = UINT64_MAX, most = 0;
		bool is_signed_order = c == 3 || c == 5;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t v = column_get(&entries[i], c) ^ (is_signed_order ? 1ull << 63 : 0);
			least = v < least ? v : least;
			most = v > most ? v : most;
		}
		unsigned bits = most == least || n == 0 ? 0 : 64 - (unsigned)__builtin_clzll(most - least);
		least ^= is_signed_order ? 1ull << 63 : 0;
		memcpy(data + at, &least, 8);
		data[at + 8] = (unsigned char)bits;
		at += 9;
		for (uint32_t i = 0; bits && i < n; i++)
			put_bits(data + at, (size_t)i * bits, bits, column_get(&entries[i], c) - least);
		at += ((size_t)n * bits + 7) / 8;
	}
	data[0] = SEGMENT_VERSION;
	memcpy(data + 4, &n, 4);
	uint32_t sum = checksum(data + SEGMENT_HEAD, at - SEGMENT_HEAD);
	memcpy(data + 8, &sum, 4);
	*out = (char *)data;
	*out_len = at;
}

enum store_err segment_count(struct bytes data, uint32_t *n)
{
	const unsigned char *p = data.ptr;
	if (data.len < SEGMENT_HEAD || p[0] != SEGMENT_VERSION)
		return STORE_CORRUPT;
	uint32_t sum;
	memcpy(n, p + 4, 4);
	memcpy(&sum, p + 8, 4);
	return sum == checksum(p + SEGMENT_HEAD, data.len - SEGMENT_HEAD) ? STORE_OK : STORE_CORRUPT;
}

enum store_err segment_unpack(struct bytes data, struct roster_entry *out, uint32_t n)
{
	const unsigned char *p = data.ptr;
	size_t at = SEGMENT_HEAD;
	for (unsigned c = 0; c < COLUMNS; c++) {
		if (at + 9 > data.len)
			return STORE_CORRUPT;
		uint64_t least;
		memcpy(&least, p + at, 8);
		unsigned bits = p[at + 8];
		at += 9;
		size_t len = ((size_t)n * bits + 7) / 8;
		if (bits > 64 || len > data.len - at)
			return STORE_CORRUPT;
		for (uint32_t i = 0; i < n; i++)
			column_set(&out[i], c, least + (bits ? get_bits(p + at, (size_t)i * bits, bits) : 0));
		at += len;
	}
	return STORE_OK;
}
