#include "server/fetch_items.h"

#include "protocol/imap/date.h"
#include "protocol/imap/objectid.h"
#include "protocol/imap/response.h"
#include "protocol/imap/response_fetch.h"
#include "protocol/mime/bodystructure.h"
#include "protocol/mime/nstring.h"
#include "protocol/mime/section.h"
#include "protocol/put.h"
#include "server/fetch_binary.h"
#include "server/limits.h"

/* A header block longer than this is searched for fields in its first part only. */
enum { LITERAL_HEAD_MAX = PUT_U64_MAX + 4 };

static struct span span_of_bytes(struct bytes b)
{
	return span_make(b.ptr ? b.ptr : "", b.len);
}

/* ---- from the roster ---- */

static enum store_err write_uid(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	char *to = buf_reserve(w->out, item->label.len + PUT_U64_MAX);
	if (to)
		w->out->len = (size_t)(put_u64(put_span(to, item->label), w->message.entry.uid) - w->out->data);
	return STORE_OK;
}

static enum store_err write_size(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	char *to = buf_reserve(w->out, item->label.len + PUT_U64_MAX);
	if (to)
		w->out->len = (size_t)(put_u64(put_span(to, item->label), w->message.entry.size) - w->out->data);
	return STORE_OK;
}

static enum store_err write_flags(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	(void)item;
	view_write_flags(w->out, w->message.flags, w->message.recent);
	return STORE_OK;
}

static enum store_err write_internaldate(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	buf_add_span(w->out, item->label);
	date_time_write(w->out, w->message.entry.internal_date, w->message.entry.zone_min);
	return STORE_OK;
}

/* RFC 7162 3.1.4.2 */
static enum store_err write_modseq(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	char *to = buf_reserve(w->out, item->label.len + PUT_U64_MAX + 2);
	if (!to)
		return STORE_OK;
	to = put_char(put_span(to, item->label), '(');
	to = put_char(put_u64(to, w->message.entry.modseq), ')');
	w->out->len = (size_t)(to - w->out->data);
	return STORE_OK;
}

/* RFC 8514 4.2: there is one for every message; the server's clock has no zone. */
static enum store_err write_savedate(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	buf_add_span(w->out, item->label);
	date_time_write(w->out, w->message.entry.save_date, 0);
	return STORE_OK;
}

/* ---- from what was computed on the way in: copied as it is ---- */

enum store_err fetch_load_row(struct fetch_writer *w)
{
	struct fetch_message *m = &w->message;
	enum store_err err = m->has_row ? STORE_OK : content_get(w->account, m->entry.content, &m->row);
	m->has_row = err == STORE_OK;
	return err;
}

static enum store_err write_stored(struct fetch_writer *w, const struct fetch_plan_item *item,
				   const struct bytes *bytes)
{
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	buf_add_span(w->out, item->label);
	buf_add(w->out, bytes->ptr, bytes->len);
	return STORE_OK;
}

static enum store_err write_envelope(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	return write_stored(w, item, &w->message.row.envelope);
}

static enum store_err write_structure(struct fetch_writer *w, const struct fetch_plan_item *item,
				      const struct bytes *bytes)
{
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	buf_add_span(w->out, item->label);
	mime_structure_choose(span_of_bytes(*bytes), (w->dialect & DIALECT_REV2) != 0, w->out);
	return STORE_OK;
}

static enum store_err write_body(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	return write_structure(w, item, &w->message.row.body);
}

static enum store_err write_bodystructure(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	return write_structure(w, item, &w->message.row.bodystructure);
}

/* ---- identity (RFC 8474 5) ---- */

/* What is immutable of a message is made of its bytes, and so is what names it: copies have the same name. */
static enum store_err write_emailid(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	buf_add_span(w->out, item->label);
	buf_add_char(w->out, '(');
	objectid_write_email(w->out, w->message.row.digest.ptr);
	buf_add_char(w->out, ')');
	return STORE_OK;
}

static enum store_err write_threadid(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	buf_add_span(w->out, item->label);
	buf_add_char(w->out, '(');
	objectid_write_thread(w->out, w->message.row.thread);
	buf_add_char(w->out, ')');
	return STORE_OK;
}

