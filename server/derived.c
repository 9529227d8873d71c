#include "server/derived.h"

static struct bytes bytes_of(const struct buf *b)
{
	return (struct bytes){b->data, b->len};
}

static struct bytes bytes_of_span(struct span s)
{
	return (struct bytes){s.ptr, s.len};
}

static struct content_keys list_keys(struct derived *d, const struct mime_summary *s)
{
	/* In the order of enum keys_string. */
	static const enum mime_sort_string from[KEYS_STRINGS] = {SORT_SUBJECT, SORT_FROM, SORT_TO, SORT_CC,
								 SORT_DISPLAY_FROM, SORT_DISPLAY_TO};
	struct content_keys keys = {.sent_s = KEYS_NO_DATE};
	if (!mime_sort_key_read(buf_span(&s->sort), &d->sort))
		return keys;
	if (d->sort.has_date && s->has_date) {
		keys.sent_s = d->sort.utc_s;
		keys.sent_day = (int32_t)s->date.day;
	}
	keys.is_reply = d->sort.is_reply;
	for (size_t i = 0; i < KEYS_STRINGS; i++)
		keys.string[i] = bytes_of_span(d->sort.string[from[i]]);
	return keys;
}

/* The message's own, then those it refers to, the nearest first (storage/thread.h). */
static size_t list_ids(struct derived *d, struct span stored)
{
	size_t n = 0;
	if (!mime_thread_key_read(stored, &d->key))
		return 0;
	if (d->key.id.len)
		d->ids[n++] = bytes_of_span(d->key.id);
	for (size_t i = d->key.references_n; i-- > 0;)
		d->ids[n++] = bytes_of_span(d->key.reference[i]);
	return n;
}

void derived_make(struct derived *d, const struct mime_summary *s)
{
	d->meta = (struct content_meta){.header_len = s->header_len, .parser = MIME_PARSER_VERSION,
					.sent = s->has_date ? s->date.day : CONTENT_NO_DATE,
					.envelope = bytes_of(&s->envelope), .body = bytes_of(&s->body),
					.bodystructure = bytes_of(&s->bodystructure), .parts = bytes_of(&s->parts),
					.preview = bytes_of_span(s->preview), .keys = list_keys(d, s)};
	d->meta.keys.ids = d->ids;
	d->meta.keys.ids_n = list_ids(d, buf_span(&s->thread));
	d->meta.keys.has_id = d->key.id.len > 0;
}
