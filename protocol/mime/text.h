/*
 * Text compared as SEARCH compares it: i;unicode-casemap (RFC 5051), where each character becomes its title case and is
 * then decomposed.  Octets that are no UTF-8 stand for themselves.  And a substring looked for in text that comes in
 * pieces.  Pure; any thread.
 */
#ifndef MIME_TEXT_H
#define MIME_TEXT_H

#include "protocol/buf.h"

/* {0} starts a text. */
struct mime_folder {
	size_t held_n;
	char held[4]; /* the beginning of a character */
};

void mime_folder_feed(struct mime_folder *f, struct span utf8, struct buf *out);
void mime_folder_end(struct mime_folder *f, struct buf *out);
/* The whole of a text at once. */
void mime_fold(struct span utf8, struct buf *out);
/* A mark on the character before it, which folded text has apart. */
bool mime_is_accent(int32_t c);

struct mime_matcher {
	struct span needle; /* folded; the caller's */
	bool found;
	struct buf window;  /* folded text not yet looked through, behind the last bytes that were */
};

void mime_matcher_init(struct mime_matcher *m, struct span needle);
/* Accepts a zeroed struct. */
void mime_matcher_finish(struct mime_matcher *m);
/* Where the next folded text goes to be looked through. */
struct buf *mime_matcher_room(struct mime_matcher *m);
/* Looks through the window when it is worth it, or `all` of it because the text ends here: what comes next does not
 * join it.  Returns m->found.  Memory: some 64 KiB and twice the needle. */
bool mime_matcher_look(struct mime_matcher *m, bool all);

#endif
