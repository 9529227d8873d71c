/*
 * Contents: a message's bytes and what was derived from them, stored once an account and never changed.  The bytes are
 * frames (frame.h), in the database up to BODY_INLINE_MAX stored bytes, else in a file (blob.h, with the table of what
 * a crash can leave).  content_writer.h makes them.
 *
 * Reads in ascending order of ids are the cheapest: each function keeps a statement and goes on from the row it read
 * last.  Pointers that a read gives are the statement's own.
 *
 * Thread: the account's lane.
 */
#ifndef STORAGE_CONTENT_H
#define STORAGE_CONTENT_H

#include "storage/account.h"
#include "storage/keys.h"

enum {
	BODY_INLINE_MAX = 128 * 1024,   /* stored bytes */
	HEADER_INLINE_MAX = 256 * 1024, /* a longer header block is read from the body */
	DIGEST_BYTES = 16               /* SHA-256, its first half */
};
#define CONTENT_NO_DATE INT64_MIN

struct content_meta {
	unsigned char digest[DIGEST_BYTES]; /* of the whole message: the caller's, the same function always */
	uint32_t header_len;                /* with the empty line that ends it; at most the message */
	int parser;                         /* version of the parser that made the rest */
	int64_t sent;                       /* CONTENT_NO_DATE for none */
	struct bytes envelope, body, bodystructure, parts; /* as FETCH sends them; the part table */
	struct bytes preview;               /* a NULL pointer for what is not derived */
	struct content_keys keys;           /* their IDs also decide on the thread, see thread.h */
};

struct content_row {
	uint32_t size, header_len;
	int parser;
	int64_t sent;
	uint64_t thread;
	struct bytes digest, envelope, body, bodystructure, parts, preview;
};

/* The pointers are valid until the next content_get(), commit or rest of the account.  The same id again costs
 * nothing.  STORE_CORRUPT: there is no such content. */
MUST_USE enum store_err content_get(struct account *a, int64_t id, struct content_row *out);
/* The first id above `after`; 0: there is none. */
MUST_USE enum store_err content_next(struct account *a, int64_t after, int64_t *out);
/* How many there are above `after`: some milliseconds for a hundred thousand. */
MUST_USE enum store_err content_count(struct account *a, int64_t after, int64_t *out);
/* The content with this digest (DIGEST_BYTES); the first, where there are several.  STORE_NOTFOUND. */
MUST_USE enum store_err content_find(struct account *a, const unsigned char *digest, int64_t *out);
/* The header block, valid until the next content_header(), commit or rest of the account.  STORE_NOTFOUND: it is
 * longer than HEADER_INLINE_MAX; read it with content_read(). */
MUST_USE enum store_err content_header(struct account *a, int64_t id, struct bytes *out);
/* Bytes [offset, offset + len) of the message to `to`.  Reads and checks only the frames they are in.
 * STORE_CORRUPT: they are damaged or not all inside the message; what is in `to` must not be used. */
MUST_USE enum store_err content_read(struct account *a, int64_t id, uint64_t offset, size_t len, char *to);

/* A writer that lives gave this id (content_writer.c). */
bool content_writers_hold(const struct account *a, int64_t id);

#endif
