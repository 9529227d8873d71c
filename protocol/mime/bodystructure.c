#include "protocol/mime/bodystructure.h"

#include "protocol/mime/nstring.h"

enum { LANGUAGES_MAX = 64 };

static void add_value(const struct mime_header *h, enum mime_field_id id, struct buf *scratch, struct buf *out)
{
	mime_nstring(out, mime_unfold(h->first[id], scratch));
}

/* RFC 2183.  Without a type that can be read there is no disposition. */
static void add_disposition(const struct mime_header *h, struct mime_params *params, struct buf *out)
{
	struct span v = h->first[FIELD_CONTENT_DISPOSITION];
	struct span kind = v.ptr ? mime_token(&v) : span_make("", 0);
	if (!kind.len) {
		buf_add_text(out, "NIL");
		return;
	}
	buf_add_char(out, '(');
	mime_upper(out, kind);
	buf_add_char(out, ' ');
	mime_params_read(params, v);
	mime_params_write(params, out);
	buf_add_char(out, ')');
}

/* RFC 3282: one tag as a string, several as a list. */
static void add_language(const struct mime_header *h, struct buf *out)
{
	struct span v = h->first[FIELD_CONTENT_LANGUAGE], tags[LANGUAGES_MAX];
	size_t n = 0;
	while (v.ptr && v.len && n < LANGUAGES_MAX) {
		struct span tag = mime_token(&v);
		if (tag.len)
			tags[n++] = tag;
		else
			v = span_after(v, 1);
	}
	if (n == 0)
		buf_add_text(out, "NIL");
	if (n > 1)
		buf_add_char(out, '(');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(out, ' ');
		tags[i].len = tags[i].len < 255 ? tags[i].len : 255;
		mime_nstring(out, tags[i]);
	}
	if (n > 1)
		buf_add_char(out, ')');
}

static void add_params(const struct mime_content *c, struct buf *out)
{
	/* The default of RFC 2045 5.2, said out loud. */
	if (!c->declared && mime_is_text(c->media))
		buf_add_text(out, "(\"CHARSET\" \"US-ASCII\")");
	else
		mime_params_write(&c->params, out);
}

static void add_mark(struct buf *out, const char *mark)
{
	buf_add(out, mark, 2);
}

/* A message/global that cannot be seen, because it is encoded: rev2's grammar would force an envelope on it. */
static void add_type(const struct mime_content *c, struct buf *out)
{
	bool differs = c->kind == MIME_LEAF && mime_content_is_global(c);
	if (differs)
		add_mark(out, MIME_ALTERNATIVE_REV1);
	mime_upper(out, c->type);
	buf_add_char(out, ' ');
	mime_upper(out, c->subtype);
	if (differs) {
		add_mark(out, MIME_ALTERNATIVE_REV2);
		buf_add_text(out, "\"APPLICATION\" \"OCTET-STREAM\"");
		add_mark(out, MIME_ALTERNATIVE_END);
	}
}

void mime_structure_describe(const struct mime_header *h, struct mime_content *c, struct buf *text,
			     struct mime_piece *out)
{
	size_t head = text->len, tail;
	if (c->kind == MIME_MULTIPART) {
		mime_upper(text, c->subtype);
		tail = text->len;
		buf_add_char(text, ' ');
		add_params(c, text);
	} else {
		add_type(c, text);
		buf_add_char(text, ' ');
		add_params(c, text);
		buf_add_char(text, ' ');
		add_value(h, FIELD_CONTENT_ID, &c->scratch, text);
		buf_add_char(text, ' ');
		add_value(h, FIELD_CONTENT_DESCRIPTION, &c->scratch, text);
		buf_add_char(text, ' ');
		mime_upper(text, c->encoding_name.len ? c->encoding_name : span_of("7bit"));
		tail = text->len;
		buf_add_char(text, ' ');
		add_value(h, FIELD_CONTENT_MD5, &c->scratch, text);
	}
	buf_add_char(text, ' ');
	add_disposition(h, &c->params, text);
	buf_add_char(text, ' ');
	add_language(h, text);
	buf_add_char(text, ' ');
	add_value(h, FIELD_CONTENT_LOCATION, &c->scratch, text);
	out->global = c->kind == MIME_MESSAGE && mime_content_is_global(c);
	out->head = (uint32_t)head;
	out->head_len = (uint32_t)(tail - head);
	out->tail = (uint32_t)tail;
	out->tail_len = (uint32_t)(text->len - tail);
}

