#include "server/convert_run.h"

#include "protocol/mime/header.h"
#include "protocol/mime/params.h"
#include "protocol/mime/search.h"
#include "server/log.h"
#include "server/slice.h"
#include "storage/content.h"

#include <unistd.h>

enum {
	COST_STEP = 64, /* of slice_is_over() */
	COST_WRITE = 256,
	HEADER_MAX = 16384, /* of a part, that is looked at */
	SAVE_EACH = 4096    /* contents without documents */
};

void convert_run_init(struct convert_run *r, const struct config *config, const char *account, int in, int out)
{
	*r = (struct convert_run){.config = config, .in = in, .out = out};
	snprintf(r->account, sizeof(r->account), "%s", account);
	buf_init(&r->parts, SIZE_MAX);  /* bounded by the table */
	buf_init(&r->folded, SIZE_MAX); /* and by a step */
	mime_grams_init(&r->grams);
}

void convert_run_finish(struct convert_run *r)
{
	buf_finish(&r->parts);
	buf_finish(&r->folded);
	mime_grams_finish(&r->grams);
}

static void tell(const struct convert_run *r, enum log_level level, const char *why)
{
	log_event(level, "convert_failed", log_text("account", r->account), log_number("content", r->content),
		  log_number("part", r->row), log_text("type", r->how->type), log_text("error", why));
}

static bool empty(int fd)
{
	return ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0;
}

/* --- texts of contents that are gone, and of other converters --- */

static enum store_err clean(struct convert_run *r, struct account *a, struct slice *slice)
{
	int64_t id = 0, there = 0;
	enum store_err err = STORE_OK;
	while (!err && !slice_is_over(slice, COST_STEP)) {
		err = fulltext_texts_next(a, r->clean, &id);
		if (err || !id)
			break;
		r->clean = id;
		err = content_next(a, id - 1, &there);
		bool goes = !err && (there != id || r->renews);
		if (goes)
			err = fulltext_texts_forget(a, id);
		r->unsaved = r->unsaved || goes;
	}
	if (!err && !id)
		r->state = CONVERT_NEXT;
	return err;
}

/* --- which parts --- */

static struct span file_name(struct mime_params *type, struct mime_params *disposition)
{
	struct span name = mime_params_get(disposition, "filename");
	return name.ptr ? name : mime_params_get(type, "name");
}

/* The section for a part, by its header. */
static const struct convert_config *find(const struct config *config, struct span block)
{
	struct mime_header header;
	struct mime_params type_params, disposition_params;
	char type[128];
	mime_header_read(block, &header);
	mime_params_init(&type_params);
	mime_params_init(&disposition_params);
	struct span value = header.first[FIELD_CONTENT_TYPE], disposition = header.first[FIELD_CONTENT_DISPOSITION];
	struct span main = mime_token(&value), sub = {0};
	mime_skip_cfws(&value);
	if (value.len && value.ptr[0] == '/') {
		value = span_after(value, 1);
		sub = mime_token(&value);
	}
	mime_params_read(&type_params, value);
	mime_token(&disposition);
	mime_params_read(&disposition_params, disposition);
	int n = snprintf(type, sizeof(type), "%.*s/%.*s", (int)main.len, main.len ? main.ptr : "", (int)sub.len,
			 sub.len ? sub.ptr : "");
	const struct convert_config *how = NULL;
	if (n > 0 && (size_t)n < sizeof(type))
		how = converter_find(config, span_of(type), file_name(&type_params, &disposition_params));
	mime_params_finish(&type_params);
	mime_params_finish(&disposition_params);
	return how;
}

static bool read_how(struct convert_run *r, struct account *a, const struct mime_part *part)
{
	char block[HEADER_MAX];
	size_t len = part->header_len < HEADER_MAX ? part->header_len : HEADER_MAX;
	r->how = NULL;
	if (len && !content_read(a, r->content, part->header, len, block))
		r->how = find(r->config, span_make(block, len));
	if (r->how && part->body_len > LIMIT_CONVERT_BYTES) {
		tell(r, LOG_INFO, "it is too large");
		r->how = NULL;
	}
	if (r->how && r->documents >= LIMIT_CONVERT_DOCUMENTS) {
		if (r->documents++ == LIMIT_CONVERT_DOCUMENTS)
			tell(r, LOG_INFO, "it and those behind it are too many");
		r->how = NULL;
	}
	return r->how != NULL;
}

/* The next part that a program is for; false: there is none. */
static bool next_part(struct convert_run *r, struct account *a)
{
	struct mime_part part;
	for (; mime_parts_get(buf_span(&r->parts), r->row, &part); r->row++) {
		if (part.kind != MIME_LEAF || mime_is_text(part.media) || !part.body_len || !read_how(r, a, &part))
			continue;
		mime_decoder_init(&r->decoder, part.encoding);
		r->at = part.body;
		r->end = part.body + part.body_len;
		return true;
	}
	return false;
}

