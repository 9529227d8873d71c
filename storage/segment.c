#include "storage/segment.h"

#include "storage/checksum.h"

enum { SEGMENT_VERSION = 1 };
enum column { COLUMN_UID, COLUMN_FLAGSET, COLUMN_MODSEQ, COLUMN_INTERNAL, COLUMN_ZONE, COLUMN_SAVE, COLUMN_SIZE, COLUMN_CONTENT };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are little endian, and so is whoever reads them");
_Static_assert(COLUMN_CONTENT + 1 == SEGMENT_COLUMNS, "a column each");

static bool counts_up(enum column c)
{
	return c == COLUMN_UID || c == COLUMN_CONTENT;
}

static void widen(const struct roster_slice *in, enum column c, int64_t *v)
{
	uint32_t n = in->n;
	switch (c) {
	case COLUMN_UID:
		for (uint32_t i = 0; i < n; i++)
			v[i] = in->uid[i];
		break;
	case COLUMN_FLAGSET:
		for (uint32_t i = 0; i < n; i++)
			v[i] = in->flagset[i];
		break;
	case COLUMN_MODSEQ:
		memcpy(v, in->modseq, n * sizeof(*v));
		break;
	case COLUMN_INTERNAL:
		memcpy(v, in->internal_date, n * sizeof(*v));
		break;
	case COLUMN_ZONE:
		for (uint32_t i = 0; i < n; i++)
			v[i] = in->zone_min[i];
		break;
	case COLUMN_SAVE:
		memcpy(v, in->save_date, n * sizeof(*v));
		break;
	case COLUMN_SIZE:
		for (uint32_t i = 0; i < n; i++)
			v[i] = in->size[i];
		break;
	case COLUMN_CONTENT:
		memcpy(v, in->content, n * sizeof(*v));
		break;
	}
	for (uint32_t i = 0; counts_up(c) && i < n; i++)
		v[i] = (int64_t)((uint64_t)v[i] - i);
}

/* The way back; false for a value that does not fit its column. */
static bool narrow(const struct message_columns *out, enum column c, uint32_t n, int64_t *v)
{
	uint64_t outside = 0;
	for (uint32_t i = 0; counts_up(c) && i < n; i++)
		v[i] = (int64_t)((uint64_t)v[i] + i);
	switch (c) {
	case COLUMN_UID:
		for (uint32_t i = 0; i < n; i++) {
			outside |= (uint64_t)v[i] >> 32 | (v[i] <= (i ? v[i - 1] : 0));
			out->uid[i] = (uint32_t)v[i];
		}
		break;
	case COLUMN_FLAGSET:
		for (uint32_t i = 0; i < n; i++) {
			outside |= (uint64_t)v[i] >> 32;
			out->flagset[i] = (uint32_t)v[i];
		}
		break;
	case COLUMN_MODSEQ:
		memcpy(out->modseq, v, n * sizeof(*v));
		break;
	case COLUMN_INTERNAL:
		memcpy(out->internal_date, v, n * sizeof(*v));
		break;
	case COLUMN_ZONE:
		for (uint32_t i = 0; i < n; i++) {
			outside |= v[i] != (int16_t)v[i];
			out->zone_min[i] = (int16_t)v[i];
		}
		break;
	case COLUMN_SAVE:
		memcpy(out->save_date, v, n * sizeof(*v));
		break;
	case COLUMN_SIZE:
		for (uint32_t i = 0; i < n; i++) {
			outside |= (uint64_t)v[i] >> 32;
			out->size[i] = (uint32_t)v[i];
		}
		break;
	case COLUMN_CONTENT:
		memcpy(out->content, v, n * sizeof(*v));
		break;
	}
	return outside == 0;
}

static size_t packed_bytes(uint32_t n, unsigned bits)
{
	return ((size_t)n * bits + 7) / 8;
}

/* Widths up to which a value and the bits before it in its byte fit in one word: nearly all columns. */
enum { BITS_IN_WORD = 57 };

/* Writes up to 8 bytes more than packed_bytes(); the next column, or the trailing word, goes over them. */
static void pack_bits(unsigned char *to, const int64_t *v, int64_t least, uint32_t n, unsigned bits)
{
	uint64_t word = 0;
	unsigned fill = 0;
	for (uint32_t i = 0; bits <= BITS_IN_WORD && i < n; i++) {
		word |= ((uint64_t)v[i] - (uint64_t)least) << fill;
		memcpy(to, &word, 8);
		fill += bits;
		to += fill >> 3;
		word = (fill & ~7u) < 64 ? word >> (fill & ~7u) : 0;
		fill &= 7;
	}
	for (uint32_t i = 0; bits > BITS_IN_WORD && i < n; i++) {
		uint64_t d = (uint64_t)v[i] - (uint64_t)least;
		word |= d << fill;
		fill += bits;
		if (fill < 64)
			continue;
		memcpy(to, &word, 8);
		to += 8;
		fill -= 64;
		word = fill ? d >> (bits - fill) : 0;
	}
	memcpy(to, &word, 8);
}

