#include "protocol/mime/search.h"

/* ---- header fields ---- */

struct field_search {
	struct span needle;
	bool found;
};

static bool look_in_field(void *ctx, enum mime_stream stream, struct span folded, bool ends)
{
	struct field_search *f = ctx;
	(void)stream, (void)ends; /* fields come whole */
	f->found = folded.len >= f->needle.len &&
		   (f->needle.len == 0 || memmem(folded.ptr, folded.len, f->needle.ptr, f->needle.len));
	return !f->found;
}

bool mime_header_contains(struct span header, struct span name, struct span needle)
{
	struct field_search f = {.needle = needle};
	mime_header_strings(header, name, look_in_field, &f);
	return f.found;
}

/* ---- messages ---- */

static bool look(void *ctx, enum mime_stream stream, struct span folded, bool ends)
{
	struct mime_search *s = ctx;
	struct mime_matcher *m = &s->matchers[stream];
	buf_add_span(mime_matcher_room(m), folded);
	if (mime_matcher_look(m, ends))
		s->found = true;
	return !s->found;
}

void mime_search_init(struct mime_search *s, struct span parts, struct span needle, enum mime_search_scope scope)
{
	mime_strings_init(&s->strings, parts, scope, look, s);
	for (size_t i = 0; i < MIME_STREAMS; i++)
		mime_matcher_init(&s->matchers[i], needle);
	s->found = needle.len == 0;
}

void mime_search_finish(struct mime_search *s)
{
	for (size_t i = 0; i < MIME_STREAMS; i++)
		mime_matcher_finish(&s->matchers[i]);
	mime_strings_finish(&s->strings);
}

bool mime_search_next(struct mime_search *s, uint32_t *offset, uint32_t *len)
{
	return mime_strings_next(&s->strings, offset, len);
}

bool mime_search_feed(struct mime_search *s, struct span bytes)
{
	mime_strings_feed(&s->strings, bytes);
	return s->found;
}
