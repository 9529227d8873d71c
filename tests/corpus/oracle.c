#include "tests/corpus/oracle.h"

#include "protocol/mime/bodystructure.h"
#include "protocol/mime/keys.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/section.h"
#include "tests/corpus/wire.h"

#include <utf8proc.h>

enum {
	SMALL = 20000,             /* messages up to this size are also fed byte by byte */
	DEPTH = 110,
	ALONE_BUDGET = 16 << 20,   /* bytes of parts parsed again on their own */
	ALONE_ROWS = 5000,         /* near its limits the parser may say less of the whole than of a part */
	ALONE_DEPTH = 80
};

struct check {
	struct span message, parts;
	struct wire wire;         /* the answer that is checked */
	const char *why;
	struct buf plain;         /* BODYSTRUCTURE as read, without extension data */
	uint32_t path[DEPTH];
	size_t depth;
	size_t budget;            /* for parts parsed on their own; 0: never */
	bool rev2; /* as IMAP4rev2 has it */
};

static bool fail(struct check *c, const char *why)
{
	if (!c->why)
		c->why = why;
	return false;
}

/* ---- the grammar (RFC 3501 9): each takes the node `i` of a list and gives the next one ---- */

static const struct wire_node *node(const struct check *c, uint32_t i)
{
	return wire_at(&c->wire, i);
}

static bool is(struct check *c, uint32_t i, enum wire_kind kind, bool spaced, const char *why)
{
	return (node(c, i)->kind == kind && node(c, i)->spaced == spaced) || fail(c, why);
}

static bool nstring(struct check *c, uint32_t i, bool spaced)
{
	return node(c, i)->kind == WIRE_NIL ? node(c, i)->spaced == spaced || fail(c, "spaces") :
					      is(c, i, WIRE_STRING, spaced, "nstring");
}

static bool address(struct check *c, uint32_t i, bool *in_group)
{
	bool nil[4];
	if (!is(c, i, WIRE_LIST, false, "address") || node(c, i)->items != 4)
		return fail(c, "address");
	for (uint32_t k = 0, at = i + 1; k < 4; k++, at = node(c, at)->next) {
		if (!nstring(c, at, k > 0))
			return false;
		nil[k] = node(c, at)->kind == WIRE_NIL;
	}
	if (!nil[3])
		return !nil[2] || fail(c, "address with a host and no mailbox");
	/* Group syntax (RFC 3501 7.4.2): the start has a name as mailbox, the end has none. */
	if (*in_group != nil[2])
		return fail(c, "groups do not pair");
	*in_group = !nil[2];
	return (nil[0] && nil[1]) || fail(c, "group with a name or route");
}

static bool addresses(struct check *c, uint32_t i)
{
	bool in_group = false;
	if (node(c, i)->kind == WIRE_NIL)
		return node(c, i)->spaced || fail(c, "spaces");
	if (!is(c, i, WIRE_LIST, true, "address list"))
		return false;
	for (uint32_t k = 0, at = i + 1; k < node(c, i)->items; k++, at = node(c, at)->next)
		if (!address(c, at, &in_group))
			return false;
	return !in_group || fail(c, "group without end");
}

static bool envelope(struct check *c, uint32_t i, bool spaced)
{
	if (!is(c, i, WIRE_LIST, spaced, "envelope") || node(c, i)->items != 10)
		return fail(c, "envelope");
	for (uint32_t k = 0, at = i + 1; k < 10; k++, at = node(c, at)->next)
		if (!(k >= 2 && k < 8 ? addresses(c, at) : nstring(c, at, k > 0)))
			return false;
	return true;
}

static bool params(struct check *c, uint32_t i)
{
	if (node(c, i)->kind == WIRE_NIL)
		return node(c, i)->spaced || fail(c, "spaces");
	if (!is(c, i, WIRE_LIST, true, "parameters") || node(c, i)->items % 2)
		return fail(c, "parameters");
	for (uint32_t k = 0, at = i + 1; k < node(c, i)->items; k++, at = node(c, at)->next)
		if (!is(c, at, WIRE_STRING, k > 0, "parameter"))
			return false;
	return true;
}

static bool disposition(struct check *c, uint32_t i)
{
	if (node(c, i)->kind == WIRE_NIL)
		return node(c, i)->spaced || fail(c, "spaces");
	return (is(c, i, WIRE_LIST, true, "disposition") && node(c, i)->items == 2 &&
		is(c, i + 1, WIRE_STRING, false, "disposition") && params(c, node(c, i + 1)->next)) ||
	       fail(c, "disposition");
}

