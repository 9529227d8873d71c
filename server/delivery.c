#include "server/delivery.h"

#include "server/derived.h"
#include "server/target.h"
#include "protocol/mime/parts.h"
#include "protocol/mime/unbinary.h"
#include "storage/append.h"
#include "storage/seen.h"
#include "storage/usage.h"

#include <openssl/evp.h>

enum { STEP_BYTES = 65536, PARTS_BYTES_MAX = 1 << 20, JUNK_HEADER_BYTES = 65536 };

struct delivery *delivery_create(struct accounts *accounts, uint64_t limit_bytes, struct span head,
				 const struct delivery_rules *rules)
{
	struct delivery *d = xcalloc(1, sizeof(*d));
	d->limit_bytes = limit_bytes;
	d->rules = *rules;
	d->unbinary = rules->is_binary ? mime_unbinary_create() : NULL;
	buf_init(&d->textual, SIZE_MAX); /* bounded by a step and a header block */
	if (rules->duplicates_s) {
		d->digest = EVP_MD_CTX_new();
		invariant(d->digest && EVP_DigestInit_ex(d->digest, EVP_sha256(), NULL) == 1);
	}
	buf_init(&d->normal, 2 * STEP_BYTES);
	buf_init(&d->filtered, 2 * STEP_BYTES + TRACE_HELD_MAX);
	d->parser = mime_parser_create();
	spool_init(&d->spool, accounts);
	mime_parser_feed(d->parser, head);
	d->failed = spool_write(&d->spool, head);
	return d;
}

void delivery_destroy(struct delivery *d)
{
	if (!d)
		return;
	mime_parser_destroy(d->parser);
	mime_unbinary_destroy(d->unbinary);
	EVP_MD_CTX_free(d->digest);
	buf_finish(&d->textual);
	spool_finish(&d->spool);
	buf_finish(&d->normal);
	buf_finish(&d->filtered);
	free(d);
}

static void put(struct delivery *d, struct span bytes)
{
	mime_parser_feed(d->parser, bytes);
	invariant(!d->digest || EVP_DigestUpdate(d->digest, bytes.ptr, bytes.len) == 1);
	d->failed = spool_write(&d->spool, bytes);
}

static void take(struct delivery *d, struct span bytes)
{
	bytes = crlf_feed(&d->crlf, bytes, &d->normal);
	d->size += bytes.len;
	if (d->crlf.nul) {
		d->failed = STORE_CANNOT;
	} else if (d->size > d->limit_bytes) {
		d->failed = STORE_LIMIT;
	} else {
		bytes = trace_filter_feed(&d->filter, bytes, &d->filtered);
		put(d, bytes);
	}
}

static void take_all(struct delivery *d, struct span bytes)
{
	while (bytes.len && !d->failed) {
		size_t n = bytes.len < STEP_BYTES ? bytes.len : STEP_BYTES;
		take(d, span_make(bytes.ptr, n));
		bytes = span_after(bytes, n);
	}
}

enum store_err delivery_write(struct delivery *d, struct span bytes)
{
	invariant(!d->summary);
	while (d->unbinary && bytes.len && !d->failed) {
		size_t n = bytes.len < STEP_BYTES ? bytes.len : STEP_BYTES;
		buf_reset(&d->textual);
		mime_unbinary_feed(d->unbinary, span_make(bytes.ptr, n), &d->textual);
		take_all(d, buf_span(&d->textual));
		bytes = span_after(bytes, n);
	}
	if (!d->unbinary)
		take_all(d, bytes);
	return d->failed;
}

/* What is asked of the message as a whole, once for all who get it. */
static void judge(struct delivery *d)
{
	struct buf scratch;
	struct span header;
	size_t len = d->summary->header_len < JUNK_HEADER_BYTES ? d->summary->header_len : JUNK_HEADER_BYTES;
	buf_init(&scratch, JUNK_HEADER_BYTES + 1);
	if (*d->rules.junk_header && !d->failed) {
		d->failed = spool_read(&d->spool, 0, len, &scratch, &header);
		d->is_junk = !d->failed && target_is_junk(d->rules.junk_header, header);
	}
	buf_finish(&scratch);
	unsigned char digest[EVP_MAX_MD_SIZE];
	if (d->digest) {
		invariant(EVP_DigestFinal_ex(d->digest, digest, NULL) == 1);
		memcpy(d->came, digest, sizeof(d->came));
	}
}

