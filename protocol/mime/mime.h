/*
 * What FETCH and SEARCH will ask of a message, computed once: ENVELOPE, BODY and BODYSTRUCTURE as they go on the
 * wire (RFC 3501 7.4.2) and the table of parts by byte offset.  Any octets give a valid answer.
 */
#ifndef MIME_MIME_H
#define MIME_MIME_H

#include "protocol/buf.h"

enum { MIME_PARSER_VERSION = 1, MIME_PARTS_MAX = 10000, MIME_DEPTH_MAX = 50 };
enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

/* A row of the part table, as stored.  Row 0 is the message.  A MIME_MESSAGE row's one child is the message inside. */
struct mime_part {
	uint32_t parent, number; /* number: 1.. among its siblings; 0 for row 0 and inner messages */
	uint32_t header, header_len, body, body_len;
	uint8_t kind, encoding; /* enum mime_encoding */
	uint8_t is_text, unused;
};

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QP };

struct mime_summary {
	struct buf envelope, body, bodystructure, parts;
	uint32_t header_len;
	bool has_date;
	int64_t sent_day; /* as written in Date:, days since 1970 */
};

void mime_summary_init(struct mime_summary *s);
void mime_summary_finish(struct mime_summary *s);
/* `message` has CRLF line ends and at most UINT32_MAX bytes. */
void mime_summarise(struct span message, struct mime_summary *out);

enum mime_section { MIME_SECTION_ALL, MIME_SECTION_HEADER, MIME_SECTION_TEXT, MIME_SECTION_MIME };
/* Where a section is (RFC 3501 6.4.5); false: there is none, answer NIL. */
bool mime_find(struct span parts, const uint32_t *path, size_t path_n, enum mime_section kind, uint32_t *offset,
	       uint32_t *len);

/* The end of a header block: behind its blank line, or the whole text without one. */
size_t mime_header_end(struct span text);
/* Iterates the fields of a header block: *at from 0; `raw` with its line end and folds, `name` empty for a line that is
 * no field. */
bool mime_field_next(struct span header, size_t *at, struct span *name, struct span *raw);
/* HEADER.FIELDS and .NOT, with the blank line. */
void mime_fields(struct span header, const struct span *names, size_t n, bool not, struct buf *out);
/* nstring: quoted, or a literal where quoting cannot say it; ptr NULL is NIL. */
void mime_nstring(struct buf *out, struct span s);

/* text.c: decoding for SEARCH.  Decoded text is UTF-8, folded for comparison. */
void mime_fold(struct span utf8, struct buf *out);
void mime_decode_words(struct span unfolded, struct buf *out); /* RFC 2047 */
void mime_decode_body(struct span body, enum mime_encoding encoding, struct buf *out);
void mime_to_utf8(struct span text, struct span charset, struct buf *out);
/* True when a header value (unfolded, decoded) contains `folded`; name "" matches any field. */
bool mime_header_contains(struct span header, struct span name, struct span folded);
/* True when a text part contains `folded`. */
bool mime_body_contains(struct span message, struct span parts, struct span folded);

/* internal to mime/: the value of the first field `name`, unfolded into the buffer; ptr NULL when absent */
struct span mime_value(struct span header, const char *name, struct buf *scratch);
void mime_unfold(struct span raw_value, struct buf *out);
void mime_address_list(struct span header, const char *name, struct buf *out);
bool mime_address_empty(struct span header, const char *name);
bool mime_sent_day(struct span value, int64_t *day);

#endif