static bool language(struct check *c, uint32_t i)
{
	if (node(c, i)->kind != WIRE_LIST)
		return nstring(c, i, true);
	for (uint32_t k = 0, at = i + 1; k < node(c, i)->items; k++, at = node(c, at)->next)
		if (!is(c, at, WIRE_STRING, k > 0, "language"))
			return false;
	return node(c, i)->spaced || fail(c, "spaces");
}

/* The last three or four items of a body, from `at` on. */
static bool extension(struct check *c, uint32_t at, bool multipart)
{
	if (!(multipart ? params(c, at) : nstring(c, at, true)))
		return false;
	uint32_t dsp = node(c, at)->next, lang = node(c, dsp)->next;
	return disposition(c, dsp) && language(c, lang) && nstring(c, node(c, lang)->next, true);
}

/* ---- the bytes ---- */

static bool find(struct check *c, enum mime_section kind, struct span *out)
{
	uint32_t offset, len;
	if (!mime_find(c->parts, c->path, c->depth, kind, &offset, &len))
		return false;
	if ((uint64_t)offset + len > c->message.len)
		return fail(c, "section beyond the message");
	*out = span_make(c->message.ptr + offset, len);
	return true;
}

static uint64_t count_lines(struct span s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n += s.ptr[i] == '\n';
	return n;
}

static bool has_type(struct span header)
{
	struct mime_header h;
	mime_header_read(header, &h);
	return h.first[FIELD_CONTENT_TYPE].ptr != NULL;
}

/* A part on its own is described as it is described inside: its header says all, but in a digest. */
static bool alone(struct check *c, struct span entity, struct span described, struct span header, bool in_digest)
{
	if (entity.len > c->budget ||
	    (in_digest && !has_type(header)))
		return true;
	c->budget -= entity.len;
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, entity);
	struct buf chosen;
	buf_init(&chosen, SIZE_MAX);
	mime_structure_choose(buf_span(&mime_parser_end(p)->bodystructure), c->rev2, &chosen);
	bool same = span_equal(buf_span(&chosen), described);
	buf_finish(&chosen);
	mime_parser_destroy(p);
	return same || fail(c, "a part alone is described otherwise");
}

static bool message_alone(struct check *c, struct span message, struct span described)
{
	if (message.len > c->budget)
		return true;
	c->budget -= message.len;
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, message);
	bool same = span_equal(buf_span(&mime_parser_end(p)->envelope), described);
	mime_parser_destroy(p);
	return same || fail(c, "a message alone has another envelope");
}

static bool check_part(struct check *c, struct span described, bool in_digest)
{
	struct span header, body;
	if (!find(c, MIME_SECTION_MIME, &header) || !find(c, MIME_SECTION_ALL, &body))
		return fail(c, "a described part has no section");
	if (header.ptr + header.len != body.ptr)
		return fail(c, "MIME header and body do not touch");
	return alone(c, span_make(header.ptr, header.len + body.len), described, header, in_digest);
}

/* What stands between the end of one part and the start of the next is a delimiter line, and the line end before it. */
static bool delimiter_between(const char *from, const char *to)
{
	struct span s = span_make(from, (size_t)(to - from));
	if (s.len && s.ptr[0] == '\r')
		s = span_after(s, 1);
	if (s.len && s.ptr[0] == '\n')
		s = span_after(s, 1);
	if (s.len < 2 || memcmp(s.ptr, "--", 2) != 0)
		return false;
	const char *lf = memchr(s.ptr, '\n', s.len);
	return !lf || lf + 1 == to;
}

/* Part c->path is child number n of the multipart whose body is `outer`; *end is where the one before it ended. */
static bool check_place(struct check *c, struct span outer, uint32_t n, const char **end)
{
	struct span header, body;
	if (!find(c, MIME_SECTION_MIME, &header) || !find(c, MIME_SECTION_ALL, &body))
		return fail(c, "a child has no section");
	if (header.ptr < *end || body.ptr + body.len > outer.ptr + outer.len)
		return fail(c, "a child is not inside its parent");
	bool made_up = n == 1 && header.len + body.len == 0 && header.ptr == outer.ptr + outer.len;
	if (n > 1 && !delimiter_between(*end, header.ptr))
		return fail(c, "more than a delimiter between two parts");
	if (n == 1 && !made_up && (header.ptr == outer.ptr || header.ptr[-1] != '\n') &&
	    header.ptr != c->message.ptr + c->message.len)
		return fail(c, "the first part does not start behind a line");
	*end = body.ptr + body.len;
	return true;
}

