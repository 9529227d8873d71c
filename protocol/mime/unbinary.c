#include "protocol/mime/unbinary.h"

#include "protocol/mime/content.h"
#include "protocol/mime/parser.h"

enum { DELIMITER_MAX = 1000 /* as in parser.c */, GROUP_BYTES = 57 /* of a line of 76 characters */ };

struct level {
	size_t boundary, boundary_len; /* in u->boundaries */
	bool is_digest;
};

struct mime_unbinary {
	bool in_header, in_digest; /* of the innermost entity; its parent is a digest */
	bool encodes;              /* its body is becoming base64 */
	bool line_start, in_dashes;
	size_t line_len;           /* of a header line, up to now */
	struct buf header;
	struct buf boundaries;
	struct level levels[MIME_DEPTH_MAX]; /* multiparts that are open */
	unsigned levels_n;
	struct mime_content content;
	size_t dashes_len;         /* a line that may be a delimiter */
	char dashes[DELIMITER_MAX];
	/* Of the body that is encoded. */
	size_t eol_len;            /* a line end, perhaps the next delimiter's, or a CR */
	char eol[2];
	size_t group_len;          /* octets that do not make a line yet */
	unsigned char group[GROUP_BYTES];
	bool wrote;                /* a line of it */
};

struct mime_unbinary *mime_unbinary_create(void)
{
	struct mime_unbinary *u = xcalloc(1, sizeof(*u));
	buf_init(&u->header, MIME_HEADER_MAX);
	buf_init(&u->boundaries, SIZE_MAX); /* bounded by the levels */
	mime_content_init(&u->content);
	u->in_header = u->line_start = true;
	return u;
}

void mime_unbinary_destroy(struct mime_unbinary *u)
{
	if (!u)
		return;
	buf_finish(&u->header);
	buf_finish(&u->boundaries);
	mime_content_finish(&u->content);
	free(u);
}

/* ---- base64 (RFC 2045 6.8), in lines of 76 characters ---- */

static void write_group(struct mime_unbinary *u, const unsigned char *bytes, size_t n, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[GROUP_BYTES / 3 * 4 + 4], *to = line;
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)bytes[i] << 16;
		v |= i + 1 < n ? (unsigned)bytes[i + 1] << 8 : 0;
		v |= i + 2 < n ? bytes[i + 2] : 0;
		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*to++ = i + 2 < n ? digits[v & 63] : '=';
	}
	if (u->wrote)
		buf_add(out, "\r\n", 2);
	buf_add(out, line, (size_t)(to - line));
	u->wrote = true;
}

static void encode(struct mime_unbinary *u, const char *bytes, size_t n, struct buf *out)
{
	while (n) {
		size_t room = GROUP_BYTES - u->group_len, take = n < room ? n : room;
		memcpy(u->group + u->group_len, bytes, take);
		u->group_len += take;
		bytes += take;
		n -= take;
		if (u->group_len == GROUP_BYTES) {
			write_group(u, u->group, GROUP_BYTES, out);
			u->group_len = 0;
		}
	}
}

/* The body is over; the line end that is held is the delimiter's. */
static void end_encoding(struct mime_unbinary *u, struct buf *out)
{
	if (u->group_len)
		write_group(u, u->group, u->group_len, out);
	if (u->wrote || u->eol_len)
		buf_add(out, "\r\n", 2);
	u->group_len = u->eol_len = 0;
	u->encodes = u->wrote = false;
}

/* Bytes of the body, of one line; a line end is held until it is known what comes. */
static void encode_held(struct mime_unbinary *u, const char *bytes, size_t n, struct buf *out)
{
	if (u->eol_len == 1 && u->eol[0] == '\r' && n == 1 && bytes[0] == '\n') {
		u->eol[u->eol_len++] = '\n';
		return;
	}
	encode(u, u->eol, u->eol_len, out);
	size_t tail = bytes[n - 1] == '\n' || bytes[n - 1] == '\r' ? 1 : 0;
	if (tail && bytes[n - 1] == '\n' && n > 1 && bytes[n - 2] == '\r')
		tail = 2;
	u->eol_len = tail;
	memcpy(u->eol, bytes + n - tail, tail);
	encode(u, bytes, n - tail, out);
}

/* ---- headers ---- */

static void begin_entity(struct mime_unbinary *u, bool in_digest)
{
	u->in_header = true;
	u->in_digest = in_digest;
	u->line_len = 0;
	buf_reset(&u->header);
}

static void write_header(struct mime_unbinary *u, const char *encoding, struct buf *out)
{
	struct span block = buf_span(&u->header);
	struct mime_field f;
	size_t at = 0;
	bool said = false;
	while (mime_field_next(block, &at, &f)) {
		if (!span_is(f.name, "content-transfer-encoding")) {
			buf_add_span(out, f.raw);
		} else if (!said) { /* the first counts */
			said = true;
			buf_add_text(out, "Content-Transfer-Encoding: ");
			buf_add_text(out, encoding);
			buf_add(out, "\r\n", 2);
		}
	}
	buf_add_span(out, span_after(block, at));
}

