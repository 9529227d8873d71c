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

unsigned mime_header_score(struct span header, struct span name, struct span words, bool scored)
{
	struct mime_fuzzy f;
	mime_fuzzy_init(&f, words, scored);
	f.place = MIME_FUZZY_FIELD;
	mime_header_strings(header, name, mime_fuzzy_take, &f);
	unsigned score = mime_fuzzy_score(&f);
	mime_fuzzy_finish(&f);
	return score;
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
	s->is_fuzzy = false;
	s->fuzzy = (struct mime_fuzzy){0};
	s->found = needle.len == 0;
}

/* A field's string begins with its name, which is not what a message is about. */
static struct span without_name(struct span field, enum mime_fuzzy_place *place)
{
	static const char subject[] = "SUBJECT:";
	size_t at = 0;
	*place = MIME_FUZZY_HEADER;
	if (field.len >= sizeof(subject) - 1 && memcmp(field.ptr, subject, sizeof(subject) - 1) == 0)
		*place = MIME_FUZZY_SUBJECT;
	while (at < field.len && field.ptr[at] > ' ' && field.ptr[at] < 0x7f && field.ptr[at] != ':')
		at++;
	return at < field.len && field.ptr[at] == ':' ? span_after(field, at + 1) : field;
}

static bool look_fuzzily(void *ctx, enum mime_stream stream, struct span folded, bool ends)
{
	struct mime_search *s = ctx;
	/* HTML counts as it reads. */
	if (s->strings.in_body && s->strings.html && stream == MIME_STREAM_AS_IS)
		return true;
	s->fuzzy.place = MIME_FUZZY_BODY;
	if (!s->strings.in_body && s->strings.row == 0)
		folded = without_name(folded, &s->fuzzy.place);
	s->found = !mime_fuzzy_take(&s->fuzzy, stream, folded, ends);
	return !s->found;
}

void mime_search_init_fuzzy(struct mime_search *s, struct span parts, struct span words, enum mime_search_scope scope,
			    bool scored)
{
	*s = (struct mime_search){.is_fuzzy = true};
	mime_strings_init(&s->strings, parts, scope, look_fuzzily, s);
	mime_fuzzy_init(&s->fuzzy, words, scored);
}

unsigned mime_search_score(const struct mime_search *s)
{
	if (s->is_fuzzy)
		return mime_fuzzy_score(&s->fuzzy);
	return s->found ? 100 : 0;
}

void mime_search_finish(struct mime_search *s)
{
	mime_fuzzy_finish(&s->fuzzy);
	for (size_t i = 0; i < MIME_STREAMS; i++)
		mime_matcher_finish(&s->matchers[i]);
	mime_strings_finish(&s->strings);
}

bool mime_search_next(struct mime_search *s, uint32_t *offset, uint32_t *len)
{
	return mime_strings_next(&s->strings, offset, len);
}

bool mime_search_feed_text(struct mime_search *s, struct span folded, bool ends)
{
	s->strings.in_body = true;
	s->strings.html = false;
	s->strings.take(s->strings.ctx, MIME_STREAM_AS_IS, folded, ends);
	return s->found;
}

bool mime_search_feed(struct mime_search *s, struct span bytes)
{
	mime_strings_feed(&s->strings, bytes);
	return s->found;
}