static void unpack_bits(const unsigned char *from, int64_t least, uint32_t n, unsigned bits, int64_t *v)
{
	uint64_t mask = bits == 64 ? UINT64_MAX : (1ull << bits) - 1, word;
	size_t at = 0;
	if (bits == 0) {
		for (uint32_t i = 0; i < n; i++)
			v[i] = least;
	} else if (bits <= BITS_IN_WORD) {
		for (uint32_t i = 0; i < n; i++, at += bits) {
			memcpy(&word, from + (at >> 3), 8);
			v[i] = (int64_t)((uint64_t)least + (word >> (at & 7) & mask));
		}
	} else {
		for (uint32_t i = 0; i < n; i++, at += bits) {
			memcpy(&word, from + (at >> 3), 8);
			word >>= at & 7;
			if ((at & 7) + bits > 64)
				word |= (uint64_t)from[(at >> 3) + 8] << (64 - (at & 7));
			v[i] = (int64_t)((uint64_t)least + (word & mask));
		}
	}
}

static uint64_t sum_of(const unsigned char *data, size_t len)
{
	uint64_t head;
	memcpy(&head, data, 8);
	return checksum64(data + 16, len - 16, head);
}

size_t segment_pack(const struct roster_slice *in, unsigned char out[SEGMENT_BYTES_MAX])
{
	uint32_t n = in->n;
	invariant(n > 0 && n <= SEGMENT_MESSAGES);
	int64_t v[SEGMENT_MESSAGES];
	unsigned char *to = out + SEGMENT_HEAD;
	for (unsigned c = 0; c < SEGMENT_COLUMNS; c++) {
		widen(in, c, v);
		int64_t least = v[0], most = v[0];
		for (uint32_t i = 1; i < n; i++) {
			least = v[i] < least ? v[i] : least;
			most = v[i] > most ? v[i] : most;
		}
		uint64_t width = (uint64_t)most - (uint64_t)least;
		unsigned bits = width ? 64 - (unsigned)__builtin_clzll(width) : 0;
		memcpy(out + 16 + (size_t)c * 9, &least, 8);
		out[16 + c * 9 + 8] = (unsigned char)bits;
		if (bits)
			pack_bits(to, v, least, n, bits);
		to += packed_bytes(n, bits);
	}
	memset(to, 0, 8);
	to += 8;
	memset(out, 0, 8);
	out[0] = SEGMENT_VERSION;
	out[1] = SEGMENT_COLUMNS;
	out[2] = (unsigned char)n;
	out[3] = (unsigned char)(n >> 8);
	uint64_t sum = sum_of(out, (size_t)(to - out));
	memcpy(out + 8, &sum, 8);
	return (size_t)(to - out);
}

enum store_err segment_count(struct bytes data, uint32_t *n)
{
	const unsigned char *p = data.ptr;
	if (data.len < SEGMENT_HEAD + 8 || p[0] != SEGMENT_VERSION || p[1] != SEGMENT_COLUMNS)
		return STORE_CORRUPT;
	uint64_t sum;
	memcpy(&sum, p + 8, 8);
	*n = (uint32_t)p[2] | (uint32_t)p[3] << 8;
	if (*n == 0 || *n > SEGMENT_MESSAGES || sum != sum_of(p, data.len))
		return STORE_CORRUPT;
	return STORE_OK;
}

enum store_err segment_unpack(struct bytes data, const struct message_columns *out)
{
	const unsigned char *p = data.ptr;
	uint32_t n = (uint32_t)p[2] | (uint32_t)p[3] << 8;
	size_t at = SEGMENT_HEAD, end = data.len - 8;
	int64_t v[SEGMENT_MESSAGES];
	invariant(data.len >= SEGMENT_HEAD + 8 && n <= SEGMENT_MESSAGES);
	for (unsigned c = 0; c < SEGMENT_COLUMNS; c++) {
		int64_t least;
		memcpy(&least, p + 16 + (size_t)c * 9, 8);
		unsigned bits = p[16 + c * 9 + 8];
		if (bits > 64 || packed_bytes(n, bits) > end - at)
			return STORE_CORRUPT;
		unpack_bits(p + at, least, n, bits, v);
		if (!narrow(out, c, n, v))
			return STORE_CORRUPT;
		at += packed_bytes(n, bits);
	}
	return at == end ? STORE_OK : STORE_CORRUPT;
}