struct writer {
	const struct mime_node *nodes;
	size_t n;
	struct span text;
	struct buf *body, *full;
};

static void add_both(struct writer *w, struct span s)
{
	buf_add_span(w->body, s);
	buf_add_span(w->full, s);
}

static void add_number(struct writer *w, uint32_t n)
{
	add_both(w, span_of(" "));
	buf_add_u64(w->body, n);
	buf_add_u64(w->full, n);
}

static struct span slice(const struct writer *w, size_t at, size_t len)
{
	return span_make(w->text.ptr + at, len);
}

static size_t add_part(struct writer *w, size_t i);

/* What a message has besides: envelope, body and lines of the message inside, node `next`; returns the part behind. */
static size_t add_message(struct writer *w, const struct mime_node *node, size_t next)
{
	const struct mime_piece *inner = &w->nodes[next].piece;
	if (node->piece.global)
		add_both(w, span_make(MIME_ALTERNATIVE_REV1 MIME_ALTERNATIVE_REV2, 4));
	add_both(w, span_of(" "));
	add_both(w, slice(w, inner->envelope, inner->envelope_len));
	add_both(w, span_of(" "));
	next = add_part(w, next);
	add_number(w, node->part.lines);
	if (node->piece.global)
		add_both(w, span_make(MIME_ALTERNATIVE_END, 2));
	return next;
}

/* Part i and all inside it; returns the part behind.  As deep as the parts are nested: MIME_DEPTH_MAX. */
static size_t add_part(struct writer *w, size_t i)
{
	const struct mime_node *node = &w->nodes[i];
	const struct mime_piece *piece = &node->piece;
	size_t next = i + 1;
	add_both(w, span_of("("));
	if (node->part.kind == MIME_MULTIPART) {
		while (next < w->n && w->nodes[next].part.parent == i)
			next = add_part(w, next);
		add_both(w, span_of(" "));
		add_both(w, slice(w, piece->head, piece->head_len));
	} else {
		add_both(w, slice(w, piece->head, piece->head_len));
		add_number(w, node->part.body_len);
		if (node->part.kind == MIME_MESSAGE)
			next = add_message(w, node, next);
		else if (mime_is_text(node->part.media))
			add_number(w, node->part.lines);
	}
	buf_add_span(w->full, slice(w, piece->tail, piece->tail_len));
	add_both(w, span_of(")"));
	return next;
}

void mime_structure_write(const struct mime_node *nodes, size_t n, struct span text, struct buf *body,
			  struct buf *bodystructure)
{
	struct writer w = {.nodes = nodes, .n = n, .text = text, .body = body, .full = bodystructure};
	invariant(n > 0);
	add_part(&w, 0);
}

void mime_structure_choose(struct span text, bool rev2, struct buf *out)
{
	bool skipping = false;
	char wanted = '\0'; /* the mark that ends the skipping */
	size_t inner = 0;   /* alternatives inside what is skipped */
	while (text.len) {
		const char *nul = memchr(text.ptr, '\0', text.len);
		size_t n = nul ? (size_t)(nul - text.ptr) : text.len;
		if (!skipping)
			buf_add(out, text.ptr, n);
		char mark = n + 1 < text.len ? text.ptr[n + 1] : '\0';
		text = span_after(text, n + 2 < text.len ? n + 2 : text.len);
		if (!skipping) {
			skipping = mark == (rev2 ? '<' : '|');
			wanted = rev2 ? '|' : '>';
		} else if (inner == 0 && mark == wanted) {
			skipping = false;
		} else if (mark == '<') {
			inner++;
		} else if (mark == '>' && inner > 0) {
			inner--;
		}
	}
}
