/*
 * The strings of a message that SEARCH looks through, one after the other and in bounded memory: transfer encodings, charsets
 * and encoded-words undone, folded (text.h).  Whoever matches and whoever makes an index of what could be matched take
 * them from here, so that both see the same.
 *
 *	struct mime_strings s;
 *	mime_strings_init(&s, parts, MIME_SEARCH_TEXT, take, ctx);
 *	while (mime_strings_next(&s, &offset, &len) && mime_strings_feed(&s, bytes))	those len bytes of the message
 *	mime_strings_finish(&s);
 *
 * Between two calls the caller may do anything else.
 *
 *	MIME_SEARCH_TEXT   each header field, of the message, its parts and the messages inside, with its name and unfolded; the
 *	                   values that RFC 2231 wrote in pieces, in another charset or with quotes; each text part, as it is
 *	                   and, where it is HTML, also as it reads (html.h)
 *	MIME_SEARCH_BODY   without the message's own header, and of its parts' only the names of attachments
 *
 * Other parts are not looked at.  A string may come in pieces; two strings do not join.  Pure; one thread at a time.
 */
#ifndef MIME_STRINGS_H
#define MIME_STRINGS_H

#include "protocol/mime/charset.h"
#include "protocol/mime/decode.h"
#include "protocol/mime/header.h"
#include "protocol/mime/html.h"
#include "protocol/mime/parts.h"
#include "protocol/mime/text.h"

enum mime_search_scope { MIME_SEARCH_BODY, MIME_SEARCH_TEXT };

/* HTML as it reads comes beside the text as it is. */
enum mime_stream { MIME_STREAM_AS_IS, MIME_STREAM_READ, MIME_STREAMS };

/* Header text collected of one field before it is taken as it is. */
enum { MIME_SEARCH_FIELD_MAX = 65536, MIME_SEARCH_STEP = 16384 };

/* The next piece of the string that is open on this stream: whole characters.  `ends`: it is the last.  Returns false
 * when nothing more is wanted. */
typedef bool mime_take_string(void *ctx, enum mime_stream stream, struct span folded, bool ends);

struct mime_strings {
	bool cut;                  /* a field was too long, and its pieces may not read as the whole would */
	/* private */
	mime_take_string *take;
	void *ctx;
	struct span parts;
	enum mime_search_scope scope;
	uint32_t row;
	bool in_body;              /* of that row; else its header */
	bool names_only;           /* of that header, those of attachments */
	bool html;
	uint32_t at, end;          /* what is left of it */
	bool started;              /* the decoders are set up for it */
	struct mime_decoder decoder;
	struct mime_charset charset;
	struct span charset_name;  /* that `charset` is open for, in `parts` */
	struct mime_folder folder, read_folder;
	struct mime_html_reader reader;
	struct buf raw, utf8, read, folded; /* between the stages */
	struct buf field;          /* header text not yet taken */
};

/* `parts` (the stored table) must outlive it.  Memory: some 300 KiB. */
void mime_strings_init(struct mime_strings *s, struct span parts, enum mime_search_scope scope, mime_take_string *take,
		       void *ctx);
/* Accepts a zeroed struct. */
void mime_strings_finish(struct mime_strings *s);
/* The next bytes that are wanted: at most MIME_SEARCH_STEP.  False: there are no more.  Asked again before they were
 * fed, it wants the same. */
bool mime_strings_next(struct mime_strings *s, uint32_t *offset, uint32_t *len);
/* Those bytes, all of them.  False: take() wants nothing more. */
bool mime_strings_feed(struct mime_strings *s, struct span bytes);

/* The strings of the fields called `name` (ptr NULL or empty: of all, and each with its name).  False: take() wants nothing
 * more. */
bool mime_header_strings(struct span header, struct span name, mime_take_string *take, void *ctx);

#endif
