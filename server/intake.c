#include "server/intake.h"

#include "protocol/mime/crlf.h"
#include "protocol/mime/keys.h"
#include "protocol/mime/parser.h"
#include "storage/content_writer.h"

#include <openssl/evp.h>

enum { STEP_BYTES = 65536 };

struct intake {
	uint64_t limit_bytes, size;
	struct crlf crlf;
	struct buf scratch;
	struct mime_parser *parser;
	const struct mime_summary *summary; /* once all bytes have come */
	EVP_MD_CTX *digest;
	unsigned char digest_value[EVP_MAX_MD_SIZE];
	struct content_writer *writer;
	enum store_err failed;
};

struct intake *intake_create(struct account *a, uint64_t limit_bytes)
{
	struct intake *in = xcalloc(1, sizeof(*in));
	in->limit_bytes = limit_bytes;
	buf_init(&in->scratch, 2 * STEP_BYTES);
	in->parser = mime_parser_create();
	in->digest = EVP_MD_CTX_new();
	invariant(in->digest && EVP_DigestInit_ex(in->digest, EVP_sha256(), NULL) == 1);
	in->writer = content_writer_create(a);
	return in;
}

void intake_destroy(struct intake *in)
{
	if (!in)
		return;
	content_writer_destroy(in->writer);
	EVP_MD_CTX_free(in->digest);
	mime_parser_destroy(in->parser);
	buf_finish(&in->scratch);
	free(in);
}

uint64_t intake_size(const struct intake *in)
{
	return in->size;
}

static void take(struct intake *in, struct span bytes)
{
	bytes = crlf_feed(&in->crlf, bytes, &in->scratch);
	in->size += bytes.len;
	if (in->crlf.nul) {
		in->failed = STORE_CANNOT;
	} else if (in->size > in->limit_bytes) {
		in->failed = STORE_LIMIT;
	} else {
		mime_parser_feed(in->parser, bytes);
		invariant(EVP_DigestUpdate(in->digest, bytes.ptr, bytes.len) == 1);
		in->failed = content_writer_write(in->writer, bytes.ptr, bytes.len);
	}
}

enum store_err intake_write(struct intake *in, struct span bytes)
{
	invariant(!in->summary);
	while (bytes.len && !in->failed) {
		size_t n = bytes.len < STEP_BYTES ? bytes.len : STEP_BYTES;
		take(in, span_make(bytes.ptr, n));
		bytes = span_after(bytes, n);
	}
	return in->failed;
}

enum store_err intake_seal(struct intake *in)
{
	if (in->failed || in->summary)
		return in->failed;
	in->summary = mime_parser_end(in->parser);
	invariant(EVP_DigestFinal_ex(in->digest, in->digest_value, NULL) == 1);
	buf_finish(&in->scratch);
	in->failed = content_writer_seal(in->writer);
	return in->failed;
}

static struct bytes bytes_of(const struct buf *b)
{
	return (struct bytes){b->data, b->len};
}

/* The message's own, then those it refers to, the nearest first. */
static size_t read_thread_ids(struct span stored, struct mime_thread_key *key, struct bytes *out)
{
	size_t n = 0;
	if (!mime_thread_key_read(stored, key))
		return 0;
	if (key->id.len)
		out[n++] = (struct bytes){key->id.ptr, key->id.len};
	for (size_t i = key->references_n; i-- > 0;)
		out[n++] = (struct bytes){key->reference[i].ptr, key->reference[i].len};
	return n;
}

enum store_err intake_finish(struct intake *in, int64_t *out_content, uint32_t *out_size)
{
	enum store_err err = intake_seal(in);
	if (err)
		return err;
	const struct mime_summary *s = in->summary;
	struct mime_thread_key key;
	struct bytes ids[1 + MIME_REFERENCES_MAX];
	struct content_meta meta = {.header_len = s->header_len, .parser = MIME_PARSER_VERSION,
				    .sent = s->has_date ? s->date.day : INT64_MIN, .envelope = bytes_of(&s->envelope),
				    .body = bytes_of(&s->body), .bodystructure = bytes_of(&s->bodystructure),
				    .parts = bytes_of(&s->parts), .sort = bytes_of(&s->sort),
				    .thread = bytes_of(&s->thread), .preview = {s->preview.ptr, s->preview.len}};
	memcpy(meta.digest, in->digest_value, sizeof(meta.digest));
	meta.thread_ids = ids;
	meta.thread_ids_n = read_thread_ids(buf_span(&s->thread), &key, ids);
	*out_size = (uint32_t)in->size;
	in->failed = content_writer_finish(in->writer, &meta, out_content);
	return in->failed;
}
