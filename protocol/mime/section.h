/* FETCH's sections (RFC 3501 6.4.5): where in the message they are, and subsets of header fields.  Pure; any thread. */
#ifndef MIME_SECTION_H
#define MIME_SECTION_H

#include "protocol/mime/header.h"
#include "protocol/mime/parts.h"

enum mime_section { MIME_SECTION_ALL, MIME_SECTION_HEADER, MIME_SECTION_TEXT, MIME_SECTION_MIME };

/* `parts` is the stored table.  False: this message has no such section, the answer is NIL.  HEADER and TEXT behind part
 * numbers are of message/rfc822 parts only; BODY[1.MIME] of a message that is no multipart is its whole header, so
 * that BODY[1.MIME] and BODY[1] are the message. */
bool mime_find(struct span parts, const uint32_t *path, size_t path_n, enum mime_section kind, uint32_t *offset,
	       uint32_t *len);

/* The part that the numbers name (RFC 3516 4.2); without numbers the message itself, row 0. */
MUST_USE bool mime_find_part(struct span parts, const uint32_t *path, size_t path_n, struct mime_part *out);

/* HEADER.FIELDS and HEADER.FIELDS.NOT: fields as they are, in their order, and a blank line.  Lines that are no fields
 * are in NOT only. */
void mime_fields(struct span header, const struct span *names, size_t n, bool not, struct buf *out);

#endif
