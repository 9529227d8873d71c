/*
 * The MIME parser: one pass over a message of any size, in whatever cuts its bytes come, in bounded memory.  No message
 * is malformed: any octets are described as well as can be (RFC 2045-2047, RFC 5322, RFC 7103).
 *
 *	struct mime_parser *p = mime_parser_create();
 *	mime_parser_feed(p, bytes);			as often as bytes come, of the CRLF form (crlf.h)
 *	const struct mime_summary *s = mime_parser_end(p);
 *	...						store s->envelope and the rest
 *	mime_parser_destroy(p);
 *
 * The same bytes give the same summary however they are cut.  Memory: about 10 KiB and what the summary holds; at worst,
 * for messages made to be the worst, about 4 MiB: header text up to MIME_HEADER_MAX, MIME_PARTS_MAX parts, and text of
 * MIME_STRUCTURE_MAX.  What is beyond a limit is not described: a part that comes too late or nests too deep is text of the
 * part before it, header bytes past the limit are not parsed.  Pure; any thread, one at a time.
 */
#ifndef MIME_PARSER_H
#define MIME_PARSER_H

#include "protocol/mime/date.h"
#include "protocol/mime/parts.h"

enum {
	MIME_PARSER_VERSION = 5,    /* what is stored with a summary: it is never silently recomputed */
	MIME_HEADER_MAX = 262144,   /* bytes of one header block that are parsed */
	MIME_STRUCTURE_MAX = 1 << 20 /* BODYSTRUCTURE text after which no further part is begun */
};

/* Ready for the wire and for the store. */
struct mime_summary {
	struct buf envelope, body, bodystructure; /* RFC 3501 7.4.2 */
	struct buf parts;                         /* the part table, parts.h */
	uint64_t size;                            /* bytes fed */
	uint32_t header_len;                      /* of the message, with its blank line */
	bool has_date;
	struct mime_date date; /* of the Date: field, when has_date */
	struct buf sort, thread; /* what SORT and THREAD ask, keys.h */
	struct span preview;     /* UTF-8, one line; empty when there is nothing to say (RFC 8970) */
};

struct mime_parser;

struct mime_parser *mime_parser_create(void);
/* Accepts NULL. */
void mime_parser_destroy(struct mime_parser *p);
/* At most UINT32_MAX bytes in all can be told apart: the caller's limit is far below. */
void mime_parser_feed(struct mime_parser *p, struct span bytes);
/* The message is whole.  The summary is the parser's, until it is destroyed. */
const struct mime_summary *mime_parser_end(struct mime_parser *p);

#endif
