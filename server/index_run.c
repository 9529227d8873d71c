#include "server/index_run.h"

#include "server/slice.h"
#include "storage/content.h"

enum {
	BATCH = 512,        /* contents a transaction: each makes a segment of the index that must be merged */
	PIECE_GRAMS = 4096, /* a longer text becomes several pieces: so many are in some 30 KB of a language */
	COST_STEP = 64,     /* of slice_is_over() */
	COST_WRITE = 256
};

_Static_assert((int)MIME_GRAM_END == (int)FULLTEXT_GRAM_END, "the grams are the index's");
_Static_assert(((FULLTEXT_GRAM_FROM | FULLTEXT_GRAM_SUBJECT) & ~MIME_GRAM_MARKS) == 0, "and so are the marks");

void index_run_init(struct index_run *r, enum fulltext_which which)
{
	*r = (struct index_run){.which = which};
	mime_grams_init(&r->grams);
	buf_init(&r->parts, SIZE_MAX); /* bounded by the table */
}

void index_run_finish(struct index_run *r)
{
	mime_strings_finish(&r->strings);
	mime_grams_finish(&r->grams);
	buf_finish(&r->parts);
}

static void begin_content(struct index_run *r, struct account *a, int64_t id, int64_t after)
{
	struct content_row row;
	mime_strings_finish(&r->strings);
	mime_grams_reset(&r->grams);
	buf_reset(&r->parts);
	r->content = id;
	r->after = after;
	r->pieces = 0;
	r->text_at = 0;
	r->damaged = content_get(a, id, &row) != STORE_OK;
	if (!r->damaged)
		buf_add(&r->parts, row.parts.ptr, row.parts.len);
	r->damaged = r->damaged || mime_parts_count(buf_span(&r->parts)) == 0;
	mime_strings_init(&r->strings, buf_span(&r->parts), MIME_SEARCH_TEXT, mime_grams_take, &r->grams);
}

static enum store_err add_piece(struct index_run *r, struct account *a, bool last)
{
	bool whole = !r->damaged && !r->grams.full && !r->strings.cut;
	struct fulltext_piece piece = {
		.grams = r->grams.grams, .n = r->grams.n, .number = r->pieces, .last = last, .whole = whole};
	enum store_err err = fulltext_add(a, r->which, r->content, &piece);
	r->pieces++;
	r->contents += !err && last;
	r->wide += !err && last && !whole;
	if (err || last)
		r->content = 0;
	else
		mime_grams_next(&r->grams);
	/* Another run had what was added taken back: from the beginning, then. */
	return err == STORE_CANNOT ? STORE_OK : err;
}

/* A long text becomes several pieces. */
static enum store_err add_when_long(struct index_run *r, struct account *a)
{
	if (r->grams.n < PIECE_GRAMS)
		return STORE_OK;
	if (r->pieces < FULLTEXT_PIECES_MAX - 1)
		return add_piece(r, a, false);
	r->grams.full = true;
	return STORE_OK;
}

/* The text of its attachments, as the present index has it. */
static enum store_err read_texts(struct index_run *r, struct account *a, struct slice *slice, bool *out_read)
{
	char text[FULLTEXT_TEXT_BYTES];
	size_t len;
	bool ends;
	while (!r->grams.full && !fulltext_text_get(a, r->content, r->text_at, text, &len, &ends)) {
		r->text_at++;
		mime_grams_take(&r->grams, MIME_STREAM_AS_IS, span_make(text, len), ends);
		enum store_err err = add_when_long(r, a);
		if (err || !r->content || slice_is_over(slice, COST_WRITE))
			return err;
	}
	*out_read = true;
	return fulltext_text_carry(a, r->content);
}

/* *out_read: all of it; else the slice is over, or it is to be begun anew. */
static enum store_err read_content(struct index_run *r, struct account *a, struct slice *slice, bool *out_read)
{
	char step[MIME_SEARCH_STEP];
	uint32_t offset, len;
	enum store_err err = STORE_OK;
	*out_read = false;
	while (!r->damaged && !r->grams.full && mime_strings_next(&r->strings, &offset, &len)) {
		if (slice_is_over(slice, COST_STEP))
			return STORE_OK;
		if (content_read(a, r->content, offset, len, step))
			r->damaged = true;
		else
			mime_strings_feed(&r->strings, span_make(step, len));
		uint32_t pieces = r->pieces;
		err = add_when_long(r, a);
		if (err || !r->content || (r->pieces != pieces && slice_is_over(slice, COST_WRITE)))
			return err;
	}
	if (r->carries)
		return read_texts(r, a, slice, out_read);
	*out_read = true;
	return STORE_OK;
}

/* The fields that are asked about most have marked grams too (search_filter.c).  A header that is not kept apart is large. */
static void read_fields(struct index_run *r, struct account *a)
{
	static const struct {
		const char *name;
		uint64_t mark;
	} fields[] = {{"FROM", FULLTEXT_GRAM_FROM}, {"SUBJECT", FULLTEXT_GRAM_SUBJECT}};
	struct bytes header;
	if (r->damaged || r->grams.full || r->grams.mark)
		return;
	if (content_header(a, r->content, &header)) {
		r->damaged = true;
		return;
	}
	for (size_t i = 0; i < countof(fields); i++) {
		r->grams.mark = fields[i].mark;
		mime_header_strings(span_make(header.ptr, header.len), span_of(fields[i].name), mime_grams_take,
				    &r->grams);
	}
}

/* The next content, as far as the slice goes.  *out_end: there is none. */
static enum store_err next_content(struct index_run *r, struct account *a, struct slice *slice, bool *out_end)
{
	/* Another run added it, or what was added was taken back. */
	int64_t added = fulltext_added(a, r->which), id = 0;
	bool read;
	if (r->content && r->after != added)
		r->content = 0;
	enum store_err err = r->content ? STORE_OK : content_next(a, added, &id);
	*out_end = !err && !r->content && !id;
	if (err || *out_end)
		return err;
	if (!r->content && !added && r->carries)
		err = fulltext_texts_carry(a);
	if (err)
		return err;
	if (!r->content)
		begin_content(r, a, id, added);
	err = read_content(r, a, slice, &read);
	if (err || !read)
		return err;
	read_fields(r, a);
	return add_piece(r, a, true);
}

enum store_err index_run_step(struct index_run *r, struct account *a, bool *out_more)
{
	struct slice slice;
	enum store_err err = STORE_OK;
	bool end = false, more = true;
	*out_more = true;
	if (a->in_transaction)
		return STORE_OK;
	slice_begin_for(&slice, LIMIT_INDEX_SLICE_US);
	while (!err && more && !slice_is_over(&slice, COST_WRITE)) {
		if (r->merging) {
			err = fulltext_merge(a, r->which, &r->merging);
			continue;
		}
		if (r->shrinking) {
			err = fulltext_shrink(a, r->which, &r->shrinking);
			r->shrunk = !r->shrinking;
			continue;
		}
		err = next_content(r, a, &slice, &end);
		if (!err && (end || fulltext_pending(a, r->which) >= BATCH)) {
			r->merging = fulltext_pending(a, r->which) > 0;
			err = fulltext_commit(a, r->which);
			r->shrinking = end && !r->merging && !r->shrunk;
			more = !end || r->merging || r->shrinking;
		}
	}
	*out_more = !err && more;
	return err;
}
