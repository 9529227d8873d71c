/*
 * The part table: where the parts of a message are and what they hold, as it is stored beside the message.  Rows are in
 * the order of the text; row 0 is the message itself.
 *
 *	4 bytes   version, 0, 0, 0
 *	4 bytes   number of rows
 *	28 bytes  a row: header, header_len, body_len, lines (4 each), parent, number (2 each), kind, encoding,
 *	          media, flags (1 each), charset_at (2), charset_len (1), 0
 *	...       charset names, which rows point into
 *
 * Numbers are little-endian.  Reading checks every offset: damage gives "no such part", never a bad access.  Pure; any
 * thread.
 */
#ifndef MIME_PARTS_H
#define MIME_PARTS_H

#include "protocol/buf.h"

enum { MIME_PARTS_VERSION = 1, MIME_PARTS_MAX = 10000, MIME_DEPTH_MAX = 100, MIME_CHARSET_MAX = 40 };

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART, /* children are numbered from 1; at least one */
	MIME_MESSAGE,   /* message/rfc822: its one child, numbered 0, is the message inside */
	MIME_KIND_COUNT
};

enum mime_encoding {
	MIME_IDENTITY, /* 7bit, 8bit, binary */
	MIME_BASE64,
	MIME_QP,
	MIME_UNKNOWN_ENCODING, /* nothing that this server decodes (RFC 3516 4.3: UNKNOWN-CTE) */
	MIME_ENCODING_COUNT
};

enum mime_media { MIME_OTHER, MIME_PLAIN, MIME_HTML, MIME_TEXT, MIME_ALTERNATIVE, MIME_MEDIA_COUNT };

struct mime_part {
	uint32_t parent; /* row; its own for row 0 */
	uint32_t number; /* among its siblings; 0 for row 0 and for the message in a message/rfc822 */
	uint32_t header, header_len; /* offset in the message; the blank line counts */
	uint32_t body, body_len;     /* body = header + header_len */
	uint32_t lines;              /* line ends in the body */
	enum mime_kind kind;
	enum mime_encoding encoding; /* of a leaf's body; MIME_IDENTITY for the others */
	enum mime_media media;       /* MIME_TEXT: text/ something else */
	bool attachment;             /* Content-Disposition says so */
	struct span charset;         /* of a text part, as declared; empty: not declared.  Points into the table. */
};

/* Rows; 0 when this is no table of a known version. */
uint32_t mime_parts_count(struct span table);
/* False: there is no row i, or it is damaged. */
MUST_USE bool mime_parts_get(struct span table, uint32_t i, struct mime_part *out);

/* Writing: begin, one row after the other, end.  The names go behind the rows. */
struct mime_parts_writer {
	struct buf *out;
	struct buf names;
	uint32_t n;
};

void mime_parts_begin(struct mime_parts_writer *w, struct buf *out);
void mime_parts_add(struct mime_parts_writer *w, const struct mime_part *part);
void mime_parts_end(struct mime_parts_writer *w);

/* The table of the same message with `bytes` of further header lines before it: the message's own header is longer by
 * them, and all other parts are that much further on. False: this is no table. */
MUST_USE bool mime_parts_prepend(struct span table, uint32_t bytes, struct buf *out);

static inline bool mime_is_text(enum mime_media media)
{
	return media == MIME_PLAIN || media == MIME_HTML || media == MIME_TEXT;
}

#endif
