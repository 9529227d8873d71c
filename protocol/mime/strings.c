#include "protocol/mime/strings.h"

#include "protocol/mime/params.h"
#include "protocol/mime/words.h"

/* ---- header fields ---- */

struct field_strings {
	mime_take_string *take;
	void *ctx;
	struct buf value, decoded, folded;
};

static void field_init(struct field_strings *f, mime_take_string *take, void *ctx)
{
	f->take = take;
	f->ctx = ctx;
	buf_init(&f->value, SIZE_MAX); /* all bounded by the field */
	buf_init(&f->decoded, SIZE_MAX);
	buf_init(&f->folded, SIZE_MAX);
}

static void field_finish(struct field_strings *f)
{
	buf_finish(&f->value);
	buf_finish(&f->decoded);
	buf_finish(&f->folded);
}

static bool take_whole(struct field_strings *f, struct span utf8)
{
	buf_reset(&f->folded);
	mime_fold(utf8, &f->folded);
	return f->take(f->ctx, MIME_STREAM_AS_IS, buf_span(&f->folded), true);
}

static bool take_words(struct field_strings *f, struct span value)
{
	buf_reset(&f->decoded);
	mime_words_decode(value, &f->decoded);
	return take_whole(f, buf_span(&f->decoded));
}

/* charset'language'text, percent-encoded (RFC 2231 4). */
static bool take_extended(struct field_strings *f, struct span value)
{
	struct mime_charset charset;
	const char *first = value.len ? memchr(value.ptr, '\'', value.len) : NULL;
	struct span rest = first ? span_after(value, (size_t)(first - value.ptr) + 1) : value;
	const char *second = first && rest.len ? memchr(rest.ptr, '\'', rest.len) : NULL;
	if (!second)
		return true;
	buf_reset(&f->value);
	buf_reset(&f->decoded);
	mime_decode_percent(span_after(rest, (size_t)(second - rest.ptr) + 1), &f->value);
	mime_charset_open(&charset, span_make(value.ptr, (size_t)(first - value.ptr)));
	mime_charset_feed(&charset, buf_span(&f->value), &f->decoded);
	mime_charset_end(&charset, &f->decoded);
	mime_charset_close(&charset);
	return take_whole(f, buf_span(&f->decoded));
}

static bool has_params(const struct mime_field *field)
{
	return span_is(field->name, "content-type") || span_is(field->name, "content-disposition");
}

static bool take_params(struct field_strings *f, struct span value, bool names_only)
{
	struct mime_params params;
	bool more = true;
	mime_params_init(&params);
	mime_params_read(&params, value);
	for (size_t i = 0; i < params.n && more; i++) {
		struct span v = mime_param_value(&params, i), name = params.v[i].name;
		if (names_only && !span_is(name, "name") && !span_is(name, "filename"))
			continue;
		more = params.v[i].extended ? take_extended(f, v) : take_words(f, v);
	}
	mime_params_finish(&params);
	return more;
}

static bool take_field(struct field_strings *f, const struct mime_field *field, bool with_name)
{
	if (!take_words(f, mime_unfold(with_name ? field->raw : field->value, &f->value)))
		return false;
	/* What begins in such a name and ends in the value would read as an encoded-word. */
	if (with_name && field->name.len && memchr(field->name.ptr, '=', field->name.len) &&
	    !take_words(f, mime_unfold(field->value, &f->value)))
		return false;
	/* A parameter in pieces, in another charset or with quoted quotes does not stand in the header as it reads. */
	bool differs = field->value.len && (memchr(field->value.ptr, '*', field->value.len) ||
					    memchr(field->value.ptr, '\\', field->value.len));
	return !differs || !has_params(field) || take_params(f, field->value, false);
}

static bool take_block(struct span block, struct span name, bool names_only, mime_take_string *take, void *ctx)
{
	struct field_strings f;
	struct mime_field field;
	bool more = true, any = !name.ptr || !name.len;
	field_init(&f, take, ctx);
	for (size_t at = 0; more && mime_field_next(block, &at, &field);) {
		if (names_only)
			more = !has_params(&field) || take_params(&f, field.value, true);
		else if (any || span_iequal(field.name, name))
			more = take_field(&f, &field, any);
	}
	field_finish(&f);
	return more;
}

bool mime_header_strings(struct span header, struct span name, mime_take_string *take, void *ctx)
{
	return take_block(header, name, false, take, ctx);
}

/* ---- messages ---- */

void mime_strings_init(struct mime_strings *s, struct span parts, enum mime_search_scope scope, mime_take_string *take,
		       void *ctx)
{
	*s = (struct mime_strings){.parts = parts, .scope = scope, .take = take, .ctx = ctx};
	struct buf *const stages[] = {&s->raw, &s->utf8, &s->read, &s->folded, &s->field};
	for (size_t i = 0; i < countof(stages); i++)
		buf_init(stages[i], SIZE_MAX); /* all bounded by a step */
}

