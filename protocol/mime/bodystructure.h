/*
 * BODY and BODYSTRUCTURE (RFC 3501 7.4.2).  What a part's header says is written when that header has been read; the
 * sizes and the nesting are known at the end, when the pieces are put together.  Pure; any thread.
 */
#ifndef MIME_BODYSTRUCTURE_H
#define MIME_BODYSTRUCTURE_H

#include "protocol/mime/content.h"

/*
 * What is described once and kept cannot know who will ask, and IMAP4rev2 describes two things otherwise: message/global
 * as a message, and parameter values in a charset decoded (RFC 9051 7.5.2).  Where the two differ the text has both,
 *
 *	NUL < what IMAP4rev1 has NUL | what IMAP4rev2 has NUL >
 *
 * which may stand inside one another; NUL is nowhere else, since no IMAP string may hold it.
 */
#define MIME_ALTERNATIVE_REV1 "\0<"
#define MIME_ALTERNATIVE_REV2 "\0|"
#define MIME_ALTERNATIVE_END "\0>"

/* The pieces of one part, in a text shared by all parts of the message. */
struct mime_piece {
	uint32_t head, head_len;         /* type subtype params id description encoding; multipart: subtype */
	uint32_t tail, tail_len;         /* extension data: md5 or params, disposition, language, location */
	uint32_t envelope, envelope_len; /* of a message inside a message */
	uint32_t charset, charset_len;
	bool global; /* a message/global: a message in rev2 only */
};

/* A part as the parser knows it at the end. */
struct mime_node {
	struct mime_part part;
	struct mime_piece piece;
};

/* Adds the pieces of one part to `text` (at most about 200 KiB) and notes where head and tail are.  Takes c->params for
 * work of its own: c's other spans are void afterwards. */
void mime_structure_describe(const struct mime_header *h, struct mime_content *c, struct buf *text,
			     struct mime_piece *out);
/* BODY and BODYSTRUCTURE of nodes[0], in the order of the text, with alternatives. */
void mime_structure_write(const struct mime_node *nodes, size_t n, struct span text, struct buf *body,
			  struct buf *bodystructure);

/* The text as one of the two has it.  Octets that are not of mime_structure_write() give octets, and no harm. */
void mime_structure_choose(struct span text, bool rev2, struct buf *out);

#endif
