/*
 * HTML to the text in it, a character at a time: tags, comments, scripts and styles go, what begins a block leaves a
 * space, entities become characters.  No parser: enough for a preview (RFC 8970 3.3) and for finding what one reads.
 * Pure; any thread.
 */
#ifndef MIME_HTML_H
#define MIME_HTML_H

#include "protocol/buf.h"

enum { MIME_HTML_OUT = 16, MIME_HTML_NAME_MAX = 12 };

enum mime_html_state {
	HTML_TEXT,
	HTML_NAME,   /* of a tag */
	HTML_TAG,    /* behind its name */
	HTML_VALUE,  /* an attribute's begins */
	HTML_QUOTED, /* it has quotes: nothing else ends it */
	HTML_COMMENT,
	HTML_ENTITY
};

/* {0} starts a document. */
struct mime_html {
	enum mime_html_state state;
	int32_t quote;                     /* that ends the value */
	bool closing;                      /* </name> */
	unsigned dashes;                   /* at the end of a comment, so far */
	size_t name_n;
	char name[MIME_HTML_NAME_MAX + 1]; /* of the tag or entity, so far, in lower case */
	char skipped[MIME_HTML_NAME_MAX + 1]; /* the element whose content is no text; empty: none */
};

/* Takes one character, gives those that come of it: how many. */
size_t mime_html_next(struct mime_html *h, int32_t c, int32_t out[MIME_HTML_OUT]);

/* A document that comes in pieces, as it reads: white space of any kind and length is one space, and what shows nothing is
 * left out.  {0} starts one. */
struct mime_html_reader {
	struct mime_html html;
	bool gap;     /* white space came; it is given with what follows */
	size_t held_n;
	char held[4]; /* the beginning of a character */
};

/* Adds to `out`: UTF-8.  `last`: no more comes.  Octets that are no text have no reading. */
void mime_html_read(struct mime_html_reader *r, struct span utf8, bool last, struct buf *out);

#endif
