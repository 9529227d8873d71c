#include "protocol/mime/envelope.h"

#include "protocol/mime/address.h"
#include "protocol/mime/nstring.h"

/* From is written up to three times. */
enum { FROM_MAX = 16384 };

struct envelope {
	const struct mime_header *h;
	struct buf *out;
	struct buf scratch;
	struct mime_address_reader reader;
	size_t start; /* of the envelope in `out` */
	unsigned addresses;
};

static void add_value(struct envelope *e, enum mime_field_id id)
{
	mime_nstring(e->out, mime_unfold(e->h->first[id], &e->scratch));
}

static void add_address(struct buf *out, const struct mime_address *a)
{
	switch (a->kind) {
	case ADDRESS_GROUP_START:
		buf_add_text(out, "(NIL NIL ");
		mime_nstring(out, a->mailbox);
		buf_add_text(out, " NIL)");
		return;
	case ADDRESS_GROUP_END:
		buf_add_text(out, "(NIL NIL NIL NIL)");
		return;
	case ADDRESS_MAILBOX:
		break;
	}
	buf_add_char(out, '(');
	mime_nstring(out, a->name);
	buf_add_char(out, ' ');
	mime_nstring(out, a->route);
	buf_add_char(out, ' ');
	mime_nstring(out, a->mailbox);
	buf_add_char(out, ' ');
	mime_nstring(out, a->host);
	buf_add_char(out, ')');
}

static bool full(const struct envelope *e, size_t list_start, size_t list_max)
{
	return e->addresses >= ENVELOPE_ADDRESSES_MAX || e->out->len - e->start > ENVELOPE_MAX ||
	       e->out->len - list_start > list_max;
}

/* One field's addresses.  A group cut off by a limit is closed: its start would dangle. */
static void add_field(struct envelope *e, struct span value, size_t list_start, size_t list_max)
{
	struct mime_address a;
	mime_address_reset(&e->reader, value);
	while (!full(e, list_start, list_max) && mime_address_next(&e->reader, &a)) {
		add_address(e->out, &a);
		e->addresses++;
	}
	if (e->reader.in_group)
		buf_add_text(e->out, "(NIL NIL NIL NIL)");
}

/* The addresses of all fields `id`, or NIL; false when there are none. */
static bool add_list(struct envelope *e, enum mime_field_id id, size_t list_max)
{
	size_t start = e->out->len;
	if (!e->h->first[id].ptr) {
		buf_add_text(e->out, "NIL");
		return false;
	}
	buf_add_char(e->out, '(');
	if (!e->h->repeated[id]) {
		add_field(e, e->h->first[id], start, list_max);
	} else {
		struct mime_header one;
		struct mime_field f;
		for (size_t at = 0; mime_field_next(e->h->text, &at, &f);) {
			mime_header_read(f.raw, &one);
			if (one.first[id].ptr)
				add_field(e, f.value, start, list_max);
		}
	}
	if (e->out->len == start + 1) {
		e->out->len = start;
		buf_add_text(e->out, "NIL");
		return false;
	}
	buf_add_char(e->out, ')');
	return true;
}

/* Sender and Reply-To: a copy of From where they say nothing. */
static void add_list_or_from(struct envelope *e, enum mime_field_id id, size_t from, size_t from_len)
{
	size_t start = e->out->len;
	if (add_list(e, id, FROM_MAX))
		return;
	e->out->len = start;
	if (buf_reserve(e->out, from_len)) {
		memcpy(e->out->data + start, e->out->data + from, from_len);
		e->out->len += from_len;
	}
}

void mime_envelope_write(const struct mime_header *h, struct buf *out)
{
	struct envelope e = {.h = h, .out = out, .start = out->len};
	buf_init(&e.scratch, SIZE_MAX);
	mime_address_init(&e.reader, span_make("", 0));
	buf_add_char(out, '(');
	add_value(&e, FIELD_DATE);
	buf_add_char(out, ' ');
	add_value(&e, FIELD_SUBJECT);
	buf_add_char(out, ' ');
	size_t from = out->len;
	add_list(&e, FIELD_FROM, FROM_MAX);
	size_t from_len = out->len - from;
	buf_add_char(out, ' ');
	add_list_or_from(&e, FIELD_SENDER, from, from_len);
	buf_add_char(out, ' ');
	add_list_or_from(&e, FIELD_REPLY_TO, from, from_len);
	static const enum mime_field_id lists[] = {FIELD_TO, FIELD_CC, FIELD_BCC};
	for (size_t i = 0; i < countof(lists); i++) {
		buf_add_char(out, ' ');
		add_list(&e, lists[i], SIZE_MAX);
	}
	buf_add_char(out, ' ');
	add_value(&e, FIELD_IN_REPLY_TO);
	buf_add_char(out, ' ');
	add_value(&e, FIELD_MESSAGE_ID);
	buf_add_char(out, ')');
	mime_address_finish(&e.reader);
	buf_finish(&e.scratch);
}
