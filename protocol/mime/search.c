#include "protocol/mime/search.h"

#include "protocol/mime/header.h"
#include "protocol/mime/params.h"
#include "protocol/mime/words.h"

/* ---- header fields ---- */

struct field_search {
	struct span needle;
	struct buf value, decoded, folded;
};

static void field_init(struct field_search *f, struct span needle)
{
	f->needle = needle;
	buf_init(&f->value, SIZE_MAX); /* all bounded by the field */
	buf_init(&f->decoded, SIZE_MAX);
	buf_init(&f->folded, SIZE_MAX);
}

static void field_finish(struct field_search *f)
{
	buf_finish(&f->value);
	buf_finish(&f->decoded);
	buf_finish(&f->folded);
}

static bool holds(struct field_search *f, struct span utf8)
{
	buf_reset(&f->folded);
	mime_fold(utf8, &f->folded);
	return f->folded.len >= f->needle.len &&
	       (f->needle.len == 0 || memmem(f->folded.data, f->folded.len, f->needle.ptr, f->needle.len));
}

/* charset'language'text, percent-encoded (RFC 2231 4). */
static bool extended_holds(struct field_search *f, struct span value)
{
	struct mime_charset charset;
	const char *first = value.len ? memchr(value.ptr, '\'', value.len) : NULL;
	struct span rest = first ? span_after(value, (size_t)(first - value.ptr) + 1) : value;
	const char *second = first && rest.len ? memchr(rest.ptr, '\'', rest.len) : NULL;
	if (!second)
		return false;
	buf_reset(&f->value);
	buf_reset(&f->decoded);
	mime_decode_percent(span_after(rest, (size_t)(second - rest.ptr) + 1), &f->value);
	mime_charset_open(&charset, span_make(value.ptr, (size_t)(first - value.ptr)));
	mime_charset_feed(&charset, buf_span(&f->value), &f->decoded);
	mime_charset_end(&charset, &f->decoded);
	mime_charset_close(&charset);
	return holds(f, buf_span(&f->decoded));
}

/* A parameter that RFC 2231 wrote in pieces or in another charset does not stand in the header as it reads. */
static bool params_hold(struct field_search *f, struct span value)
{
	struct mime_params params;
	bool found = false;
	if (!memchr(value.ptr, '*', value.len))
		return false;
	mime_params_init(&params);
	mime_params_read(&params, value);
	for (size_t i = 0; i < params.n && !found; i++) {
		struct span v = mime_param_value(&params, i);
		found = params.v[i].extended ? extended_holds(f, v) : holds(f, v);
	}
	mime_params_finish(&params);
	return found;
}

static bool field_holds(struct field_search *f, const struct mime_field *field, bool with_name)
{
	buf_reset(&f->decoded);
	mime_words_decode(mime_unfold(with_name ? field->raw : field->value, &f->value), &f->decoded);
	if (holds(f, buf_span(&f->decoded)))
		return true;
	return (span_is(field->name, "content-type") || span_is(field->name, "content-disposition")) &&
	       params_hold(f, field->value);
}

static bool block_holds(struct span block, struct span name, struct span needle)
{
	struct field_search f;
	struct mime_field field;
	bool found = false, any = !name.ptr || !name.len;
	field_init(&f, needle);
	for (size_t at = 0; !found && mime_field_next(block, &at, &field);)
		if (any || span_iequal(field.name, name))
			found = field_holds(&f, &field, any);
	field_finish(&f);
	return found;
}

bool mime_header_contains(struct span header, struct span name, struct span needle)
{
	return block_holds(header, name, needle);
}

/* ---- messages ---- */

void mime_search_init(struct mime_search *s, struct span parts, struct span needle, enum mime_search_scope scope)
{
	*s = (struct mime_search){.parts = parts, .scope = scope};
	mime_matcher_init(&s->matcher, needle);
	s->found = s->matcher.found;
	buf_init(&s->raw, SIZE_MAX); /* all bounded by a step */
	buf_init(&s->utf8, SIZE_MAX);
	buf_init(&s->field, SIZE_MAX);
}

void mime_search_finish(struct mime_search *s)
{
	mime_matcher_finish(&s->matcher);
	mime_charset_close(&s->charset);
	buf_finish(&s->raw);
	buf_finish(&s->utf8);
	buf_finish(&s->field);
}

/* The header or body of row s->row, if it is to be looked through; false: there is no such row. */
static bool begin_piece(struct mime_search *s)
{
	struct mime_part part;
	if (!mime_parts_get(s->parts, s->row, &part))
		return false;
	bool inner_message = part.number == 0 && s->row > 0;
	s->at = s->end = 0;
	s->started = true;
	if (!s->in_body && (s->scope == MIME_SEARCH_TEXT || inner_message)) {
		s->at = part.header;
		s->end = part.body;
	} else if (s->in_body && part.kind == MIME_LEAF && mime_is_text(part.media)) {
		s->at = part.body;
		s->end = part.body + part.body_len;
		mime_decoder_init(&s->decoder, part.encoding);
		s->folder.held_n = 0;
		if (!span_iequal(s->charset_name, part.charset)) {
			mime_charset_close(&s->charset);
			mime_charset_open(&s->charset, part.charset);
			s->charset_name = part.charset;
		}
	}
	return true;
}

/* Whole fields of a header block are looked through as they come; one that is too long, in pieces. */
static void feed_header(struct mime_search *s, struct span bytes, bool last)
{
	buf_add_span(&s->field, bytes);
	struct span all = buf_span(&s->field);
	size_t whole = last ? all.len : 0;
	for (size_t i = all.len; !last && i-- > 1 && whole == 0;)
		if (all.ptr[i - 1] == '\n' && all.ptr[i] != ' ' && all.ptr[i] != '\t' && i < all.len)
			whole = i;
	if (!whole && all.len > MIME_SEARCH_FIELD_MAX)
		whole = all.len;
	if (!whole)
		return;
	s->found = block_holds(span_make(all.ptr, whole), span_make(NULL, 0), s->matcher.needle);
	buf_drop(&s->field, whole);
}

static void feed_body(struct mime_search *s, struct span bytes, bool last)
{
	struct buf *room = mime_matcher_room(&s->matcher);
	buf_reset(&s->raw);
	buf_reset(&s->utf8);
	mime_decoder_feed(&s->decoder, bytes, &s->raw);
	if (last)
		mime_decoder_end(&s->decoder, &s->raw);
	mime_charset_feed(&s->charset, buf_span(&s->raw), &s->utf8);
	if (last)
		mime_charset_end(&s->charset, &s->utf8);
	mime_folder_feed(&s->folder, buf_span(&s->utf8), room);
	if (last)
		mime_folder_end(&s->folder, room);
	s->found = mime_matcher_look(&s->matcher, last);
}

bool mime_search_next(struct mime_search *s, uint32_t *offset, uint32_t *len)
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

bool mime_search_feed(struct mime_search *s, struct span bytes)
{
	invariant(bytes.len <= s->end - s->at);
	s->at += (uint32_t)bytes.len;
	bool last = s->at == s->end;
	if (s->in_body)
		feed_body(s, bytes, last);
	else
		feed_header(s, bytes, last);
	return s->found;
}
