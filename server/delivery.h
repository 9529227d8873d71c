/*
 * A message that is delivered to several accounts: taken in and parsed once, then copied to each with header lines of
 * its own before it.
 *
 *	delivery_write() ... delivery_seal()		one worker at a time, any lane
 *	delivery_copy_begin() ... _write() ... _publish()	each on its account's lane, several at once
 *
 * The bytes wait in a spool, so memory is bounded whatever the size: less than 1 MiB, and what the MIME parser holds.
 */
#ifndef SERVER_DELIVERY_H
#define SERVER_DELIVERY_H

#include "protocol/lmtp/trace.h"
#include "protocol/mime/crlf.h"
#include "protocol/mime/parser.h"
#include "server/slice.h"
#include "server/spool.h"
#include "storage/content_writer.h"

struct mime_unbinary;

/* What holds for a message, whoever gets it. */
struct delivery_rules {
	const char *junk_header; /* as target_is_junk() has it; outlives the delivery */
	int64_t duplicates_s;    /* a message that came so short a while ago is not delivered again; 0: it is */
	bool is_binary;          /* BODY=BINARYMIME: binary parts become base64 (RFC 3030 4.2, protocol/mime/unbinary.h) */
};

struct delivery {
	struct delivery_rules rules;
	struct mime_unbinary *unbinary; /* NULL: it is not binary */
	struct buf textual;             /* what that made of a step */
	void *digest;                   /* EVP_MD_CTX, of the message without `head`; NULL: nobody asks */
	unsigned char came[16];         /* what it was, once sealed */
	bool is_junk;                   /* once sealed */
	uint64_t limit_bytes, size; /* of the message as it was sent, in CRLF form */
	struct crlf crlf;
	struct trace_filter filter;
	struct buf normal, filtered;
	struct mime_parser *parser;
	const struct mime_summary *summary; /* once it is sealed */
	struct spool spool;
	enum store_err failed;
};

/* `head` is header lines that all copies have, and is not counted in `limit_bytes`. */
struct delivery *delivery_create(struct accounts *accounts, uint64_t limit_bytes, struct span head,
				 const struct delivery_rules *rules);
/* Accepts NULL.  Any thread, when no copy is left. */
void delivery_destroy(struct delivery *d);
/* Any cuts.  The first failure stays.  STORE_LIMIT: too large; STORE_CANNOT: a NUL; STORE_FULL, STORE_IO: the spool. */
MUST_USE enum store_err delivery_write(struct delivery *d, struct span bytes);
/* No more bytes come. */
MUST_USE enum store_err delivery_seal(struct delivery *d);
static inline bool delivery_is_sealed(const struct delivery *d)
{
	return d->summary || d->failed;
}

/* One account's copy.  {0} before delivery_copy_begin() and after delivery_copy_end(). */
struct delivery_copy {
	const struct delivery *delivery;
	struct content_writer *writer;
	void *digest; /* EVP_MD_CTX */
	uint64_t at;  /* in the spool */
	uint32_t head_len;
	struct buf scratch;
};

/* Of a sealed delivery that has not failed.  `head` is header lines that this copy has before all others. */
void delivery_copy_begin(struct delivery_copy *c, const struct delivery *d, struct account *a, struct span head);
/* Some bytes, until the slice is over: *more says whether that was before the end.  Outside a writing op when the
 * message is large: with its end the message is put on disk. */
MUST_USE enum store_err delivery_copy_write(struct delivery_copy *c, struct slice *slice, bool *more);
/* Inside a writing op: the message is the last of the mailbox that target.h finds for it.  *out_uid 0: it is not, since it had
 * been delivered before. */
MUST_USE enum store_err delivery_copy_publish(struct delivery_copy *c, struct account *a, struct span detail,
					      uint32_t *out_uid);
/* Accepts {0}.  On the account's lane. */
void delivery_copy_end(struct delivery_copy *c);

#endif