/* ---- the structure ---- */

/* How a body stands among others. */
enum place {
	TOP,       /* the message's */
	CHILD,     /* of a multipart */
	OF_DIGEST, /* the same, a digest */
	INSIDE     /* of the message in a message/rfc822 */
};

static bool body(struct check *c, uint32_t i, enum place place);

static bool multipart(struct check *c, uint32_t i, enum place place)
{
	const struct wire_node *self = node(c, i);
	uint32_t children = 0, at = i + 1, last = i + 1;
	for (; children < self->items && node(c, last)->kind == WIRE_LIST; children++)
		last = node(c, last)->next;
	if (self->items != children + 5 || !is(c, last, WIRE_STRING, true, "multipart subtype") ||
	    !extension(c, node(c, last)->next, true) || c->depth >= DEPTH)
		return fail(c, "multipart");
	bool digest = span_is(node(c, last)->value, "digest");
	struct span outer;
	/* A multipart that is the body of a message has no number of its own: it is the TEXT (RFC 3501 6.4.5). */
	if (!find(c, place == TOP || place == INSIDE ? MIME_SECTION_TEXT : MIME_SECTION_ALL, &outer))
		return fail(c, "a multipart has no section");
	const char *end = outer.ptr;
	buf_add_char(&c->plain, '(');
	c->depth++;
	for (uint32_t n = 1; n <= children; n++, at = node(c, at)->next) {
		c->path[c->depth - 1] = n;
		if (!check_place(c, outer, n, &end) || !body(c, at, digest ? OF_DIGEST : CHILD))
			return false;
	}
	c->depth--;
	buf_add_char(&c->plain, ' ');
	buf_add_span(&c->plain, node(c, last)->text);
	buf_add_char(&c->plain, ')');
	return true;
}

static bool message(struct check *c, uint32_t octets)
{
	struct span header, text, all;
	uint32_t env = node(c, octets)->next, inner = node(c, env)->next;
	if (!find(c, MIME_SECTION_HEADER, &header) || !find(c, MIME_SECTION_TEXT, &text) ||
	    !find(c, MIME_SECTION_ALL, &all))
		return fail(c, "a message lacks HEADER or TEXT");
	if (header.ptr != all.ptr || header.ptr + header.len != text.ptr || text.ptr + text.len != all.ptr + all.len)
		return fail(c, "HEADER and TEXT are not the message");
	if (!envelope(c, env, true) || !message_alone(c, all, node(c, env)->text))
		return false;
	buf_add_char(&c->plain, ' ');
	buf_add_span(&c->plain, node(c, env)->text);
	buf_add_char(&c->plain, ' ');
	/* A message inside that is no multipart has part 1 below this one; a multipart's parts are below it at once. */
	if (node(c, inner + 1)->kind == WIRE_LIST)
		return body(c, inner, INSIDE);
	if (c->depth >= DEPTH)
		return fail(c, "nested too deep");
	c->path[c->depth++] = 1;
	bool ok = body(c, inner, INSIDE);
	c->depth--;
	return ok;
}

static bool leaf_fields(struct check *c, uint32_t i, uint32_t *octets)
{
	uint32_t at = i + 1;
	for (uint32_t k = 0; k < 6; k++, at = node(c, at)->next) {
		bool ok = k == 2 ? params(c, at) : (k == 3 || k == 4 ? nstring(c, at, true) :
						    is(c, at, WIRE_STRING, k > 0, "body field"));
		if (!ok)
			return false;
	}
	*octets = at;
	return is(c, at, WIRE_NUMBER, true, "octets");
}