static void end_header(struct mime_unbinary *u, struct buf *out)
{
	struct mime_content *c = &u->content;
	struct mime_header h;
	mime_header_read(buf_span(&u->header), &h);
	mime_content_read(c, &h, u->in_digest);
	bool binary = span_is(c->encoding_name, "binary"), opaque = c->kind == MIME_MULTIPART && u->levels_n == MIME_DEPTH_MAX;
	if (binary && !opaque)
		write_header(u, c->kind == MIME_LEAF ? "base64" : "8bit", out);
	else
		buf_add_span(out, buf_span(&u->header));
	u->in_header = false;
	u->encodes = binary && c->kind == MIME_LEAF;
	if (c->kind == MIME_MULTIPART && !opaque) {
		u->levels[u->levels_n++] = (struct level){u->boundaries.len, c->boundary.len, c->is_digest};
		buf_add_span(&u->boundaries, c->boundary);
	}
	if (c->kind == MIME_MESSAGE)
		begin_entity(u, false);
}

/* One that is too long to be read passes with its body. */
static void collect_header(struct mime_unbinary *u, const char *bytes, size_t n, struct buf *out)
{
	if (n <= MIME_HEADER_MAX - u->header.len) {
		buf_add(&u->header, bytes, n);
		return;
	}
	buf_add_span(out, buf_span(&u->header));
	buf_add(out, bytes, n);
	buf_reset(&u->header);
	u->in_header = false;
}

/* ---- lines ---- */

static void take_bytes(struct mime_unbinary *u, const char *bytes, size_t n, struct buf *out)
{
	bool ends = bytes[n - 1] == '\n';
	u->line_start = ends;
	if (!u->in_header) {
		if (u->encodes)
			encode_held(u, bytes, n, out);
		else
			buf_add(out, bytes, n);
		return;
	}
	collect_header(u, bytes, n, out);
	u->line_len += n;
	bool blank = u->line_len == 1 || (u->line_len == 2 && u->header.len >= 2 && u->header.data[u->header.len - 2] == '\r');
	if (ends && blank && u->in_header)
		end_header(u, out);
	u->line_len = ends ? 0 : u->line_len;
}

/* Is the line `dashes` a delimiter (1) or the close delimiter (2) of this boundary? */
static int delimiter_kind(struct span line, struct span boundary)
{
	struct span s = span_after(line, 2);
	if (s.len < boundary.len || memcmp(s.ptr, boundary.ptr, boundary.len) != 0)
		return 0;
	s = span_after(s, boundary.len);
	bool closes = s.len >= 2 && s.ptr[0] == '-' && s.ptr[1] == '-';
	if (closes)
		s = span_after(s, 2);
	return mime_trim(s).len == 0 ? 1 + closes : 0;
}

static bool take_delimiter(struct mime_unbinary *u, struct buf *out)
{
	struct span line = span_make(u->dashes, u->dashes_len);
	for (unsigned i = u->levels_n; i-- > 0;) {
		const struct level *l = &u->levels[i];
		int kind = delimiter_kind(line, span_make(u->boundaries.data + l->boundary, l->boundary_len));
		if (kind == 0)
			continue;
		while (u->in_header)
			end_header(u, out);
		if (u->encodes)
			end_encoding(u, out);
		buf_add_span(out, line);
		u->levels_n = kind == 1 ? i + 1 : i;
		u->boundaries.len = l->boundary + (kind == 1 ? l->boundary_len : 0);
		u->line_start = line.ptr[line.len - 1] == '\n';
		if (kind == 1)
			begin_entity(u, l->is_digest);
		return true;
	}
	return false;
}

static void settle_dashes(struct mime_unbinary *u, struct buf *out)
{
	bool ends = u->dashes[u->dashes_len - 1] == '\n';
	bool may_be = u->dashes_len >= 3 && u->dashes[1] == '-' && (ends || u->dashes_len < DELIMITER_MAX);
	u->in_dashes = false;
	if (!may_be || !take_delimiter(u, out))
		take_bytes(u, u->dashes, u->dashes_len, out);
}

static size_t take_dashes(struct mime_unbinary *u, struct span in, struct buf *out)
{
	size_t n = 0;
	while (n < in.len && u->in_dashes) {
		char c = in.ptr[n++];
		u->dashes[u->dashes_len++] = c;
		if (c == '\n' || u->dashes_len == DELIMITER_MAX || (u->dashes_len == 2 && c != '-'))
			settle_dashes(u, out);
	}
	return n;
}

void mime_unbinary_feed(struct mime_unbinary *u, struct span in, struct buf *out)
{
	while (in.len) {
		size_t n;
		if (u->line_start && u->levels_n && in.ptr[0] == '-') {
			u->line_start = false;
			u->in_dashes = true;
			u->dashes_len = 0;
		}
		if (u->in_dashes) {
			n = take_dashes(u, in, out);
		} else {
			const char *lf = memchr(in.ptr, '\n', in.len);
			n = lf ? (size_t)(lf - in.ptr) + 1 : in.len;
			take_bytes(u, in.ptr, n, out);
		}
		in = span_after(in, n);
	}
}

void mime_unbinary_end(struct mime_unbinary *u, struct buf *out)
{
	if (u->in_dashes)
		settle_dashes(u, out);
	while (u->in_header)
		end_header(u, out);
	if (!u->encodes)
		return;
	encode(u, u->eol, u->eol_len, out);
	u->eol_len = 0;
	end_encoding(u, out);
}