enum store_err delivery_seal(struct delivery *d)
{
	if (delivery_is_sealed(d))
		return d->failed;
	if (d->unbinary) {
		buf_reset(&d->textual);
		mime_unbinary_end(d->unbinary, &d->textual);
		take_all(d, buf_span(&d->textual));
	}
	if (!d->failed)
		put(d, trace_filter_end(&d->filter));
	d->summary = mime_parser_end(d->parser);
	judge(d);
	buf_finish(&d->textual);
	buf_finish(&d->normal);
	buf_finish(&d->filtered);
	return d->failed;
}

static enum store_err copy_bytes(struct delivery_copy *c, struct span bytes)
{
	invariant(EVP_DigestUpdate(c->digest, bytes.ptr, bytes.len) == 1);
	return content_writer_write(c->writer, bytes.ptr, bytes.len);
}

void delivery_copy_begin(struct delivery_copy *c, const struct delivery *d, struct account *a, struct span head)
{
	invariant(d->summary && !d->failed);
	*c = (struct delivery_copy){.delivery = d, .writer = content_writer_create(a), .digest = EVP_MD_CTX_new(),
				    .head_len = (uint32_t)head.len};
	buf_init(&c->scratch, PARTS_BYTES_MAX);
	invariant(c->digest && EVP_DigestInit_ex(c->digest, EVP_sha256(), NULL) == 1);
	/* A failure stays with the writer. */
	enum store_err err = copy_bytes(c, head);
	(void)err;
}

enum store_err delivery_copy_write(struct delivery_copy *c, struct slice *slice, bool *more)
{
	const struct spool *spool = &c->delivery->spool;
	enum store_err err = STORE_OK;
	while (!err && c->at < spool->size) {
		struct span bytes;
		*more = true;
		if (slice_is_over(slice, 64))
			return STORE_OK;
		err = spool_read(spool, c->at, STEP_BYTES, &c->scratch, &bytes);
		if (!err)
			err = copy_bytes(c, bytes);
		c->at += bytes.len;
	}
	*more = false;
	return err ? err : content_writer_seal(c->writer);
}

/* What was computed once, as it is with this copy's own lines before the message. */
static enum store_err finish_content(struct delivery_copy *c, int64_t *out_content)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct derived d;
	derived_make(&d, c->delivery->summary);
	if (!mime_parts_prepend(buf_span(&c->delivery->summary->parts), c->head_len, &c->scratch))
		return STORE_CORRUPT;
	invariant(EVP_DigestFinal_ex(c->digest, digest, NULL) == 1);
	d.meta.header_len += c->head_len;
	d.meta.parts = (struct bytes){c->scratch.data, c->scratch.len};
	memcpy(d.meta.digest, digest, sizeof(d.meta.digest));
	return content_writer_finish(c->writer, &d.meta, out_content);
}

enum store_err delivery_copy_publish(struct delivery_copy *c, struct account *a, struct span detail, uint32_t *out_uid)
{
	const struct delivery *d = c->delivery;
	struct append_item item = {.internal_date = a->env->now_s(a->env->ctx),
				   .size = (uint32_t)content_writer_size(c->writer)};
	const struct target_facts facts = {.detail = detail, .is_junk = d->is_junk};
	int64_t since = item.internal_date - d->rules.duplicates_s, mailbox;
	bool seen = false;
	enum store_err err = d->digest ? seen_find(a, d->came, since, &seen) : STORE_OK;
	*out_uid = 0;
	if (err || seen)
		return err;
	err = target_find(a, &facts, &mailbox);
	if (!err)
		err = finish_content(c, &item.content);
	if (!err && d->digest)
		err = seen_note(a, d->came, since);
	if (!err)
		err = messages_append(a, mailbox, &item, 1, out_uid);
	return err ? err : usage_check(a);
}

void delivery_copy_end(struct delivery_copy *c)
{
	content_writer_destroy(c->writer);
	EVP_MD_CTX_free(c->digest);
	buf_finish(&c->scratch);
	*c = (struct delivery_copy){0};
}
