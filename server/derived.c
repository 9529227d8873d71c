#include "server/derived.h"

static struct bytes bytes_of(const struct buf *b)
{
	return (struct bytes){b->data, b->len};
}

static struct bytes bytes_of_span(struct span s)
{
	return (struct bytes){s.ptr, s.len};
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
					.sort = bytes_of(&s->sort), .thread = bytes_of(&s->thread),
					.preview = bytes_of_span(s->preview), .thread_ids = d->ids};
	d->meta.thread_ids_n = list_ids(d, buf_span(&s->thread));
}
