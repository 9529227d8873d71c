#include "server/deliver.h"

#include "protocol/mime/mime.h"
#include "storage/copy.h"
#include "storage/flagset.h"
#include "storage/content.h"

#include <openssl/evp.h>
#include <time.h>

char *deliver_normalise(struct span in, size_t *len)
{
	char *out = xmalloc(in.len * 2 + 1), *to = out;
	for (size_t i = 0; i < in.len; i++) {
		if (in.ptr[i] == '\n' && (i == 0 || in.ptr[i - 1] != '\r'))
			*to++ = '\r';
		*to++ = in.ptr[i];
	}
	*len = (size_t)(to - out);
	return out;
}

static enum store_err store_content(struct account *a, struct span message, int64_t *id)
{
	struct mime_parser *parser = mime_parser_create();
	mime_parser_feed(parser, message);
	const struct mime_summary *s = mime_parser_end(parser);
	struct content_meta meta = {.header_len = s->header_len,
				    .parser = MIME_PARSER_VERSION,
				    .sent = s->has_date ? s->date.day : INT64_MIN,
				    .envelope = {s->envelope.data, s->envelope.len},
				    .body = {s->body.data, s->body.len},
				    .bodystructure = {s->bodystructure.data, s->bodystructure.len},
				    .parts = {s->parts.data, s->parts.len}};
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;
	invariant(EVP_Digest(message.ptr, message.len, digest, &digest_len, EVP_sha256(), NULL) == 1);
	memcpy(meta.digest, digest, DIGEST_BYTES);
	struct content_writer *w = content_writer_create(a);
	enum store_err err = content_writer_write(w, message.ptr, message.len);
	if (!err)
		err = content_writer_finish(w, &meta, id);
	content_writer_destroy(w);
	mime_parser_destroy(parser);
	return err;
}

enum store_err deliver_message(struct account *a, int64_t mailbox, const struct append_message *messages, size_t n,
			       uint32_t *first_uid)
{
	struct append_item *items = xcalloc(n, sizeof(*items));
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < n && !err; i++) {
		struct flag_spec spec = {messages[i].flags, messages[i].keywords.ptr ? messages[i].keywords.ptr : ""};
		err = flagset_apply(a, 0, FLAG_SET, &spec, &items[i].flagset);
		items[i].size = (uint32_t)messages[i].len;
		items[i].internal_date = messages[i].has_date ? messages[i].date : time(NULL);
		items[i].zone_min = messages[i].has_date ? messages[i].zone_min : 0;
		if (!err)
			err = store_content(a, span_make(messages[i].data, messages[i].len), &items[i].content);
	}
	if (!err)
		err = messages_append(a, mailbox, items, (uint32_t)n, first_uid);
	free(items);
	return err;
}
