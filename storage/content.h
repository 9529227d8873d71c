/*
 * Contents: a message's bytes and what was derived from them, stored once an account and never changed.
 *
 * Bytes are independent frames of 64 KiB of message, each compressed where that pays, and checksummed, so that a
 * partial fetch reads only its frames and damage is found before bytes leave.  Up to BODY_INLINE_MAX stored bytes live
 * in the database; more in a file blob/xx/<id>.
 *
 * What a crash can leave, and what becomes of it:
 *   S1  a file in tmp/                        no row names it; emptied when the account opens
 *   S2  blob/xx/<id> without a content row    ids are never reused (AUTOINCREMENT); the sweep unlinks it
 *   S3  a content row that no message names   the sweep deletes it
 *   S4  content row and message               acknowledged or not: sound
 */
#ifndef STORAGE_CONTENT_H
#define STORAGE_CONTENT_H

#include "storage/account.h"

enum { FRAME_BYTES = 65536, BODY_INLINE_MAX = 131072, DIGEST_BYTES = 16 };

struct content_writer;

struct content_meta {
	unsigned char digest[DIGEST_BYTES]; /* of the whole message, the caller's */
	uint32_t header_len;
	int parser;           /* version of the parser that made the rest */
	int64_t sent;
	struct bytes envelope, body, bodystructure, parts;
};

struct content_row {
	uint32_t size, header_len;
	int64_t sent;
	struct bytes envelope, body, bodystructure, parts; /* valid until the next content_* call */
};

/* May run outside an op; writes nothing that anybody sees. */
struct content_writer *content_writer_create(struct account *a);
MUST_USE enum store_err content_writer_write(struct content_writer *w, const void *bytes, size_t len);
uint64_t content_writer_size(const struct content_writer *w);
/* Inside an op.  The same bytes again give the id they already have. */
MUST_USE enum store_err content_writer_finish(struct content_writer *w, const struct content_meta *meta,
					      int64_t *out_id);
/* Accepts NULL.  Also after finish. */
void content_writer_destroy(struct content_writer *w);

MUST_USE enum store_err content_get(struct account *a, int64_t id, struct content_row *out);
/* The header block, valid until the next content_* call. */
MUST_USE enum store_err content_header(struct account *a, int64_t id, struct bytes *out);
/* Bytes [offset, offset + len) (inside the message) to `to`. */
MUST_USE enum store_err content_read(struct account *a, int64_t id, uint64_t offset, size_t len, char *to);
/* Empties tmp/: at open. */
void content_clean_tmp(struct account *a);

#endif
