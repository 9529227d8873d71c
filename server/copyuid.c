#include "server/copyuid.h"

#include "protocol/imap/response.h"

enum { SEVEN = 0x7f, MORE = 0x80 };

static size_t packed_len(uint32_t n)
{
	size_t len = 1;
	for (; n > SEVEN; n >>= 7)
		len++;
	return len;
}

static void pack(struct buf *out, uint32_t n)
{
	for (; n > SEVEN; n >>= 7)
		buf_add_char(out, (char)(unsigned char)((n & SEVEN) | MORE));
	buf_add_char(out, (char)(unsigned char)n);
}

static uint32_t unpack(struct copyuid *c)
{
	uint32_t n = 0, shift = 0;
	for (;; shift += 7) {
		unsigned char byte = (unsigned char)c->packed.data[c->at++];
		n |= (uint32_t)(byte & SEVEN) << shift;
		if (!(byte & MORE))
			return n;
	}
}

void copyuid_init(struct copyuid *c, const struct copy_result *result)
{
	const struct uidset *source = &result->source;
	size_t len = 0;
	uint32_t last = 0;
	*c = (struct copyuid){.uidvalidity = result->uidvalidity, .first = result->first, .n = result->n};
	buf_init(&c->packed, UINT32_MAX);
	for (size_t i = 0; i < source->n; last = source->v[i++].hi)
		len += packed_len(source->v[i].lo - last) + packed_len(source->v[i].hi - source->v[i].lo);
	buf_reserve(&c->packed, len); /* at once: no larger than it need be */
	last = 0;
	for (size_t i = 0; i < source->n; last = source->v[i++].hi) {
		pack(&c->packed, source->v[i].lo - last);
		pack(&c->packed, source->v[i].hi - source->v[i].lo);
	}
}

void copyuid_finish(struct copyuid *c)
{
	buf_finish(&c->packed);
	*c = (struct copyuid){0};
}

bool copyuid_write(struct copyuid *c, struct buf *out, size_t full_bytes)
{
	if (!c->begun) {
		buf_add_text(out, "COPYUID ");
		buf_add_u64(out, c->uidvalidity);
		buf_add_char(out, ' ');
	}
	c->begun = true;
	while (c->at < c->packed.len) {
		bool first = c->at == 0;
		if (out->len >= full_bytes)
			return false;
		uint32_t lo = c->last + unpack(c);
		c->last = lo + unpack(c);
		response_range(out, first, lo, c->last);
	}
	buf_add_char(out, ' ');
	response_range(out, true, c->first, c->first + (c->n - 1));
	return true;
}