static bool leaf(struct check *c, uint32_t i, enum place place)
{
	const struct wire_node *self = node(c, i);
	uint32_t octets;
	struct span bytes, ignored;
	if (self->items < 11 || !leaf_fields(c, i, &octets))
		return fail(c, "leaf");
	struct span type = node(c, i + 1)->value, subtype = node(c, node(c, i + 1)->next)->value;
	/* RFC 9051 9, media-message; to IMAP4rev1 it is a part like others that HEADER and TEXT are served of. */
	bool is_global = span_equal(type, span_of("MESSAGE")) && span_equal(subtype, span_of("GLOBAL"));
	bool is_message = (span_equal(type, span_of("MESSAGE")) && span_equal(subtype, span_of("RFC822"))) ||
			  (is_global && c->rev2);
	bool is_text = span_equal(type, span_of("TEXT"));
	if (self->items != (is_message ? 14U : (is_text ? 12U : 11U)))
		return fail(c, "fields of a leaf");
	/* The message itself, when it is no multipart, is its part 1. */
	if (place == TOP)
		c->path[c->depth++] = 1;
	if (!find(c, MIME_SECTION_ALL, &bytes) || bytes.len != node(c, octets)->number)
		return fail(c, "octets differ from the section");
	if (!is_message && !is_global && (find(c, MIME_SECTION_HEADER, &ignored) || find(c, MIME_SECTION_TEXT, &ignored)))
		return fail(c, "HEADER or TEXT of a part that is no message");
	buf_add(&c->plain, self->text.ptr, (size_t)(node(c, octets)->text.ptr + node(c, octets)->text.len - self->text.ptr));
	uint32_t at = node(c, octets)->next;
	if (is_message) {
		if (!message(c, octets))
			return false;
		at = node(c, node(c, at)->next)->next;
	}
	if (is_message || is_text) {
		if (!is(c, at, WIRE_NUMBER, true, "lines") || count_lines(bytes) != node(c, at)->number)
			return fail(c, "lines differ from the section");
		buf_add_char(&c->plain, ' ');
		buf_add_span(&c->plain, node(c, at)->text);
		at = node(c, at)->next;
	}
	buf_add_char(&c->plain, ')');
	c->depth -= place == TOP;
	return extension(c, at, false);
}

static bool body(struct check *c, uint32_t i, enum place place)
{
	bool is_multipart = node(c, i + 1)->kind == WIRE_LIST;
	if (!is(c, i, WIRE_LIST, place == INSIDE, "body"))
		return false;
	if (place != TOP && !(place == INSIDE && is_multipart) &&
	    !check_part(c, node(c, i)->text, place == OF_DIGEST))
		return false;
	return is_multipart ? multipart(c, i, place) : leaf(c, i, place);
}

/* ---- the whole ---- */

static bool check_top(struct check *c, const struct mime_summary *s)
{
	struct span whole, header, text, mime, part;
	static const uint32_t beyond[] = {1, 1, 1, 99999};
	c->depth = 0;
	if (!find(c, MIME_SECTION_ALL, &whole) || !find(c, MIME_SECTION_HEADER, &header) ||
	    !find(c, MIME_SECTION_TEXT, &text) || !span_equal(whole, c->message) ||
	    header.len + text.len != whole.len || s->header_len != header.len || s->size != whole.len)
		return fail(c, "HEADER and TEXT are not the message");
	if (header.len != mime_header_end(c->message))
		return fail(c, "the header ends elsewhere");
	for (size_t n = 1; n <= countof(beyond); n++) {
		memcpy(c->path, beyond + countof(beyond) - n, n * sizeof(beyond[0]));
		c->depth = n;
		if (find(c, MIME_SECTION_ALL, &part))
			return fail(c, "a part that is none");
	}
	struct mime_part top;
	if (!mime_parts_get(c->parts, 0, &top))
		return fail(c, "no table");
	c->path[0] = 1;
	c->depth = 1;
	if (top.kind != MIME_MULTIPART &&
	    (!find(c, MIME_SECTION_MIME, &mime) || !find(c, MIME_SECTION_ALL, &part) ||
	     mime.len + part.len != whole.len))
		return fail(c, "BODY[1.MIME] and BODY[1] are not the message");
	c->depth = 0;
	return true;
}

static bool near_limits(struct span parts)
{
	uint32_t n = mime_parts_count(parts);
	uint8_t depth[ALONE_ROWS] = {0};
	struct mime_part p;
	if (n > ALONE_ROWS)
		return true;
	for (uint32_t i = 1; i < n && mime_parts_get(parts, i, &p); i++) {
		depth[i] = (uint8_t)(depth[p.parent] + 1);
		if (depth[i] > ALONE_DEPTH)
			return true;
	}
	return false;
}

static bool read_wire(struct check *c, const struct buf *answer)
{
	wire_finish(&c->wire);
	return wire_read(&c->wire, buf_span(answer)) || fail(c, c->wire.why);
}

