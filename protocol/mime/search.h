/*
 * A string looked for in a message (RFC 3501 6.4.4: BODY, TEXT, HEADER and its like), in bounded memory and to be left off
 * as soon as it is found.  Transfer encodings, charsets and encoded-words are undone first.
 *
 *	struct mime_search s;
 *	mime_search_init(&s, parts, needle, MIME_SEARCH_TEXT);
 *	while (!s.found && mime_search_next(&s, &offset, &len))
 *		mime_search_feed(&s, bytes);		those len bytes of the message from offset on
 *	mime_search_finish(&s);
 *
 * Between two calls the caller may do anything else.  BODY looks through the text parts and the headers of messages
 * inside the message; TEXT also through its own header and those of its parts.  Other parts are not looked at.  A match does
 * not go from one part, or one header field, into the next.  Pure; one thread at a time.
 */
#ifndef MIME_SEARCH_H
#define MIME_SEARCH_H

#include "protocol/mime/charset.h"
#include "protocol/mime/decode.h"
#include "protocol/mime/parts.h"
#include "protocol/mime/text.h"

enum mime_search_scope { MIME_SEARCH_BODY, MIME_SEARCH_TEXT };

/* Header text collected of one field before it is looked through as it is. */
enum { MIME_SEARCH_FIELD_MAX = 65536, MIME_SEARCH_STEP = 16384 };

struct mime_search {
	bool found;
	/* private */
	struct span parts;
	enum mime_search_scope scope;
	uint32_t row;
	bool in_body;              /* of that row; else its header */
	uint32_t at, end;          /* what is left of it */
	bool started;              /* the decoders are set up for it */
	struct mime_decoder decoder;
	struct mime_charset charset;
	struct span charset_name;  /* that `charset` is open for, in `parts` */
	struct mime_folder folder;
	struct mime_matcher matcher;
	struct buf raw, utf8;      /* between the stages */
	struct buf field;          /* header text not yet looked through */
};

/* `parts` (the stored table) and `needle` (mime_fold()ed) must outlive the search.  Memory: some 300 KiB and thrice the
 * needle. */
void mime_search_init(struct mime_search *s, struct span parts, struct span needle, enum mime_search_scope scope);
/* Accepts a zeroed struct. */
void mime_search_finish(struct mime_search *s);
/* The next bytes that are wanted: at most MIME_SEARCH_STEP.  False: there are no more.  Asked again before they were
 * fed, it wants the same. */
bool mime_search_next(struct mime_search *s, uint32_t *offset, uint32_t *len);
/* Those bytes, all of them.  Returns s->found. */
bool mime_search_feed(struct mime_search *s, struct span bytes);

/* Does a field called `name` (ptr NULL or empty: any field, its name included) hold the folded needle?  Values are unfolded
 * and decoded; the parameters of RFC 2231 as well. */
bool mime_header_contains(struct span header, struct span name, struct span needle);

#endif