void mime_strings_finish(struct mime_strings *s)
{
	struct buf *const stages[] = {&s->raw, &s->utf8, &s->read, &s->folded, &s->field};
	mime_charset_close(&s->charset);
	for (size_t i = 0; i < countof(stages); i++)
		buf_finish(stages[i]);
}

static void begin_body(struct mime_strings *s, const struct mime_part *part)
{
	s->at = part->body;
	s->end = part->body + part->body_len;
	s->html = part->media == MIME_HTML;
	mime_decoder_init(&s->decoder, part->encoding);
	s->folder.held_n = s->read_folder.held_n = 0;
	s->reader = (struct mime_html_reader){0};
	if (!span_iequal(s->charset_name, part->charset)) {
		mime_charset_close(&s->charset);
		mime_charset_open(&s->charset, part->charset);
		s->charset_name = part->charset;
	}
}

/* The header or body of row s->row, if it is to be looked through; false: there is no such row. */
static bool begin_piece(struct mime_strings *s)
{
	struct mime_part part;
	if (!mime_parts_get(s->parts, s->row, &part))
		return false;
	bool inner_message = part.number == 0 && s->row > 0;
	s->at = s->end = 0;
	s->started = true;
	s->names_only = s->scope == MIME_SEARCH_BODY && !inner_message;
	if (!s->in_body && (!s->names_only || s->row > 0)) {
		s->at = part.header;
		s->end = part.body;
	} else if (s->in_body && part.kind == MIME_LEAF && mime_is_text(part.media)) {
		begin_body(s, &part);
	}
	return true;
}

/* Whole fields of a header block are taken as they come; one that is too long, in pieces. */
static bool feed_header(struct mime_strings *s, struct span bytes, bool last)
{
	buf_add_span(&s->field, bytes);
	struct span all = buf_span(&s->field);
	size_t whole = last ? all.len : 0;
	for (size_t i = all.len; !last && i-- > 1 && whole == 0;)
		if (all.ptr[i - 1] == '\n' && all.ptr[i] != ' ' && all.ptr[i] != '\t' && i < all.len)
			whole = i;
	if (!whole && all.len > MIME_SEARCH_FIELD_MAX) {
		whole = all.len;
		s->cut = true;
	}
	if (!whole)
		return true;
	bool more = take_block(span_make(all.ptr, whole), span_make(NULL, 0), s->names_only, s->take, s->ctx);
	buf_drop(&s->field, whole);
	return more;
}

static bool take_folded(struct mime_strings *s, enum mime_stream stream, struct mime_folder *folder, struct span utf8, bool last)
{
	buf_reset(&s->folded);
	mime_folder_feed(folder, utf8, &s->folded);
	if (last)
		mime_folder_end(folder, &s->folded);
	return s->take(s->ctx, stream, buf_span(&s->folded), last);
}

static bool feed_body(struct mime_strings *s, struct span bytes, bool last)
{
	buf_reset(&s->raw);
	buf_reset(&s->utf8);
	mime_decoder_feed(&s->decoder, bytes, &s->raw);
	if (last)
		mime_decoder_end(&s->decoder, &s->raw);
	mime_charset_feed(&s->charset, buf_span(&s->raw), &s->utf8);
	if (last)
		mime_charset_end(&s->charset, &s->utf8);
	bool more = take_folded(s, MIME_STREAM_AS_IS, &s->folder, buf_span(&s->utf8), last);
	if (!s->html || !more)
		return more;
	buf_reset(&s->read);
	mime_html_read(&s->reader, buf_span(&s->utf8), last, &s->read);
	return take_folded(s, MIME_STREAM_READ, &s->read_folder, buf_span(&s->read), last);
}

bool mime_strings_next(struct mime_strings *s, uint32_t *offset, uint32_t *len)
{
	while (s->at == s->end) {
		if (s->started) {
			s->row += s->in_body;
			s->in_body = !s->in_body;
		}
		if (!begin_piece(s))
			return false;
	}
	*offset = s->at;
	*len = s->end - s->at < MIME_SEARCH_STEP ? s->end - s->at : MIME_SEARCH_STEP;
	return true;
}

bool mime_strings_feed(struct mime_strings *s, struct span bytes)
{
	invariant(bytes.len <= s->end - s->at);
	s->at += (uint32_t)bytes.len;
	bool last = s->at == s->end;
	return s->in_body ? feed_body(s, bytes, last) : feed_header(s, bytes, last);
}
