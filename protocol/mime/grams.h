/*
 * Which three characters follow one another somewhere in a message: what an index needs to tell which messages can hold a
 * string (storage/fulltext.h).  Fed with the strings of strings.h.  Beside each text as it is, its characters without their
 * accents count too, so that it can be asked for either.
 *
 * The grams of some strings may be marked, and are others then than the same characters' without.
 *
 * A gram is three code points of 21 bits, the first in bits 42 to 62; none has NUL or anything that is not text in it.  Where a
 * text ends, or is interrupted by what is none, its last two characters and its last one have grams that are filled up with
 * MIME_GRAM_END: so there is a gram that begins with each character, and with each two that follow one another.
 *
 * The grams of a long message may be taken a stretch at a time (mime_grams_next()): a message of a megabyte has nearly every
 * gram somewhere, and an index of all of them would name it whatever is looked for.
 * Pure; one thread at a time.
 */
#ifndef MIME_GRAMS_H
#define MIME_GRAMS_H

#include "protocol/mime/strings.h"

enum {
	MIME_GRAMS_MAX = 200000,
	MIME_GRAM_END = 0x10fffe, /* no character */
	MIME_GRAMS_OVERLAP = 32   /* characters that stand together in one of two stretches, if they do in the text */
};

/* Two bits above the characters', of which some of the last plane share one. */
#define MIME_GRAM_MARKS ((uint64_t)3 << 62)

/* The last two characters of a string that is open, as they are and without accents; 0: there is none. */
struct mime_gram_window {
	uint32_t a, b, plain_a, plain_b;
};

/* The last bytes of a string that is open: MIME_GRAMS_OVERLAP characters and some accents that are passed over. */
struct mime_gram_tail {
	char text[8 * MIME_GRAMS_OVERLAP];
	size_t len;
};

struct mime_grams {
	uint64_t *grams;  /* in the order of their first coming */
	size_t n;
	bool full;        /* there were more than MIME_GRAMS_MAX: some are left out */
	uint64_t mark; /* the caller's to set: 0, or some of MIME_GRAM_MARKS for those of the strings that come next */
	/* private */
	uint64_t *table;  /* open addressing, at most half full; 0: free */
	size_t cap;
	struct mime_gram_window windows[MIME_STREAMS];
	struct mime_gram_tail tails[MIME_STREAMS];
};

/* Memory: 6 MiB at most, some 50 KiB for usual mail. */
void mime_grams_init(struct mime_grams *g);
/* Accepts a zeroed struct. */
void mime_grams_finish(struct mime_grams *g);
/* For the next message.  Keeps the memory when it is not much. */
void mime_grams_reset(struct mime_grams *g);
/* What was taken is a stretch of its own: forgets its grams, but for those of the strings' last characters, which begin the
 * next. */
void mime_grams_next(struct mime_grams *g);
/* A mime_take_string; `ctx` is the struct.  False: it is full. */
bool mime_grams_take(void *ctx, enum mime_stream stream, struct span folded, bool ends);

#endif
