/*
 * What FETCH can be asked for: one row an item (fetch_items.c), and the writers that the cursor (cmd_fetch.c) calls.
 * Writers run on a worker and append to the chunk; what is large is left to the cursor as a literal.
 */
#ifndef SERVER_FETCH_ITEMS_H
#define SERVER_FETCH_ITEMS_H

#include "protocol/arena.h"
#include "protocol/buf.h"
#include "protocol/imap/request.h"
#include "protocol/mime/decode.h"
#include "server/view.h"
#include "storage/content.h"

struct fetch_message {
	struct roster_entry entry;
	const struct flagset *flags; /* as they are told: with \Seen, when this FETCH sets it */
	bool recent;
	bool has_row; /* `row` is the message's and its bytes are valid */
	struct content_row row;
};

/* Octets that stand behind a {n} and have not been written. */
struct fetch_literal {
	int64_t content;
	uint64_t at, left;
};

/* How far a part is decoded. */
struct fetch_binary_place {
	uint64_t at;      /* in the message: what was read of the encoded part ends here */
	uint64_t decoded; /* octets that came out so far */
	struct mime_decoder decoder;
};

/* A part whose transfer encoding is being undone (fetch_binary.c). */
struct fetch_binary {
	bool open;              /* the item is not whole yet */
	bool tells;             /* its octets are being written; before, they are counted */
	const struct fetch_plan_item *item;
	int64_t content;
	uint64_t begin, end;    /* in the message: the encoded part */
	struct fetch_binary_place now, from; /* `from`: where nothing of what is wanted has come out yet */
	struct fetch_binary_place next;      /* and where nothing has of what stands behind it */
	uint64_t skip, below;   /* those that are wanted */
	uint64_t size;          /* how many of them there are; once counted */
	bool has_nul;
	struct buf raw, octets; /* of one step */
};

struct fetch_writer {
	struct account *account;
	struct buf *out;
	unsigned dialect; /* DIALECT_* */
	struct fetch_message message;
	struct fetch_literal literal;
	struct fetch_binary binary;
	struct fetch_binary_mark **mark; /* the session's (fetch_binary.h) */
};

struct fetch_plan_item;

struct fetch_row {
	enum fetch_kind kind;
	bool small;     /* answered from the roster */
	bool sets_seen; /* unless it is a PEEK */
	/* Writes the value, or the {n} of a literal that it leaves in w->literal, or opens w->binary.  STORE_CORRUPT: this message cannot be
	 * read; what was written of it is to be taken back. */
	enum store_err (*write)(struct fetch_writer *w, const struct fetch_plan_item *item);
};

/* An item of one command. */
struct fetch_plan_item {
	const struct fetch_row *row;
	const struct fetch_item *item;
	struct span label; /* what stands before the value, with its space */
};

/* All items of one command; in its arena. */
struct fetch_plan {
	struct fetch_plan_item *items;
	size_t n;
	bool sets_seen, has_flags, has_modseq, has_uid;
	bool all_small, has_binary;
};

/* `with_uid`: UID comes first where it was not asked for (RFC 3501 6.4.8).  `with_modseq`: MODSEQ last. */
void fetch_plan_make(struct fetch_plan *plan, struct arena *a, const struct fetch_request *r, bool with_uid,
		     bool with_modseq);

/* For the writers and the cursor. */
MUST_USE enum store_err fetch_load_row(struct fetch_writer *w);
/* The item is octets [at, at + len) of the message, clipped to its partial; the cursor writes them. */
void fetch_write_range(struct fetch_writer *w, const struct fetch_plan_item *item, uint64_t at, uint64_t len);

/* The row at a place in the table, for tests; NULL behind the end. */
const struct fetch_row *fetch_row_at(size_t index);

#endif
