#include "storage/frame.h"

#include "storage/bits.h"
#include "storage/checksum.h"
#include "storage/dictionary.h"
#include "storage/scratch.h"

enum {
	ZSTD_LEVEL = 3,
	PAYS_SHIFT = 4 /* compression must save at least a sixteenth */
};

static ZSTD_CCtx *compress_context(struct scratch *s)
{
	if (!s->compress) {
		s->compress = ZSTD_createCCtx();
		invariant(s->compress);
		struct bytes d = dictionary_bytes(DICTIONARY_NEWEST);
		s->write_dictionary = ZSTD_createCDict(d.ptr, d.len, ZSTD_LEVEL);
		invariant(s->write_dictionary);
		invariant(!ZSTD_isError(ZSTD_CCtx_refCDict(s->compress, s->write_dictionary)));
	}
	return s->compress;
}

static ZSTD_DCtx *decompress_context(struct scratch *s)
{
	if (!s->decompress) {
		s->decompress = ZSTD_createDCtx();
		invariant(s->decompress);
	}
	return s->decompress;
}

/* NULL: a version that this program does not have. */
static const ZSTD_DDict *read_dictionary(struct scratch *s, unsigned version)
{
	if (version == 0 || version > DICTIONARY_NEWEST)
		return NULL;
	if (!s->read_dictionaries[version]) {
		struct bytes d = dictionary_bytes(version);
		s->read_dictionaries[version] = ZSTD_createDDict(d.ptr, d.len);
		invariant(s->read_dictionaries[version]);
	}
	return s->read_dictionaries[version];
}

size_t frame_pack(struct scratch *s, const char *raw, size_t raw_len, uint32_t index, uint32_t begin, char *to,
		  unsigned char entry[FRAME_ENTRY_BYTES])
{
	invariant(raw_len > 0 && raw_len <= FRAME_BYTES);
	enum frame_method method = FRAME_DICTIONARY;
	size_t stored = ZSTD_compress2(compress_context(s), to, raw_len - (raw_len >> PAYS_SHIFT), raw, raw_len);
	if (ZSTD_isError(stored) || stored == 0) { /* no room in what would pay */
		method = FRAME_RAW;
		stored = raw_len;
		memcpy(to, raw, raw_len);
	}
	put_u32(entry, begin + (uint32_t)stored);
	put_u16(entry + 4, (uint16_t)(raw_len - 1));
	entry[6] = (unsigned char)method;
	entry[7] = method == FRAME_DICTIONARY ? DICTIONARY_NEWEST : 0;
	put_u64(entry + 8, checksum64(to, stored, index));
	return stored;
}

uint32_t frame_count(struct bytes table)
{
	return (uint32_t)(table.len / FRAME_ENTRY_BYTES);
}

enum store_err frame_find(struct bytes table, uint32_t index, struct frame *out)
{
	uint32_t n = frame_count(table);
	if (table.len != (size_t)n * FRAME_ENTRY_BYTES || index >= n)
		return STORE_CORRUPT;
	const unsigned char *entry = (const unsigned char *)table.ptr + (size_t)index * FRAME_ENTRY_BYTES;
	*out = (struct frame){.index = index,
			      .begin = index ? get_u32(entry - FRAME_ENTRY_BYTES) : 0,
			      .end = get_u32(entry),
			      .raw = get_u16(entry + 4) + 1u,
			      .method = entry[6],
			      .dictionary = entry[7],
			      .checksum = get_u64(entry + 8)};
	bool sound = out->end > out->begin && out->end - out->begin <= out->raw && entry[6] <= FRAME_DICTIONARY &&
		     (out->raw == FRAME_BYTES || index + 1 == n) &&
		     (out->method != FRAME_RAW || out->end - out->begin == out->raw);
	return sound ? STORE_OK : STORE_CORRUPT;
}

enum store_err frame_unpack(struct scratch *s, const struct frame *f, const char *stored, char *to)
{
	size_t len = f->end - f->begin;
	s->frames_read++;
	if (checksum64(stored, len, f->index) != f->checksum)
		return STORE_CORRUPT;
	if (f->method == FRAME_RAW) {
		if (stored != to)
			memcpy(to, stored, len);
		return STORE_OK;
	}
	const ZSTD_DDict *dictionary = f->method == FRAME_DICTIONARY ? read_dictionary(s, f->dictionary) : NULL;
	if (f->method == FRAME_DICTIONARY && !dictionary)
		return STORE_CORRUPT;
	/* Without a dictionary this is ZSTD_decompressDCtx(). */
	size_t n = ZSTD_decompress_usingDDict(decompress_context(s), to, f->raw, stored, len, dictionary);
	return n == f->raw ? STORE_OK : STORE_CORRUPT;
}
