/*
 * A line at a time, without keeping it.  Of body lines only those that start with "--" inside a multipart are looked at;
 * header lines are collected and read when the block ends.  The entities that are open form a stack: a delimiter line
 * closes all that are inside its multipart (RFC 2046 5.1.2), the end of the message closes everything.
 *
 * The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1), but is taken out of a body only: not out of
 * a header block that has no blank line, and not twice when two delimiters follow one another.
 */
#include "protocol/mime/parser.h"

#include "protocol/mime/bodystructure.h"
#include "protocol/mime/envelope.h"
#include "protocol/mime/keys.h"
#include "protocol/mime/preview.h"

/* A delimiter line, white space and all; a longer line is text.  RFC 5322 2.1.1 ends lines at 998. */
enum { DELIMITER_MAX = 1000 };

enum line_state {
	LINE_START,
	LINE_REST,  /* in a line that is no delimiter */
	LINE_DASHES /* in a line that may be one: p->dashes */
};

struct open {
	uint32_t node;
	uint32_t children;
	bool is_digest;
	bool delimited;           /* a multipart whose close delimiter has not come */
	size_t boundary;          /* where p->boundaries has its text */
	size_t boundary_len;
};

struct mime_parser {
	struct mime_summary summary;
	uint64_t offset;          /* bytes taken */
	uint64_t line_start;
	uint64_t lines;           /* line ends taken */
	enum line_state line;
	char last;                /* byte before offset */
	uint32_t eol_len;         /* of the line before this one: 0 at the very start, 1 or 2 */
	bool in_header;           /* of the innermost open entity */
	unsigned depth;           /* open entities */
	unsigned delimited;       /* of them, multiparts that wait for a delimiter */
	struct open open[MIME_DEPTH_MAX];
	struct buf header;        /* the block being collected */
	struct buf boundaries;    /* a stack of texts */
	struct buf nodes, text;   /* struct mime_node[], and their pieces */
	struct mime_content content;
	struct mime_preview preview;
	size_t dashes_len;
	char dashes[DELIMITER_MAX];
};

