#include "server/index_run.h"

#include "server/slice.h"
#include "storage/content.h"

enum {
	BATCH = 512,    /* contents a transaction: each makes a piece of the index that must be merged */
	COST_STEP = 64, /* of slice_is_over() */
	COST_WRITE = 256
};

_Static_assert((int)MIME_GRAM_END == (int)FULLTEXT_GRAM_END, "the grams are the index's");
_Static_assert(MIME_GRAM_MARK == FULLTEXT_GRAM_FIELD, "and so are the marked ones");

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
	r->at = 0;
	r->damaged = content_get(a, id, &row) != STORE_OK;
	if (!r->damaged)
		buf_add(&r->parts, row.parts.ptr, row.parts.len);
	r->damaged = r->damaged || mime_parts_count(buf_span(&r->parts)) == 0;
	mime_strings_init(&r->strings, buf_span(&r->parts), MIME_SEARCH_TEXT, mime_grams_take, &r->grams);
}

/* False: the slice is over. */
static bool read_content(struct index_run *r, struct account *a, struct slice *slice)
{
	char step[MIME_SEARCH_STEP];
	uint32_t offset, len;
	while (!r->damaged && !r->grams.full && mime_strings_next(&r->strings, &offset, &len)) {
		if (slice_is_over(slice, COST_STEP))
			return false;
		if (content_read(a, r->content, offset, len, step))
			r->damaged = true;
		else
			mime_strings_feed(&r->strings, span_make(step, len));
	}
	return true;
}

/* The fields that are asked about most have marked grams too (search_filter.c).  A header that is not kept apart is large. */
static void read_fields(struct index_run *r, struct account *a)
{
	static const char *const names[] = {"FROM", "SUBJECT"};
	struct bytes header;
	if (r->damaged || r->grams.full || r->grams.mark)
		return;
	if (content_header(a, r->content, &header)) {
		r->damaged = true;
		return;
	}
	r->grams.mark = MIME_GRAM_MARK;
	for (size_t i = 0; i < countof(names); i++)
		mime_header_strings(span_make(header.ptr, header.len), span_of(names[i]), mime_grams_take, &r->grams);
}

/* What was read, as far as the slice goes. */
static enum store_err add_content(struct index_run *r, struct account *a, struct slice *slice)
{
	bool whole = !r->damaged && !r->grams.full && !r->strings.cut;
	do {
		enum store_err err = fulltext_add(a, r->which, r->content, r->grams.grams, r->grams.n, whole, &r->at);
		if (err)
			return err;
	} while (r->at < r->grams.n && !slice_is_over(slice, COST_WRITE));
	if (r->at < r->grams.n)
		return STORE_OK;
	r->content = 0;
	r->contents++;
	r->wide += !whole;
	return STORE_OK;
}

/* The next content, as far as the slice goes.  *out_end: there is none. */
static enum store_err next_content(struct index_run *r, struct account *a, struct slice *slice, bool *out_end)
{
	/* Another run added it, or what was added was taken back. */
	int64_t added = fulltext_added(a, r->which), id = 0;
	if (r->content && r->after != added)
		r->content = 0;
	enum store_err err = r->content ? STORE_OK : content_next(a, added, &id);
	*out_end = !err && !r->content && !id;
	if (err || *out_end)
		return err;
	if (!r->content)
		begin_content(r, a, id, added);
	if (!read_content(r, a, slice))
		return STORE_OK;
	read_fields(r, a);
	return add_content(r, a, slice);
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
		err = next_content(r, a, &slice, &end);
		if (!err && (end || fulltext_pending(a, r->which) >= BATCH)) {
			r->merging = fulltext_pending(a, r->which) > 0;
			err = fulltext_commit(a, r->which);
			more = !end || r->merging;
		}
	}
	*out_more = !err && more;
	return err;
}
