/*
 * A few words of a message (RFC 8970): of its first text part that says anything.  Takes the part's bytes as they come and
 * stops looking when it has enough.  Pure; one thread at a time.
 */
#ifndef MIME_PREVIEW_H
#define MIME_PREVIEW_H

#include "protocol/mime/charset.h"
#include "protocol/mime/decode.h"
#include "protocol/mime/html.h"
#include "protocol/mime/parts.h"

enum {
	MIME_PREVIEW_CHARS = 200,      /* RFC 8970 3.3: SHOULD be 200, MUST NOT be more than 256 */
	MIME_PREVIEW_READ_MAX = 262144 /* bytes of one part that are looked at */
};

struct mime_preview {
	struct buf text;            /* the preview: UTF-8, one line, no control characters */
	bool open;                  /* a part is being read, and more of it is wanted */
	/* private */
	size_t chars, taken;
	bool html, gap;
	struct mime_decoder decoder;
	struct mime_charset charset;
	struct mime_html stripper;
	struct buf raw, utf8;
	size_t line;                /* characters of the line so far that are dashes, or SIZE_MAX behind them */
	bool quoted;                /* the line is somebody else's text */
	int32_t last;               /* character, and how often in a row */
	unsigned repeats;
};

void mime_preview_init(struct mime_preview *p);
/* Accepts a zeroed struct. */
void mime_preview_finish(struct mime_preview *p);
/* A text part begins.  Nothing happens when there already is a preview. */
void mime_preview_begin(struct mime_preview *p, const struct mime_part *part);
void mime_preview_feed(struct mime_preview *p, struct span bytes);
void mime_preview_end(struct mime_preview *p);

#endif