static uint32_t clip32(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static size_t node_count(const struct mime_parser *p)
{
	return p->nodes.len / sizeof(struct mime_node);
}

/* Valid until the next node is added. */
static struct mime_node *node_at(struct mime_parser *p, uint32_t i)
{
	return (struct mime_node *)(void *)p->nodes.data + i;
}

static uint32_t add_node(struct mime_parser *p, uint32_t parent, uint32_t number, uint64_t offset)
{
	struct mime_node node = {.part = {.parent = parent, .number = number, .header = clip32(offset)}};
	uint32_t i = (uint32_t)node_count(p);
	invariant(i < MIME_PARTS_MAX);
	node.part.body = node.part.header;
	buf_add(&p->nodes, &node, sizeof(node));
	return i;
}

static void open_entity(struct mime_parser *p, uint32_t parent, uint32_t number, uint64_t offset)
{
	invariant(p->depth < MIME_DEPTH_MAX);
	p->open[p->depth++] = (struct open){.node = add_node(p, parent, number, offset), .boundary = p->boundaries.len};
	p->in_header = true;
	buf_reset(&p->header);
}

struct mime_parser *mime_parser_create(void)
{
	struct mime_parser *p = xmalloc(sizeof(*p));
	memset(p, 0, offsetof(struct mime_parser, dashes));
	/* The limits that count are checked where something is added; these are none. */
	buf_init(&p->summary.envelope, SIZE_MAX);
	buf_init(&p->summary.body, SIZE_MAX);
	buf_init(&p->summary.bodystructure, SIZE_MAX);
	buf_init(&p->summary.parts, SIZE_MAX);
	buf_init(&p->summary.sort, SIZE_MAX);
	buf_init(&p->summary.thread, SIZE_MAX);
	buf_init(&p->nodes, SIZE_MAX);
	buf_init(&p->text, SIZE_MAX);
	buf_init(&p->boundaries, SIZE_MAX);
	buf_init(&p->header, MIME_HEADER_MAX);
	mime_content_init(&p->content);
	mime_preview_init(&p->preview);
	open_entity(p, 0, 0, 0);
	return p;
}

void mime_parser_destroy(struct mime_parser *p)
{
	if (!p)
		return;
	buf_finish(&p->summary.envelope);
	buf_finish(&p->summary.body);
	buf_finish(&p->summary.bodystructure);
	buf_finish(&p->summary.parts);
	buf_finish(&p->summary.sort);
	buf_finish(&p->summary.thread);
	buf_finish(&p->nodes);
	buf_finish(&p->text);
	buf_finish(&p->boundaries);
	buf_finish(&p->header);
	mime_content_finish(&p->content);
	mime_preview_finish(&p->preview);
	free(p);
}

/* What the header of the message itself says. */
static void read_message(struct mime_summary *s, const struct mime_header *h)
{
	mime_envelope_write(h, &s->envelope);
	s->has_date = h->first[FIELD_DATE].ptr && mime_date_read(h->first[FIELD_DATE], &s->date);
	mime_sort_key_write(h, s->has_date ? &s->date : NULL, &s->sort);
	mime_thread_key_write(h, &s->thread);
}

/* And that of a message inside it. */
static void add_envelope(struct mime_parser *p, const struct mime_header *h, struct mime_piece *piece)
{
	piece->envelope = (uint32_t)p->text.len;
	mime_envelope_write(h, &p->text);
	piece->envelope_len = (uint32_t)p->text.len - piece->envelope;
}

/* The innermost entity's header block ends before `end`: what it says decides how the body is read. */
static void finish_header(struct mime_parser *p, uint64_t end)
{
	struct open *top = &p->open[p->depth - 1];
	struct mime_content *c = &p->content;
	struct mime_node node = *node_at(p, top->node);
	struct mime_header h;
	mime_header_read(buf_span(&p->header), &h);
	mime_content_read(c, &h, node.part.number > 0 && p->open[p->depth - 2].is_digest);
	bool room = p->depth < MIME_DEPTH_MAX && node_count(p) < MIME_PARTS_MAX && p->text.len < MIME_STRUCTURE_MAX;
	if (c->kind != MIME_LEAF && !room)
		mime_content_make_opaque(c);
	node.part.kind = c->kind;
	node.part.encoding = c->encoding;
	node.part.media = c->media;
	node.part.attachment = c->attachment;
	node.part.body = clip32(end);
	node.part.header_len = node.part.body - node.part.header;
	node.part.lines = clip32(p->lines); /* so far: leave_entity() makes the difference */
	if (c->kind == MIME_MULTIPART) {
		buf_add_span(&p->boundaries, c->boundary);
		top->boundary_len = c->boundary.len;
		top->is_digest = c->is_digest;
		top->delimited = true;
		p->delimited++;
	}
	node.piece.charset = (uint32_t)p->text.len;
	node.piece.charset_len = c->charset.len <= MIME_CHARSET_MAX ? (uint32_t)c->charset.len : 0;
	buf_add(&p->text, c->charset.ptr, node.piece.charset_len);
	if (top->node == 0)
		read_message(&p->summary, &h);
	else if (node.part.number == 0)
		add_envelope(p, &h, &node.piece);
	if (mime_is_text(node.part.media) && !node.part.attachment) {
		node.part.charset = c->charset;
		mime_preview_begin(&p->preview, &node.part);
		node.part.charset = span_make(NULL, 0);
	}
	mime_structure_describe(&h, c, &p->text, &node.piece);
	*node_at(p, top->node) = node;
	p->in_header = false;
	if (node.part.kind == MIME_MESSAGE)
		open_entity(p, top->node, 0, end);
}

/* The innermost entity, its header read, ends before `end`, after `lines` line ends. */
static void leave_entity(struct mime_parser *p, uint64_t end, uint64_t lines)
{
	struct open *top = &p->open[p->depth - 1];
	struct mime_part *part = &node_at(p, top->node)->part;
	part->body_len = clip32(end) - part->body;
	part->lines = clip32(lines) - part->lines;
	mime_preview_end(&p->preview); /* of this part, if of any: what it is in was no text */
	if (top->delimited)
		p->delimited--;
	p->boundaries.len = top->boundary;
	if (part->kind == MIME_MULTIPART && top->children == 0) {
		/* The grammar wants at least one child: an empty text. */
		top->is_digest = false;
		open_entity(p, top->node, 1, end);
		finish_header(p, end);
		node_at(p, p->open[p->depth - 1].node)->part.lines = 0;
		p->depth--;
	}
	p->depth--;
}

/* Everything inside open[level] ends before the line that starts at p->line_start (or, with no line, at the end of the
 * message). */
static void leave_down_to(struct mime_parser *p, unsigned level, bool at_delimiter)
{
	uint64_t end = p->line_start, lines = p->lines;
	if (!at_delimiter)
		end = p->offset;
	else if (!p->in_header && end > node_at(p, p->open[p->depth - 1].node)->part.body) {
		end -= p->eol_len;
		lines--;
	}
	while (p->in_header)
		finish_header(p, end);
	while (p->depth > level)
		leave_entity(p, end, lines);
}

static void collect_header(struct mime_parser *p, const char *bytes, size_t n)
{
	size_t room = MIME_HEADER_MAX - p->header.len;
	buf_add(&p->header, bytes, n < room ? n : room);
}

static void take_text(struct mime_parser *p, const char *bytes, size_t n)
{
	if (p->preview.open)
		mime_preview_feed(&p->preview, span_make(bytes, n));
}

/* n bytes are taken, of which the last one ends the line if `ends_line`. */
static void advance(struct mime_parser *p, const char *bytes, size_t n, bool ends_line)
{
	char before = n > 1 ? bytes[n - 2] : p->last;
	p->offset += n;
	p->last = bytes[n - 1];
	p->line = LINE_REST;
	if (!ends_line)
		return;
	p->lines++;
	p->eol_len = before == '\r' ? 2 : 1;
	bool blank = p->offset - p->line_start == p->eol_len;
	p->line = LINE_START;
	p->line_start = p->offset;
	if (p->in_header && blank)
		finish_header(p, p->offset);
}

/* 0: no delimiter line of this boundary; 1: a delimiter; 2: the close delimiter. */
static int delimiter_kind(struct span line, struct span boundary)
{
	struct span s = span_after(line, 2);
	if (s.len < boundary.len || memcmp(s.ptr, boundary.ptr, boundary.len) != 0)
		return 0;
	s = span_after(s, boundary.len);
	int kind = 1;
	if (s.len >= 2 && s.ptr[0] == '-' && s.ptr[1] == '-') {
		kind = 2;
		s = span_after(s, 2);
	}
	return mime_trim(s).len == 0 ? kind : 0;
}

/* p->dashes holds a whole line.  Returns true when it was a delimiter, with the state behind it. */
static bool take_delimiter(struct mime_parser *p)
{
	struct span line = span_make(p->dashes, p->dashes_len);
	for (unsigned level = p->depth; level-- > 0;) {
		struct open *o = &p->open[level];
		int kind = o->delimited ? delimiter_kind(line, span_make(p->boundaries.data + o->boundary,
									  o->boundary_len)) : 0;
		if (kind == 0)
			continue;
		/* Closing what is inside may add two nodes. */
		if (kind == 1 && (node_count(p) + 2 >= MIME_PARTS_MAX || p->text.len >= MIME_STRUCTURE_MAX ||
				  level + 1 >= MIME_DEPTH_MAX))
			return false;
		leave_down_to(p, level + 1, true);
		bool ends_line = line.ptr[line.len - 1] == '\n';
		advance(p, line.ptr, line.len, ends_line);
		if (kind == 1) {
			open_entity(p, o->node, ++o->children, p->offset);
		} else {
			o->delimited = false;
			p->delimited--;
		}
		return true;
	}
	return false;
}

/* What p->dashes holds is settled: a whole line, or too long, or no delimiter after two bytes. */
static void settle_dashes(struct mime_parser *p)
{
	bool ends_line = p->dashes[p->dashes_len - 1] == '\n';
	bool may_be = p->dashes_len >= 3 && p->dashes[1] == '-' && (ends_line || p->dashes_len < DELIMITER_MAX);
	if (may_be && take_delimiter(p))
		return;
	if (p->in_header)
		collect_header(p, p->dashes, p->dashes_len);
	else
		take_text(p, p->dashes, p->dashes_len);
	advance(p, p->dashes, p->dashes_len, ends_line);
}

static size_t take_dashes(struct mime_parser *p, struct span in)
{
	size_t n = 0;
	while (n < in.len) {
		char c = in.ptr[n++];
		p->dashes[p->dashes_len++] = c;
		if (c == '\n' || p->dashes_len == DELIMITER_MAX || (p->dashes_len == 2 && c != '-')) {
			settle_dashes(p);
			break;
		}
	}
	return n;
}

static size_t take_header(struct mime_parser *p, struct span in)
{
	const char *lf = memchr(in.ptr, '\n', in.len);
	size_t n = lf ? (size_t)(lf - in.ptr) + 1 : in.len;
	collect_header(p, in.ptr, n);
	advance(p, in.ptr, n, lf != NULL);
	return n;
}

/* Whole lines as long as none can be a delimiter. */
static size_t take_body(struct mime_parser *p, struct span in)
{
	const char *at = in.ptr, *end = in.ptr + in.len, *lf;
	uint64_t lines = 0;
	while ((lf = memchr(at, '\n', (size_t)(end - at)))) {
		at = lf + 1;
		lines++;
		if (at == end || (*at == '-' && p->delimited))
			break;
	}
	size_t n = lf ? (size_t)(at - in.ptr) : in.len;
	take_text(p, in.ptr, n);
	p->lines += lf ? lines - 1 : lines; /* advance() counts the last one */
	advance(p, in.ptr, n, lf != NULL);
	return n;
}

void mime_parser_feed(struct mime_parser *p, struct span in)
{
	while (in.len) {
		size_t n = 0;
		if (p->line == LINE_START && p->delimited && in.ptr[0] == '-') {
			p->line = LINE_DASHES;
			p->dashes_len = 0;
		}
		if (p->line == LINE_DASHES)
			n = take_dashes(p, in);
		else
			n = p->in_header ? take_header(p, in) : take_body(p, in);
		in = span_after(in, n);
	}
}

const struct mime_summary *mime_parser_end(struct mime_parser *p)
{
	struct mime_summary *s = &p->summary;
	struct mime_parts_writer w;
	if (p->line == LINE_DASHES)
		settle_dashes(p);
	leave_down_to(p, 0, false);
	const struct mime_node *nodes = node_at(p, 0);
	s->size = p->offset;
	s->header_len = nodes[0].part.header_len;
	s->preview = buf_span(&p->preview.text);
	mime_parts_begin(&w, &s->parts);
	for (size_t i = 0; i < node_count(p); i++) {
		struct mime_part part = nodes[i].part;
		part.charset = span_after(buf_span(&p->text), nodes[i].piece.charset);
		part.charset.len = nodes[i].piece.charset_len;
		mime_parts_add(&w, &part);
	}
	mime_parts_end(&w);
	mime_structure_write(nodes, node_count(p), buf_span(&p->text), &s->body, &s->bodystructure);
	return s;
}