/* --- their bytes --- */

static bool put(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0)
			return false;
		bytes = span_after(bytes, (size_t)n);
	}
	return true;
}

static enum store_err decode(struct convert_run *r, struct account *a, struct slice *slice)
{
	char step[MIME_SEARCH_STEP];
	struct buf decoded;
	bool ok = true;
	buf_init(&decoded, SIZE_MAX);
	while (ok && r->at < r->end && !slice_is_over(slice, COST_STEP)) {
		size_t len = r->end - r->at < sizeof(step) ? r->end - r->at : sizeof(step);
		if (content_read(a, r->content, r->at, len, step)) {
			tell(r, LOG_WARNING, "it is damaged");
			r->state = CONVERT_LOOK;
			r->row++;
			break;
		}
		r->at += (uint32_t)len;
		buf_reset(&decoded);
		mime_decoder_feed(&r->decoder, span_make(step, len), &decoded);
		if (r->at == r->end) {
			mime_decoder_end(&r->decoder, &decoded);
			r->state = CONVERT_RUN;
		}
		ok = put(r->in, buf_span(&decoded));
	}
	buf_finish(&decoded);
	return ok ? STORE_OK : STORE_FULL;
}

void convert_run_convert(struct convert_run *r, const atomic_bool *stop)
{
	char why[CONVERTER_WHY_MAX];
	off_t before = lseek(r->out, 0, SEEK_END);
	bool ok = before < LIMIT_CONVERT_TEXT_BYTES && converter_run(r->how, r->in, r->out, stop, why);
	if (!ok && before < LIMIT_CONVERT_TEXT_BYTES && !atomic_load(stop))
		tell(r, LOG_WARNING, why);
	/* Each text has a NUL behind it; nothing of one that may be cut anywhere. */
	if (before >= 0 && (ok ? !put(r->out, span_make("", 1)) : ftruncate(r->out, before) != 0))
		(void)!ftruncate(r->out, 0);
	r->state = CONVERT_LOOK;
	r->unsaved = true;
	r->row++;
	r->converted++;
	r->documents++;
}

/* --- their text --- */