/* The preview is UTF-8, one line, and as short as RFC 8970 3.3 wants it; the keys can be read back. */
static bool check_derived(struct check *c, const struct mime_summary *s)
{
	struct mime_sort_key sort;
	struct mime_thread_key thread;
	size_t chars = 0;
	for (size_t i = 0; i < s->preview.len;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s->preview.ptr + i,
						      (utf8proc_ssize_t)(s->preview.len - i), &point);
		if (n <= 0 || point < 0x20)
			return fail(c, "the preview is not a line of UTF-8");
		i += (size_t)n;
		chars++;
	}
	if (chars > 200)
		return fail(c, "the preview is too long");
	return (mime_sort_key_read(buf_span(&s->sort), &sort) && mime_thread_key_read(buf_span(&s->thread), &thread) &&
		sort.has_date == s->has_date) || fail(c, "keys that cannot be read");
}

static bool check_structure(struct check *c, const struct mime_summary *s, bool rev2)
{
	struct buf full, plain;
	buf_init(&full, SIZE_MAX);
	buf_init(&plain, SIZE_MAX);
	buf_reset(&c->plain);
	c->rev2 = rev2;
	c->depth = 0;
	mime_structure_choose(buf_span(&s->bodystructure), rev2, &full);
	mime_structure_choose(buf_span(&s->body), rev2, &plain);
	bool ok = (!memchr(full.data, '\0', full.len) || fail(c, "a NUL in BODYSTRUCTURE")) && read_wire(c, &full) &&
		  body(c, 0, TOP) &&
		  (span_equal(buf_span(&c->plain), buf_span(&plain)) || fail(c, "BODY is not BODYSTRUCTURE's beginning"));
	buf_finish(&full);
	buf_finish(&plain);
	return ok;
}

static bool check_answers(struct check *c, const struct mime_summary *s)
{
	return check_derived(c, s) && check_top(c, s) && read_wire(c, &s->envelope) && envelope(c, 0, false) &&
	       check_structure(c, s, false) && check_structure(c, s, true);
}

static bool same_summary(const struct mime_summary *a, const struct mime_summary *b)
{
	return span_equal(buf_span(&a->envelope), buf_span(&b->envelope)) &&
	       span_equal(buf_span(&a->body), buf_span(&b->body)) &&
	       span_equal(buf_span(&a->bodystructure), buf_span(&b->bodystructure)) &&
	       span_equal(buf_span(&a->parts), buf_span(&b->parts)) &&
	       span_equal(buf_span(&a->sort), buf_span(&b->sort)) &&
	       span_equal(buf_span(&a->thread), buf_span(&b->thread)) && span_equal(a->preview, b->preview) &&
	       a->size == b->size &&
	       a->header_len == b->header_len && a->has_date == b->has_date && a->date.day == b->date.day &&
	       a->date.utc_s == b->date.utc_s;
}

/* Pieces of `step` bytes, or of random length where step is 0. */
static bool check_cuts(struct check *c, const struct mime_summary *s, size_t step, unsigned seed)
{
	struct mime_parser *p = mime_parser_create();
	for (struct span rest = c->message; rest.len;) {
		seed = seed * 1103515245 + 12345;
		unsigned dice = seed >> 16;
		size_t n = step ? step : (dice & 7 ? 1 + dice % 97 : 1 + dice % 9001);
		n = n < rest.len ? n : rest.len;
		mime_parser_feed(p, span_make(rest.ptr, n));
		rest = span_after(rest, n);
	}
	bool same = same_summary(s, mime_parser_end(p));
	mime_parser_destroy(p);
	return same || fail(c, "cut otherwise, described otherwise");
}

const char *oracle_check(struct span message, unsigned seed)
{
	struct check c = {.message = message, .budget = ALONE_BUDGET};
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, message);
	const struct mime_summary *s = mime_parser_end(p);
	c.parts = buf_span(&s->parts);
	if (near_limits(c.parts))
		c.budget = 0;
	buf_init(&c.plain, SIZE_MAX);
	if (check_answers(&c, s) && check_cuts(&c, s, 0, seed) && message.len <= SMALL)
		check_cuts(&c, s, 1, 0);
	buf_finish(&c.plain);
	wire_finish(&c.wire);
	mime_parser_destroy(p);
	return c.why;
}
