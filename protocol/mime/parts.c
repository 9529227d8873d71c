#include "protocol/mime/parts.h"

enum { HEAD_BYTES = 8, ROW_BYTES = 28, NAMES_MAX = 4096, FLAG_ATTACHMENT = 1 };

static uint32_t get32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t get16(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8;
}

static void put32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (8 * i) & 0xff);
}

static void put16(char *p, uint32_t v)
{
	p[0] = (char)(v & 0xff);
	p[1] = (char)(v >> 8 & 0xff);
}

uint32_t mime_parts_count(struct span t)
{
	if (t.len < HEAD_BYTES || t.ptr[0] != MIME_PARTS_VERSION)
		return 0;
	uint32_t n = get32(t.ptr + 4);
	return n <= MIME_PARTS_MAX && (t.len - HEAD_BYTES) / ROW_BYTES >= n ? n : 0;
}

bool mime_parts_get(struct span t, uint32_t i, struct mime_part *out)
{
	uint32_t n = mime_parts_count(t);
	if (i >= n)
		return false;
	const char *row = t.ptr + HEAD_BYTES + (size_t)i * ROW_BYTES;
	struct span names = span_after(t, HEAD_BYTES + (size_t)n * ROW_BYTES);
	unsigned char kind = (unsigned char)row[20], encoding = (unsigned char)row[21], media = (unsigned char)row[22];
	size_t name_at = get16(row + 24), name_len = (unsigned char)row[26];
	*out = (struct mime_part){.header = get32(row),
				  .header_len = get32(row + 4),
				  .body_len = get32(row + 8),
				  .lines = get32(row + 12),
				  .parent = get16(row + 16),
				  .number = get16(row + 18),
				  .kind = (enum mime_kind)kind,
				  .encoding = (enum mime_encoding)encoding,
				  .media = (enum mime_media)media,
				  .attachment = (row[23] & FLAG_ATTACHMENT) != 0,
				  .charset = span_make("", 0)};
	out->body = out->header + out->header_len;
	uint64_t end = (uint64_t)out->header + out->header_len + out->body_len;
	if (end > UINT32_MAX || kind >= MIME_KIND_COUNT || encoding >= MIME_ENCODING_COUNT ||
	    media >= MIME_MEDIA_COUNT || (i ? out->parent >= i : out->parent != 0) || name_at + name_len > names.len)
		return false;
	if (name_len)
		out->charset = span_make(names.ptr + name_at, name_len);
	return true;
}

void mime_parts_begin(struct mime_parts_writer *w, struct buf *out)
{
	static const char head[HEAD_BYTES] = {MIME_PARTS_VERSION};
	*w = (struct mime_parts_writer){.out = out};
	buf_init(&w->names, NAMES_MAX);
	buf_reset(out);
	buf_add(out, head, sizeof(head));
}

/* Where `name` is among the names, added when it is new.  Without room the charset is as good as undeclared. */
static size_t name_at(struct mime_parts_writer *w, struct span name, size_t *len)
{
	*len = 0;
	if (!name.len || name.len > MIME_CHARSET_MAX)
		return 0;
	const char *old = w->names.len ? memmem(w->names.data, w->names.len, name.ptr, name.len) : NULL;
	if (!old && name.len > NAMES_MAX - w->names.len)
		return 0;
	size_t at = old ? (size_t)(old - w->names.data) : w->names.len;
	if (!old)
		buf_add_span(&w->names, name);
	*len = name.len;
	return at;
}

void mime_parts_add(struct mime_parts_writer *w, const struct mime_part *p)
{
	size_t charset_len, charset_at = name_at(w, p->charset, &charset_len);
	char *row = buf_reserve(w->out, ROW_BYTES);
	if (!row)
		return;
	put32(row, p->header);
	put32(row + 4, p->header_len);
	put32(row + 8, p->body_len);
	put32(row + 12, p->lines);
	put16(row + 16, p->parent);
	put16(row + 18, p->number);
	row[20] = (char)p->kind;
	row[21] = (char)p->encoding;
	row[22] = (char)p->media;
	row[23] = p->attachment ? FLAG_ATTACHMENT : 0;
	put16(row + 24, (uint32_t)charset_at);
	row[26] = (char)charset_len;
	row[27] = 0;
	w->out->len += ROW_BYTES;
	w->n++;
}

void mime_parts_end(struct mime_parts_writer *w)
{
	if (!w->out->failed)
		put32(w->out->data + 4, w->n);
	buf_add_span(w->out, buf_span(&w->names));
	buf_finish(&w->names);
}

bool mime_parts_prepend(struct span t, uint32_t bytes, struct buf *out)
{
	uint32_t n = mime_parts_count(t);
	buf_reset(out);
	buf_add_span(out, t);
	if (n == 0 || out->failed)
		return false;
	char *row = out->data + HEAD_BYTES;
	put32(row + 4, get32(row + 4) + bytes);
	for (uint32_t i = 1; i < n; i++) {
		row += ROW_BYTES;
		put32(row, get32(row) + bytes);
	}
	return true;
}
