/* What the MIME fields of one header block say of its body (RFC 2045, 2046, 2183).  Pure; any thread. */
#ifndef MIME_CONTENT_H
#define MIME_CONTENT_H

#include "protocol/mime/header.h"
#include "protocol/mime/params.h"
#include "protocol/mime/parts.h"

enum { MIME_BOUNDARY_MAX = 250 }; /* RFC 2046 5.1.1 allows 70 */

struct mime_content {
	struct span type, subtype; /* as written, or the default */
	bool declared;             /* by a Content-Type that could be read */
	struct mime_params params; /* of the Content-Type */
	enum mime_kind kind;       /* MIME_MULTIPART only with a usable boundary, MIME_MESSAGE only when its body is plain
				      to see: a message under base64 or quoted-printable is a leaf */
	struct span boundary;      /* of a multipart, without trailing white space; in params */
	bool is_digest;            /* children are messages unless they say otherwise (RFC 2046 5.1.5) */
	enum mime_encoding encoding;
	struct span encoding_name; /* as written; empty: none */
	enum mime_media media;
	bool attachment;
	struct span charset;
	struct buf scratch;
};

void mime_content_init(struct mime_content *c);
/* Accepts a zeroed struct. */
void mime_content_finish(struct mime_content *c);
/* Replaces what *c held; its spans live until the next read, and as long as the header.  `in_digest`: the parent
 * is_digest. */
void mime_content_read(struct mime_content *c, const struct mime_header *h, bool in_digest);
/* message/global (RFC 6532 3.7): a message to clients of IMAP4rev2, any other part to those of IMAP4rev1. */
bool mime_content_is_global(const struct mime_content *c);
/* For a multipart or message that is not to be looked into: an opaque leaf. */
void mime_content_make_opaque(struct mime_content *c);

#endif
