#include "server/fetch_binary.h"

#include "protocol/mime/section.h"

enum { STEP_BYTES = 65536, STEP_WEIGHT = 32 };

static bool find(const struct fetch_writer *w, const struct fetch_item *item, struct mime_part *out)
{
	struct bytes parts = w->message.row.parts;
	return mime_find_part(span_make(parts.ptr ? parts.ptr : "", parts.len), item->section.path, item->section.path_n,
			      out);
}

bool fetch_binary_is_known(struct fetch_writer *w, const struct fetch_plan *plan)
{
	struct mime_part part;
	bool known = true;
	if (fetch_load_row(w) != STORE_OK)
		return true;
	for (size_t i = 0; i < plan->n && known; i++) {
		const struct fetch_item *item = plan->items[i].item;
		if ((item->kind == FETCH_BINARY || item->kind == FETCH_BINARY_SIZE) && item->section.path_n &&
		    find(w, item, &part))
			known = part.encoding != MIME_UNKNOWN_ENCODING;
	}
	return known;
}

void fetch_binary_finish(struct fetch_binary *b)
{
	buf_finish(&b->raw);
	buf_finish(&b->octets);
}

/* ---- the items ---- */

/* Where decoding begins: at the mark, when it is before what is wanted. */
static void find_begin(struct fetch_binary *b, const struct fetch_binary_mark *mark, enum mime_encoding encoding)
{
	b->from = (struct fetch_binary_place){.at = b->begin};
	mime_decoder_init(&b->from.decoder, encoding);
	if (mark && mark->content == b->content && mark->begin == b->begin && mark->place.decoded <= b->skip)
		b->from = mark->place;
	b->now = b->next = b->from;
}

static void open_part(struct fetch_writer *w, const struct fetch_plan_item *item, const struct mime_part *part)
{
	struct fetch_binary *b = &w->binary;
	const struct fetch_item *asked = item->item;
	struct buf raw = b->raw, octets = b->octets;
	*b = (struct fetch_binary){.open = true, .item = item, .content = w->message.entry.content, .begin = part->body,
				   .end = (uint64_t)part->body + part->body_len, .below = UINT64_MAX, .raw = raw, .octets = octets};
	b->raw.limit = STEP_BYTES;
	b->octets.limit = STEP_BYTES + 2 * MIME_DECODE_HELD_MAX;
	if (asked->partial) {
		b->skip = asked->offset;
		b->below = asked->offset + asked->length; /* of 63 and 32 bits */
	}
	find_begin(b, w->mark ? *w->mark : NULL, part->encoding);
}

/* The whole message, and what is no leaf, is as it is: section_len is that of BODY[...]. */
static bool is_identity(const struct fetch_item *item, const struct mime_part *part)
{
	return item->section.path_n == 0 || part->kind != MIME_LEAF || part->encoding == MIME_IDENTITY;
}

static uint64_t identity_len(const struct fetch_item *item, const struct mime_part *part)
{
	return part->body_len + (item->section.path_n ? 0 : (uint64_t)part->header_len);
}

enum store_err fetch_write_binary(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	struct mime_part part;
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	if (!find(w, item->item, &part)) {
		buf_add_span(w->out, item->label);
		buf_add_text(w->out, "NIL");
	} else if (is_identity(item->item, &part)) {
		uint64_t at = item->item->section.path_n ? part.body : part.header;
		fetch_write_range(w, item, at, identity_len(item->item, &part));
	} else {
		open_part(w, item, &part);
	}
	return STORE_OK;
}

enum store_err fetch_write_binary_size(struct fetch_writer *w, const struct fetch_plan_item *item)
{
	struct mime_part part;
	enum store_err err = fetch_load_row(w);
	if (err)
		return err;
	bool found = find(w, item->item, &part);
	if (found && !is_identity(item->item, &part)) {
		open_part(w, item, &part);
		return STORE_OK;
	}
	buf_add_span(w->out, item->label);
	buf_add_u64(w->out, found ? identity_len(item->item, &part) : 0);
	return STORE_OK;
}

