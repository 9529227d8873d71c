#include "server/unpack.h"

#include "protocol/base.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { GZIP_WINDOW = 15 + 16, ZSTD_WINDOW_LOG_MAX = 27 };

struct unpacker {
	enum packing packing;
	bool is_whole, is_over; /* between members; behind the last one */
	z_stream zlib;
	ZSTD_DStream *zstd;
};

enum packing packing_of(struct span head, const char **out_name)
{
	static const struct {
		const char *begin, *name;
		enum packing packing;
	} forms[] = {
		{"\x1f\x8b\x08", "gzip", PACKING_GZIP},
		{"\x28\xb5\x2f\xfd", "zstd", PACKING_ZSTD},
		{"BZh", "bzip2", PACKING_OTHER},
		{"\xfd"
		 "7zXZ",
		 "xz", PACKING_OTHER},
		{"PK\x03\x04", "zip", PACKING_OTHER},
		{"Dovecot-LZ4", "Dovecot's lz4", PACKING_OTHER},
		{"CRYPTED\x03\x07", "Dovecot's mail_crypt", PACKING_OTHER},
	};
	*out_name = NULL;
	for (size_t i = 0; i < countof(forms); i++) {
		size_t len = strlen(forms[i].begin);
		if (head.len < len || memcmp(head.ptr, forms[i].begin, len) != 0)
			continue;
		*out_name = forms[i].name;
		return forms[i].packing;
	}
	return PACKING_NONE;
}

struct unpacker *unpacker_create(enum packing packing)
{
	struct unpacker *u = xcalloc(1, sizeof(*u));
	invariant(packing == PACKING_GZIP || packing == PACKING_ZSTD);
	u->packing = packing;
	u->is_whole = true;
	if (packing == PACKING_GZIP) {
		invariant(inflateInit2(&u->zlib, GZIP_WINDOW) == Z_OK);
		return u;
	}
	u->zstd = ZSTD_createDStream();
	invariant(u->zstd && !ZSTD_isError(ZSTD_initDStream(u->zstd)));
	invariant(!ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)));
	return u;
}

void unpacker_destroy(struct unpacker *u)
{
	if (!u)
		return;
	if (u->packing == PACKING_GZIP)
		inflateEnd(&u->zlib);
	ZSTD_freeDStream(u->zstd);
	free(u);
}

static int64_t step_gzip(struct unpacker *u, struct span *in, void *to, size_t len)
{
	z_stream *z = &u->zlib;
	z->next_in = (z_const Bytef *)in->ptr;
	z->avail_in = in->len < UINT32_MAX ? (uInt)in->len : UINT32_MAX;
	z->next_out = to;
	z->avail_out = len < UINT32_MAX ? (uInt)len : UINT32_MAX;
	uInt room = z->avail_out, given = z->avail_in;
	int code = inflate(z, Z_NO_FLUSH);
	*in = span_after(*in, given - z->avail_in);
	if (code == Z_STREAM_END) {
		u->is_whole = true;
		invariant(inflateReset(z) == Z_OK);
	} else if (code != Z_OK && code != Z_BUF_ERROR) {
		return -1;
	}
	return room - z->avail_out;
}

static int64_t step_zstd(struct unpacker *u, struct span *in, void *to, size_t len)
{
	ZSTD_inBuffer from = {in->ptr, in->len, 0};
	ZSTD_outBuffer out = {to, len, 0};
	size_t left = ZSTD_decompressStream(u->zstd, &out, &from);
	if (ZSTD_isError(left))
		return -1;
	*in = span_after(*in, from.pos);
	u->is_whole = left == 0;
	return (int64_t)out.pos;
}

/* Does another member begin here?  A first octet that fits is believed: the rest may not be there yet. */
static bool begins(const struct unpacker *u, struct span in)
{
	return u->packing == PACKING_GZIP ? in.ptr[0] == '\x1f' : in.ptr[0] == '\x28' || (in.ptr[0] & 0xf0) == 0x50;
}

int64_t unpacker_step(struct unpacker *u, struct span *in, void *to, size_t len)
{
	for (int64_t n = 0; len && !u->is_over;) {
		if (u->is_whole && in->len == 0)
			return 0;
		if (u->is_whole && !begins(u, *in)) {
			u->is_over = true;
			return 0;
		}
		size_t before = in->len;
		u->is_whole = false;
		n = u->packing == PACKING_GZIP ? step_gzip(u, in, to, len) : step_zstd(u, in, to, len);
		if (n || in->len == before)
			return n;
	}
	return 0;
}

bool unpacker_is_whole(const struct unpacker *u)
{
	return u->is_whole;
}
