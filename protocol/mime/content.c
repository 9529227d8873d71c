#include "protocol/mime/content.h"

void mime_content_init(struct mime_content *c)
{
	*c = (struct mime_content){0};
	mime_params_init(&c->params);
	buf_init(&c->scratch, SIZE_MAX); /* bounded by the header */
}

void mime_content_finish(struct mime_content *c)
{
	mime_params_finish(&c->params);
	buf_finish(&c->scratch);
}

static void set_type(struct mime_content *c, const char *type, const char *subtype)
{
	c->type = span_of(type);
	c->subtype = span_of(subtype);
}

/* RFC 2045 5.2: what is absent or cannot be read is text/plain; RFC 2046 5.1.5 for digests. */
static void read_type(struct mime_content *c, const struct mime_header *h, bool in_digest)
{
	struct span v = h->first[FIELD_CONTENT_TYPE];
	bool present = v.ptr != NULL;
	c->declared = false;
	c->params.n = 0;
	if (present) {
		c->type = mime_token(&v);
		mime_skip_cfws(&v);
		bool slash = v.len && v.ptr[0] == '/';
		if (slash)
			v = span_after(v, 1);
		c->subtype = slash ? mime_token(&v) : span_make("", 0);
		/* A lone `text` was the usual form before MIME, and is still seen. */
		if (!c->subtype.len && span_is(c->type, "text"))
			c->subtype = span_of("plain");
		c->declared = c->type.len && c->subtype.len;
	}
	if (c->declared)
		mime_params_read(&c->params, v);
	else if (in_digest && !present)
		set_type(c, "message", "rfc822");
	else
		set_type(c, "text", "plain");
}

static void read_encoding(struct mime_content *c, const struct mime_header *h)
{
	struct span v = h->first[FIELD_CONTENT_ENCODING];
	c->encoding_name = v.ptr ? mime_token(&v) : span_make("", 0);
	struct span name = c->encoding_name;
	if (span_is(name, "base64"))
		c->encoding = MIME_BASE64;
	else if (span_is(name, "quoted-printable"))
		c->encoding = MIME_QP;
	else if (!name.len || span_is(name, "7bit") || span_is(name, "8bit") || span_is(name, "binary"))
		c->encoding = MIME_IDENTITY;
	else
		c->encoding = MIME_UNKNOWN_ENCODING;
}

static struct span boundary_of(struct mime_params *p)
{
	struct span b = mime_params_get(p, "boundary");
	while (b.ptr && b.len && (b.ptr[b.len - 1] == ' ' || b.ptr[b.len - 1] == '\t'))
		b.len--;
	return b.ptr && b.len <= MIME_BOUNDARY_MAX ? b : span_make("", 0);
}

static enum mime_media media_of(const struct mime_content *c)
{
	if (span_is(c->type, "text"))
		return span_is(c->subtype, "plain") ? MIME_PLAIN : (span_is(c->subtype, "html") ? MIME_HTML : MIME_TEXT);
	if (c->kind == MIME_MULTIPART && span_is(c->subtype, "alternative"))
		return MIME_ALTERNATIVE;
	return MIME_OTHER;
}

static bool is_encoded(const struct mime_content *c)
{
	return c->encoding == MIME_BASE64 || c->encoding == MIME_QP;
}

bool mime_content_is_global(const struct mime_content *c)
{
	return span_is(c->type, "message") && span_is(c->subtype, "global");
}

static void read_kind(struct mime_content *c)
{
	c->kind = MIME_LEAF;
	if (span_is(c->type, "multipart")) {
		c->boundary = boundary_of(&c->params);
		if (c->boundary.len) {
			c->kind = MIME_MULTIPART;
			c->is_digest = span_is(c->subtype, "digest");
			return;
		}
		/* Without a boundary there is only text to read. */
		set_type(c, "text", "plain");
		c->declared = false;
		c->params.n = 0;
	} else if (span_is(c->type, "message") && span_is(c->subtype, "rfc822")) {
		/* RFC 2046 5.2.1 allows no encoding here.  The grammar forces an envelope on MESSAGE/RFC822, so a message
		 * that cannot be seen is described as what it is to its reader: octets. */
		if (is_encoded(c))
			mime_content_make_opaque(c);
		else
			c->kind = MIME_MESSAGE;
	} else if (mime_content_is_global(c) && !is_encoded(c)) { /* RFC 6532 3.7 allows encodings */
		c->kind = MIME_MESSAGE;
	}
}

void mime_content_read(struct mime_content *c, const struct mime_header *h, bool in_digest)
{
	c->boundary = c->charset = span_make("", 0);
	c->is_digest = false;
	read_type(c, h, in_digest);
	read_encoding(c, h);
	read_kind(c);
	c->media = media_of(c);
	if (mime_is_text(c->media)) {
		struct span charset = mime_params_get(&c->params, "charset");
		c->charset = charset.ptr ? mime_trim(charset) : c->charset;
	}
	struct span disposition = h->first[FIELD_CONTENT_DISPOSITION];
	c->attachment = disposition.ptr && span_is(mime_token(&disposition), "attachment");
	if (c->kind != MIME_LEAF)
		c->encoding = MIME_IDENTITY;
}

void mime_content_make_opaque(struct mime_content *c)
{
	c->kind = MIME_LEAF;
	c->media = MIME_OTHER;
	set_type(c, "application", "octet-stream");
}
