/*
 * Words looked for in a message as FUZZY means it (RFC 6203 3): each word of what is asked for must begin a word of the
 * text, somewhere, in any order; accents do not count.  In scripts that put no spaces between words a word may begin
 * anywhere.  And how relevant the message is, by where, how closely and how often it has them (RFC 6203 4).
 *
 * Fed with the strings of strings.h.  Pure; one thread at a time.
 */
#ifndef MIME_FUZZY_H
#define MIME_FUZZY_H

#include "protocol/buf.h"
#include "protocol/mime/strings.h"

enum {
	MIME_FUZZY_WORDS = 16,       /* looked for; what is asked for beyond that says nothing more */
	MIME_FUZZY_WORD_BYTES = 128, /* of a word; so does its end */
	MIME_FUZZY_SCORED = 65536    /* octets of text in which words are counted, once each was found */
};

/* Writes the words of a folded text without their accents, a NUL between two.  Nothing: it has none, and cannot be looked
 * for in this way. */
void mime_fuzzy_words(struct span folded, struct buf *out);

/* What a string is of.  FIELD: of the one field that is asked about. */
enum mime_fuzzy_place { MIME_FUZZY_BODY, MIME_FUZZY_HEADER, MIME_FUZZY_SUBJECT, MIME_FUZZY_FIELD };

struct mime_fuzzy_word {
	struct span word;
	unsigned seen;      /* how often, up to what counts */
	unsigned place;     /* points for the best place */
	unsigned closeness; /* and for the shortest word that it begins */
};

/* The text of a string that is open, without accents. */
struct mime_fuzzy_window {
	struct buf text;
	int32_t before; /* the character before it; 0: it begins the string */
};

struct mime_fuzzy {
	enum mime_fuzzy_place place; /* the caller's to set before a string */
	/* private */
	struct mime_fuzzy_word words[MIME_FUZZY_WORDS];
	size_t n, missing;
	size_t looked; /* octets */
	bool scored;
	struct mime_fuzzy_window windows[MIME_STREAMS];
};

/* `words`: from mime_fuzzy_words(), at least one; they must outlive it.  Without `scored` it is done when each was found. */
void mime_fuzzy_init(struct mime_fuzzy *f, struct span words, bool scored);
/* Accepts a zeroed struct. */
void mime_fuzzy_finish(struct mime_fuzzy *f);
/* A mime_take_string; `ctx` is the struct.  False: nothing more can change what is known. */
bool mime_fuzzy_take(void *ctx, enum mime_stream stream, struct span folded, bool ends);
/* 1 to 100, the most relevant; 0: some word was not found. */
unsigned mime_fuzzy_score(const struct mime_fuzzy *f);

#endif
