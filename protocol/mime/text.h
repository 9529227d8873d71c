/* Decoding for SEARCH: text as UTF-8, folded for comparison.  Pure; any thread. */
#ifndef MIME_TEXT_H
#define MIME_TEXT_H

#include "protocol/mime/parts.h"

void mime_fold(struct span utf8, struct buf *out);
void mime_decode_words(struct span unfolded, struct buf *out); /* RFC 2047 */
void mime_decode_body(struct span body, enum mime_encoding encoding, struct buf *out);
void mime_to_utf8(struct span text, struct span charset, struct buf *out);
/* True when a header value (unfolded, decoded) contains `folded`; name "" matches any field. */
bool mime_header_contains(struct span header, struct span name, struct span folded);
/* True when a text part contains `folded`. */
bool mime_body_contains(struct span message, struct span parts, struct span folded);

#endif