/* RFC 8970 3.1: where nothing can be said it is "", and never NIL, since it was made at delivery. */
static enum store_err write_preview(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	buf_add_span(w->out, item->label);
	response_string(w->out, span_of_bytes(w->message.row.preview), w->dialect);
	return STORE_OK;
}

/* ---- octets of the message ---- */

/* Clips [*at, *at + *len) to the item's partial (RFC 3501 6.4.5). */
static void clip(const struct fetch_item *item, uint64_t *at, uint64_t *len)
{
	if (!item->partial)
		return;
	uint64_t skip = item->offset < *len ? item->offset : *len;
	*at += skip;
	*len -= skip;
	*len = item->length < *len ? item->length : *len;
}

static void write_octets(struct buf *out, struct span label, struct span s)
{
	char *to = buf_reserve(out, label.len + LITERAL_HEAD_MAX + s.len);
	if (!to)
		return;
	to = put_span(to, label);
	if (s.len == 0) {
		to = put_text(to, "\"\"");
	} else {
		to = put_char(to, '{');
		to = put_u64(to, s.len);
		to = put_text(to, "}\r\n");
		to = put_span(to, s);
	}
	out->len = (size_t)(to - out->data);
}

/* Text that is in memory. */
static void write_span(struct fetch_writer *w, const struct fetch_plan_item *item, struct span s)
{
	uint64_t at = 0, len = s.len;
	clip(item->item, &at, &len);
	write_octets(w->out, item->label, span_make(s.ptr + at, (size_t)len));
}

/* A range of the message, which the cursor writes. */
void fetch_write_range(struct fetch_writer *w, const struct fetch_plan_item *item, uint64_t at, uint64_t len)
{
	clip(item->item, &at, &len);
	buf_add_span(w->out, item->label);
	if (len == 0) {
		buf_add_text(w->out, "\"\"");
		return;
	}
	buf_add_char(w->out, '{');
	buf_add_u64(w->out, len);
	buf_add_text(w->out, "}\r\n");
	w->literal = (struct fetch_literal){.content = w->message.entry.content, .at = at, .left = len};
}

static enum store_err write_fields_of(struct fetch_writer *w, const struct fetch_plan_item *item, struct span header)
{
	const struct section *s = &item->item->section;
	struct buf fields;
	buf_init(&fields, header.len + 16);
	mime_fields(header, s->fields, s->fields_n, s->kind == SECTION_FIELDS_NOT, &fields);
	write_span(w, item, buf_span(&fields));
	buf_finish(&fields);
	return STORE_OK;
}

/* A header block that is not kept apart: it is part of the body. */
static enum store_err write_fields_at(struct fetch_writer *w, const struct fetch_plan_item *item, uint32_t at,
				      uint32_t len)
{
	struct buf header;
	if (len > LIMIT_FIELDS_HEADER_BYTES)
		len = LIMIT_FIELDS_HEADER_BYTES;
	buf_init(&header, len + 1);
	char *to = buf_reserve(&header, len + 1);
	enum store_err err = len ? content_read(w->account, w->message.entry.content, at, len, to) : STORE_OK;
	w->message.has_row = false;
	header.len = len;
	if (!err)
		err = write_fields_of(w, item, buf_span(&header));
	buf_finish(&header);
	return err;
}

static enum store_err write_part(struct fetch_writer *w, const struct fetch_plan_item *item, enum mime_section kind)
{
	const struct section *s = &item->item->section;
	uint32_t at, len;
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	if (!mime_find(span_of_bytes(w->message.row.parts), s->path, s->path_n, kind, &at, &len)) {
		buf_add_span(w->out, item->label);
		buf_add_text(w->out, "NIL");
		return STORE_OK;
	}
	if (s->kind == SECTION_FIELDS || s->kind == SECTION_FIELDS_NOT)
		return write_fields_at(w, item, at, len);
	fetch_write_range(w, item, at, len);
	return STORE_OK;
}

/* The message's own header has a table of its own, unless it is huge. */
static enum store_err write_header(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	struct bytes stored;
	enum store_err err = content_header(w->account, w->message.entry.content, &stored);
	w->message.has_row = false;
	if (err == STORE_NOTFOUND)
		return write_part(w, item, MIME_SECTION_HEADER);
	if (err)
		return err;
	if (item->item->section.fields_n)
		return write_fields_of(w, item, span_of_bytes(stored));
	write_span(w, item, span_of_bytes(stored));
	return STORE_OK;
}