/* ---- decoding ---- */

/* Reads and decodes the next step; *out is what of it is wanted. */
static enum store_err decode_step(struct fetch_writer *w, struct span *out)
{
	struct fetch_binary *b = &w->binary;
	struct fetch_binary_place *now = &b->now;
	size_t len = b->end - now->at < STEP_BYTES ? (size_t)(b->end - now->at) : STEP_BYTES;
	buf_reset(&b->raw);
	buf_reset(&b->octets);
	char *to = buf_reserve(&b->raw, STEP_BYTES);
	invariant(to);
	enum store_err err = content_read(w->account, b->content, now->at, len, to);
	w->message.has_row = false;
	if (err)
		return err;
	mime_decoder_feed(&now->decoder, span_make(to, len), &b->octets);
	now->at += len;
	if (now->at == b->end)
		mime_decoder_end(&now->decoder, &b->octets);
	invariant(!b->octets.failed);
	uint64_t from = now->decoded, upto = from + b->octets.len;
	now->decoded = upto;
	if (upto <= b->skip)
		b->from = *now;
	if (upto <= b->below)
		b->next = *now;
	uint64_t lo = from > b->skip ? from : b->skip, hi = upto < b->below ? upto : b->below;
	*out = lo < hi ? span_make(b->octets.data + (lo - from), (size_t)(hi - lo)) : span_make("", 0);
	return STORE_OK;
}

/* What is not wanted any more need not be decoded. */
static bool pass_is_over(const struct fetch_binary *b)
{
	return b->now.at == b->end || b->now.decoded >= b->below;
}

/* RFC 3516 4.3: a literal8 only where there is a NUL. */
static void write_head(struct fetch_writer *w)
{
	const struct fetch_binary *b = &w->binary;
	buf_add_span(w->out, b->item->label);
	if (b->size == 0) {
		buf_add_text(w->out, "\"\"");
		return;
	}
	if (b->has_nul)
		buf_add_char(w->out, '~');
	buf_add_char(w->out, '{');
	buf_add_u64(w->out, b->size);
	buf_add_text(w->out, "}\r\n");
}

/* For a partial that begins where this one ends. */
static void keep_mark(struct fetch_writer *w)
{
	const struct fetch_binary *b = &w->binary;
	if (!w->mark || !b->item->item->partial || b->next.at == b->begin)
		return;
	if (!*w->mark)
		*w->mark = xcalloc(1, sizeof(**w->mark));
	**w->mark = (struct fetch_binary_mark){b->content, b->begin, b->next};
}

/* All is counted; `whole`: the one step that there was, still at hand. */
static void end_count(struct fetch_writer *w, bool one_step, struct span whole)
{
	struct fetch_binary *b = &w->binary;
	if (b->item->item->kind == FETCH_BINARY_SIZE) {
		buf_add_span(w->out, b->item->label);
		buf_add_u64(w->out, b->size);
		b->open = false;
		return;
	}
	write_head(w);
	if (one_step)
		buf_add_span(w->out, whole);
	b->open = !one_step && b->size > 0;
	b->tells = true;
	keep_mark(w);
	b->now = b->from;
}

bool fetch_binary_pump(struct fetch_writer *w, struct slice *slice, enum store_err *err)
{
	struct fetch_binary *b = &w->binary;
	while (b->open) {
		struct span octets = span_make("", 0);
		bool first = b->now.at == b->from.at;
		if (w->out->len >= LIMIT_SLICE_BYTES || slice_is_over(slice, STEP_WEIGHT))
			return false;
		*err = pass_is_over(b) ? STORE_OK : decode_step(w, &octets);
		if (*err)
			return true;
		if (b->tells) {
			buf_add_span(w->out, octets);
			b->open = !pass_is_over(b);
			continue;
		}
		b->size += octets.len;
		b->has_nul = b->has_nul || (octets.len && memchr(octets.ptr, '\0', octets.len));
		if (pass_is_over(b))
			end_count(w, first, octets);
	}
	return true;
}