/* Up to `len` bytes of `text`, whole characters. */
static size_t whole_characters(struct span text, size_t len)
{
	size_t n = len < text.len ? len : text.len;
	while (n > 0 && n < text.len && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
		n--;
	return n ? n : (len < text.len ? len : text.len);
}

static enum store_err add_pieces(struct convert_run *r, struct account *a, bool ends)
{
	enum store_err err = STORE_OK;
	while (!err && (r->folded.len >= FULLTEXT_TEXT_BYTES || (ends && (r->folded.len || r->open)))) {
		size_t n = whole_characters(buf_span(&r->folded), FULLTEXT_TEXT_BYTES);
		bool last = ends && n == r->folded.len;
		mime_grams_take(&r->grams, MIME_STREAM_AS_IS, span_make(r->folded.data, n), last);
		err = fulltext_text_add(a, r->content, r->piece++, (struct bytes){r->folded.data, n}, last);
		buf_drop(&r->folded, n);
		r->open = !last;
	}
	return err;
}

/* As it reads: lines and pages are not what somebody looks for. */
static void fold_words(struct convert_run *r, struct span text)
{
	char words[MIME_SEARCH_STEP];
	size_t n = 0;
	invariant(text.len <= sizeof(words));
	for (size_t i = 0; i < text.len; i++) {
		bool space = (unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f;
		if (!space || !r->space)
			words[n++] = space ? ' ' : text.ptr[i];
		r->space = space;
	}
	mime_folder_feed(&r->folder, span_make(words, n), &r->folded);
}

static enum store_err take_text(struct convert_run *r, struct account *a, struct slice *slice)
{
	char step[MIME_SEARCH_STEP];
	enum store_err err = STORE_OK;
	while (!err && !slice_is_over(slice, COST_WRITE)) {
		ssize_t n = pread(r->out, step, sizeof(step), r->out_at);
		if (n <= 0) {
			r->state = CONVERT_ADD;
			return STORE_OK;
		}
		const char *nul = memchr(step, '\0', (size_t)n);
		size_t len = nul ? (size_t)(nul - step) : (size_t)n;
		r->out_at += (off_t)len + (nul != NULL);
		fold_words(r, span_make(step, len));
		if (nul) {
			mime_folder_end(&r->folder, &r->folded);
			r->space = true;
		}
		err = add_pieces(r, a, nul != NULL);
	}
	return err;
}

static enum store_err begin_text(struct convert_run *r, struct account *a)
{
	r->state = CONVERT_TAKE;
	r->out_at = 0;
	r->piece = 0;
	r->grams_at = 0;
	r->open = false;
	r->space = true;
	r->folder = (struct mime_folder){0};
	buf_reset(&r->folded);
	mime_grams_reset(&r->grams);
	return fulltext_text_begin(a, r->content);
}

static enum store_err save(struct convert_run *r, struct account *a)
{
	enum store_err err = fulltext_texts_commit(a, converters_sum(r->config), r->saved, r->content);
	r->saved = err ? r->saved : r->content;
	r->state = CONVERT_MERGE;
	r->unsaved = false;
	return err;
}

static enum store_err add_grams(struct convert_run *r, struct account *a, struct slice *slice)
{
	enum store_err err = STORE_OK;
	do
		err = fulltext_text_grams(a, r->content, r->grams.grams, r->grams.n, !r->grams.full, &r->grams_at);
	while (!err && r->grams_at < r->grams.n && !slice_is_over(slice, COST_WRITE));
	return err || r->grams_at < r->grams.n ? err : save(r, a);
}

/* --- the walk --- */

static enum store_err start(struct convert_run *r, struct account *a)
{
	enum store_err err = fulltext_texts_begin(a, converters_sum(r->config), &r->saved);
	r->content = r->saved;
	r->renews = r->saved == 0;
	r->clean = 0;
	r->row = 0;
	r->unsaved = false;
	buf_reset(&r->parts);
	r->state = err == STORE_NOTFOUND ? CONVERT_DONE : CONVERT_CLEAN;
	return err == STORE_NOTFOUND ? STORE_OK : err;
}

/* The next content in the index; the end, when there is none. */
static enum store_err next_content(struct convert_run *r, struct account *a)
{
	struct content_row row;
	int64_t watermark = fulltext_watermark(a), id = 0;
	if (r->unsaved || r->content - r->saved >= SAVE_EACH)
		return save(r, a);
	buf_reset(&r->parts);
	enum store_err err = content_next(a, r->content, &id);
	if (err)
		return err;
	if (!id || id > watermark) {
		r->ending = true;
		r->content = r->content < watermark ? watermark : r->content;
		r->state = CONVERT_DONE;
		return r->content == r->saved ? STORE_OK : save(r, a);
	}
	r->content = id;
	r->row = 0;
	r->documents = 0;
	if (!content_get(a, id, &row))
		buf_add(&r->parts, row.parts.ptr, row.parts.len);
	return empty(r->out) ? STORE_OK : STORE_IO;
}

static enum store_err look(struct convert_run *r, struct account *a)
{
	if (next_part(r, a)) {
		r->state = CONVERT_DECODE;
		return empty(r->in) ? STORE_OK : STORE_IO;
	}
	if (r->unsaved && lseek(r->out, 0, SEEK_END) > 0)
		return begin_text(r, a);
	return next_content(r, a);
}

static enum store_err merge(struct convert_run *r, struct account *a)
{
	bool more = false;
	/* An indexing run that is under way does it when it is done. */
	enum store_err err = fulltext_pending(a, FULLTEXT_NOW) ? STORE_OK : fulltext_merge(a, FULLTEXT_NOW, &more);
	if (!more)
		r->state = r->ending ? CONVERT_DONE : CONVERT_NEXT;
	return err;
}

static enum store_err act(struct convert_run *r, struct account *a, struct slice *slice)
{
	switch (r->state) {
	case CONVERT_START:
		return start(r, a);
	case CONVERT_CLEAN:
		return clean(r, a, slice);
	case CONVERT_LOOK:
		return look(r, a);
	case CONVERT_NEXT:
		r->state = CONVERT_LOOK;
		return next_content(r, a);
	case CONVERT_DECODE:
		return decode(r, a, slice);
	case CONVERT_TAKE:
		return take_text(r, a, slice);
	case CONVERT_ADD:
		return add_grams(r, a, slice);
	case CONVERT_MERGE:
		return merge(r, a);
	case CONVERT_RUN: case CONVERT_DONE:
		break;
	}
	return STORE_OK;
}

enum convert_step convert_run_step(struct convert_run *r, struct account *a, enum store_err *out_err)
{
	struct slice slice;
	*out_err = STORE_OK;
	if (a->in_transaction)
		return CONVERT_MORE;
	slice_begin_for(&slice, LIMIT_INDEX_SLICE_US);
	do {
		enum store_err err = act(r, a, &slice);
		if (err == STORE_BUSY)
			r->state = CONVERT_START;
		else if (err)
			*out_err = err;
		if (*out_err || r->state == CONVERT_DONE)
			return CONVERT_END;
		if (r->state == CONVERT_RUN)
			return CONVERT_WANTS;
	} while (!slice_is_over(&slice, COST_WRITE));
	return CONVERT_MORE;
}