static enum store_err write_message(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	fetch_write_range(w, item, 0, w->message.entry.size);
	return STORE_OK;
}

static enum store_err write_text(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	return write_part(w, item, MIME_SECTION_TEXT);
}

static enum store_err write_section(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	const struct section *s = &item->item->section;
	switch (s->kind) {
	case SECTION_ALL:
		return s->path_n ? write_part(w, item, MIME_SECTION_ALL) : write_message(w, item);
	case SECTION_HEADER: case SECTION_FIELDS: case SECTION_FIELDS_NOT:
		return s->path_n ? write_part(w, item, MIME_SECTION_HEADER) : write_header(w, item);
	case SECTION_TEXT:
		return write_part(w, item, MIME_SECTION_TEXT);
	case SECTION_MIME:
		return write_part(w, item, MIME_SECTION_MIME);
	}
	invariant(false && "a kind of section");
	return STORE_CORRUPT;
}

/* ---- the table, by kind ---- */

static const struct fetch_row rows[] = {
	{FETCH_UID, true, false, write_uid},
	{FETCH_FLAGS, true, false, write_flags},
	{FETCH_INTERNALDATE, true, false, write_internaldate},
	{FETCH_SIZE, true, false, write_size},
	{FETCH_ENVELOPE, false, false, write_envelope},
	{FETCH_BODY, false, false, write_body},
	{FETCH_BODYSTRUCTURE, false, false, write_bodystructure},
	{FETCH_SECTION, false, true, write_section},
	{FETCH_RFC822, false, true, write_message},
	{FETCH_RFC822_HEADER, false, false, write_header},
	{FETCH_RFC822_TEXT, false, true, write_text},
	{FETCH_EMAILID, false, false, write_emailid},
	{FETCH_THREADID, false, false, write_threadid},
	{FETCH_SAVEDATE, true, false, write_savedate},
	{FETCH_PREVIEW, false, false, write_preview},
	{FETCH_BINARY, false, true, fetch_write_binary},
	{FETCH_BINARY_SIZE, false, false, fetch_write_binary_size},
	{FETCH_MODSEQ, true, false, write_modseq},
};

const struct fetch_row *fetch_row_at(size_t index)
{
	return index < countof(rows) ? &rows[index] : NULL;
}

static void plan_add(struct fetch_plan *plan, struct arena *a, const struct fetch_item *item)
{
	struct fetch_plan_item *p = &plan->items[plan->n++];
	struct buf label;
	p->item = item;
	p->row = &rows[item->kind];
	invariant(p->row->kind == item->kind);
	buf_init(&label, 1 << 20);
	response_fetch_label(&label, item);
	buf_add_char(&label, ' ');
	p->label = arena_copy(a, buf_span(&label));
	buf_finish(&label);
	plan->sets_seen = plan->sets_seen || (p->row->sets_seen && !item->peek);
	plan->has_flags = plan->has_flags || item->kind == FETCH_FLAGS;
	plan->has_uid = plan->has_uid || item->kind == FETCH_UID;
	plan->has_modseq = plan->has_modseq || item->kind == FETCH_MODSEQ;
	plan->all_small = plan->all_small && p->row->small;
	plan->has_binary = plan->has_binary || item->kind == FETCH_BINARY || item->kind == FETCH_BINARY_SIZE;
}

void fetch_plan_make(struct fetch_plan *plan, struct arena *a, const struct fetch_request *r, bool with_uid,
		     bool with_modseq)
{
	static const struct fetch_item uid = {.kind = FETCH_UID}, modseq = {.kind = FETCH_MODSEQ};
	*plan = (struct fetch_plan){.all_small = true};
	plan->items = arena_alloc(a, (r->items_n + 2) * sizeof(*plan->items));
	for (size_t i = 0; i < r->items_n; i++)
		with_uid = with_uid && r->items[i].kind != FETCH_UID;
	if (with_uid)
		plan_add(plan, a, &uid);
	for (size_t i = 0; i < r->items_n; i++)
		plan_add(plan, a, &r->items[i]);
	if (with_modseq && !plan->has_modseq)
		plan_add(plan, a, &modseq);
}
