#include "server/intake.h"

#include "protocol/mime/crlf.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/unbinary.h"
#include "server/derived.h"
#include "storage/content_writer.h"

#include <openssl/evp.h>

enum { STEP_BYTES = 65536 };

struct intake {
	uint64_t limit_bytes, size;
	struct mime_unbinary *unbinary; /* NULL: it is not binary */
	struct buf textual;             /* what that made of a step */
	struct crlf crlf;
	struct buf scratch;
	struct mime_parser *parser;
	const struct mime_summary *summary; /* the parser's, once all bytes have come */
	bool sealed, finished;
	bool seven_bit; /* 8-bit octets in the header are refused */
	bool eight_bit; /* and there was one */
	size_t line;    /* while seven_bit: octets of the header's last line, without CR */
	EVP_MD_CTX *digest;
	unsigned char digest_value[EVP_MAX_MD_SIZE];
	struct content_writer *writer;
	enum store_err failed;
};

struct intake *intake_create(struct account *a, uint64_t limit_bytes, bool binary)
{
	struct intake *in = xcalloc(1, sizeof(*in));
	in->limit_bytes = limit_bytes;
	in->unbinary = binary ? mime_unbinary_create() : NULL;
	buf_init(&in->textual, SIZE_MAX); /* bounded by a step and a header block */
	buf_init(&in->scratch, 2 * STEP_BYTES);
	in->parser = mime_parser_create();
	in->digest = EVP_MD_CTX_new();
	invariant(in->digest && EVP_DigestInit_ex(in->digest, EVP_sha256(), NULL) == 1);
	in->writer = content_writer_create(a);
	return in;
}

/* What is of no more use once the message is stored: of many messages in one command only this remains small. */
static void drop_work(struct intake *in)
{
	EVP_MD_CTX_free(in->digest);
	mime_parser_destroy(in->parser);
	mime_unbinary_destroy(in->unbinary);
	buf_finish(&in->textual);
	buf_finish(&in->scratch);
	in->digest = NULL;
	in->parser = NULL;
	in->summary = NULL;
	in->unbinary = NULL;
}

void intake_destroy(struct intake *in)
{
	if (!in)
		return;
	content_writer_destroy(in->writer);
	drop_work(in);
	free(in);
}

uint64_t intake_size(const struct intake *in)
{
	return in->size;
}

void intake_set_seven_bit_header(struct intake *in)
{
	in->seven_bit = true;
}

/* True: the header's octets are all of US-ASCII, as far as they have come.  An empty line ends it. */
static bool look_at_header(struct intake *in, struct span bytes)
{
	for (size_t i = 0; i < bytes.len && in->seven_bit; i++) {
		char c = bytes.ptr[i];
		in->eight_bit = (unsigned char)c >= 0x80;
		if (in->eight_bit)
			return false;
		if (c == '\n') {
			in->seven_bit = in->line > 0;
			in->line = 0;
		} else if (c != '\r') {
			in->line++;
		}
	}
	return true;
}

bool intake_has_eight_bit_header(const struct intake *in)
{
	return in->eight_bit;
}

static void take(struct intake *in, struct span bytes)
{
	bytes = crlf_feed(&in->crlf, bytes, &in->scratch);
	in->size += bytes.len;
	if (in->crlf.nul || (in->seven_bit && !look_at_header(in, bytes))) {
		in->failed = STORE_CANNOT;
	} else if (in->size > in->limit_bytes) {
		in->failed = STORE_LIMIT;
	} else {
		mime_parser_feed(in->parser, bytes);
		invariant(EVP_DigestUpdate(in->digest, bytes.ptr, bytes.len) == 1);
		in->failed = content_writer_write(in->writer, bytes.ptr, bytes.len);
	}
}

static void take_all(struct intake *in, struct span bytes)
{
	while (bytes.len && !in->failed) {
		size_t n = bytes.len < STEP_BYTES ? bytes.len : STEP_BYTES;
		take(in, span_make(bytes.ptr, n));
		bytes = span_after(bytes, n);
	}
}

enum store_err intake_write(struct intake *in, struct span bytes)
{
	invariant(!in->sealed);
	while (in->unbinary && bytes.len && !in->failed) {
		size_t n = bytes.len < STEP_BYTES ? bytes.len : STEP_BYTES;
		buf_reset(&in->textual);
		mime_unbinary_feed(in->unbinary, span_make(bytes.ptr, n), &in->textual);
		take_all(in, buf_span(&in->textual));
		bytes = span_after(bytes, n);
	}
	take_all(in, in->unbinary ? span_make("", 0) : bytes);
	return in->failed;
}

/* What was held of a binary message. */
static void end_binary(struct intake *in)
{
	buf_reset(&in->textual);
	mime_unbinary_end(in->unbinary, &in->textual);
	take_all(in, buf_span(&in->textual));
}

enum store_err intake_seal(struct intake *in)
{
	if (in->failed || in->sealed)
		return in->failed;
	in->sealed = true;
	if (in->unbinary)
		end_binary(in);
	if (in->failed)
		return in->failed;
	in->summary = mime_parser_end(in->parser);
	invariant(EVP_DigestFinal_ex(in->digest, in->digest_value, NULL) == 1);
	buf_finish(&in->scratch);
	in->failed = content_writer_seal(in->writer);
	return in->failed;
}

enum store_err intake_finish(struct intake *in, int64_t *out_content, uint32_t *out_size)
{
	enum store_err err = intake_seal(in);
	if (err)
		return err;
	struct derived d = {.meta = {.header_len = 0}}; /* for a writer that has stored it already */
	if (!in->finished) {
		derived_make(&d, in->summary);
		memcpy(d.meta.digest, in->digest_value, sizeof(d.meta.digest));
	}
	*out_size = (uint32_t)in->size;
	in->failed = content_writer_finish(in->writer, &d.meta, out_content);
	if (!in->failed) {
		in->finished = true;
		drop_work(in);
	}
	return in->failed;
}
