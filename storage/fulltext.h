/*
 * The full-text index of an account: which contents may hold a string.  It is a filter: it may name too many contents,
 * never too few, and whoever asks looks into each of them.  Contents above its watermark it knows nothing of.
 *
 * It lives in search.db beside index.db, on demand, and is disposable: not in backups, thrown away and made afresh when
 * it is damaged (each page has a checksum), foreign, or ahead of index.db.  It holds grams: what three characters follow one another somewhere in
 * a content's text.  A text holds a needle only if it holds all of the needle's grams.  A needle of one or two characters is
 * looked for as the beginning of a gram.  What stands in From and Subject, which are asked about most, has its grams once more,
 * marked: there they are rare.
 *
 * A long text has nearly every gram somewhere.  It is put in as several pieces, which overlap: it is named when one of them
 * has the needle's grams.  So rows of the index are pieces, of most contents one, numbered as the contents are and without
 * gaps for those that have more.
 *
 *	gram    FTS5, contentless, detail=none; rowid = piece.  A term is the piece's block and a gram, so that no list of
 *	        pieces is longer than a block has: an AND of long lists that have nothing in common is one call of SQLite's,
 *	        which nothing interrupts.  One of several pieces has the term LONG too.  Contents with too many grams have
 *	        the term WIDE, and are always named
 *	block   the blocks that have pieces
 *	long    contents that have several: the first one's number, and how many they are.  After each of them pieces'
 *	        numbers are so much further ahead of the contents'
 *	text    what was made of attachments that are no text (PDF and the like): for whoever looks into a content, and in
 *	        grams with its first piece.  It is added when a content is in the index already, at any time later
 *	meta    in the same transaction as the rows up to it: the watermark, how far pieces' numbers are ahead of it, how many
 *	        contents were added; how many of them are gone since.  Contentless FTS5 forgets nothing: when most are gone,
 *	        search.next.db is made and takes its
 *	        place
 *
 * The texts are folded (protocol/mime/text.h, RFC 5051); needles must be, in the same way.
 *
 * An error here concerns the index alone: the account and its mail are sound.  After any error but STORE_FULL and
 * STORE_BUSY the index was thrown away, and the watermark is 0.
 *
 * Thread: the account's lane.
 */
#ifndef STORAGE_FULLTEXT_H
#define STORAGE_FULLTEXT_H

#include "storage/account.h"

enum {
	FULLTEXT_GRAM_END =
		0x10fffe,          /* the last characters of a gram at the end of a text, which has fewer than three */
	FULLTEXT_NEEDLE_GRAMS = 8, /* looked for, at most: those that seem rarest */
	FULLTEXT_GRAMS_MAX = 200000, /* of one piece; with more its content is named always */
	FULLTEXT_PIECES_MAX = 1024,  /* of one content; the same */
	FULLTEXT_OVERLAP = 32,       /* characters that stand together in a text do so in one of its pieces, too */
	FULLTEXT_PORTION_MAX = 4096,
	FULLTEXT_PIECE = 16384, /* grams of attachments' text that are added at once */
	FULLTEXT_BLOCK_BITS = 15
};

/* A gram is three code points, the first in the highest bits of 63; the 64th marks those of the fields, and the highest bit of
 * the first then says of which: no character of a field is so high but some for private use, which are taken for others. */
static inline uint64_t fulltext_gram(uint32_t a, uint32_t b, uint32_t c)
{
	return (uint64_t)(a & 0x1fffff) << 42 | (uint64_t)(b & 0x1fffff) << 21 | (c & 0x1fffff);
}

#define FULLTEXT_GRAM_FROM ((uint64_t)1 << 63)
#define FULLTEXT_GRAM_SUBJECT ((uint64_t)3 << 62)

/* Contents at most this are in the index; 0: none is, or there is no index. */
int64_t fulltext_watermark(struct account *a);

/* --- asking --- */

/* Holds no statement and no transaction between two calls. */
struct fulltext_query {
	/* private */
	struct fulltext_grams {
		uint64_t v[FULLTEXT_NEEDLE_GRAMS];
		size_t n;
	} grams, together; /* of the needle; of a part of it that stands in one piece, n 0: the same */
	uint64_t mark;     /* of the grams that are asked for */
	bool begins;   /* the one gram has two characters or one, and stands for all that begin with them */
	int64_t after; /* ids at most this were given */
	int64_t piece; /* up to this one they were looked for, in the index that `epoch` is of */
	uint64_t epoch;
	int64_t until; /* the watermark at the first call, -1 before */
};

/* `needle`: folded UTF-8, not kept; several that must all be there have a NUL between them.  STORE_CANNOT: it has nothing that
 * it would be worth to look for: one or two characters that are in most texts.  `mark`: of the field in which it must stand; 0:
 * anywhere. */
MUST_USE enum store_err fulltext_query_init(struct fulltext_query *q, struct bytes needle, uint64_t mark);
/* Up to `n` ids of contents that may hold the needle: ascending, above those of the call
 * before, at most the watermark of the first call.  None, with *out_done not set: call again.  A call takes some
 * milliseconds at most.  STORE_NOTFOUND: the index is not what it was at the first call: what was not given must be
 * looked for without it. */
MUST_USE enum store_err fulltext_query_next(struct fulltext_query *q, struct account *a, int64_t *ids, size_t n,
					    size_t *out_n, bool *out_done);
/* How far the answer goes once the first call was made: contents above are not the index's. */
static inline int64_t fulltext_query_until(const struct fulltext_query *q)
{
	return q->until;
}
/* How many ids are best asked for at once: where grams are looked for by how they begin, each call does that anew. */
static inline size_t fulltext_query_portion(const struct fulltext_query *q)
{
	return q->begins ? FULLTEXT_PORTION_MAX : FULLTEXT_PORTION_MAX / 8;
}
void fulltext_query_finish(struct fulltext_query *q);

/* --- filling --- */

/* The index that answers, or the one that is made to take its place. */
enum fulltext_which { FULLTEXT_NOW, FULLTEXT_NEXT, FULLTEXT_BOTH };

/* The last content that was added, committed or not; 0: none was.  Those above are still to come. */
int64_t fulltext_added(struct account *a, enum fulltext_which w);
/* How far the contents' ids are ahead of what is known to be indexed, without opening it: 0 for nothing to do. */
int64_t fulltext_lag(struct account *a);
/* There are no contents above the last one added. */
void fulltext_caught_up(struct account *a);
/* The next piece of content `id`: its grams, each once, in any order.  Pieces overlap (FULLTEXT_OVERLAP); what is marked is in
 * one.  Ids come in ascending order; those left out in between are no contents any more.  Not in an op's transaction of
 * which `id` is.  Makes the file.  STORE_FULL: what was not committed is undone.  STORE_CANNOT: the pieces before this one
 * were; nothing else happened, and the first one is to come again. */
struct fulltext_piece {
	const uint64_t *grams;
	size_t n;
	uint32_t number;  /* from 0 */
	bool last, whole; /* not whole: not all grams are in the pieces, and the content is always named */
};
MUST_USE enum store_err fulltext_add(struct account *a, enum fulltext_which w, int64_t id,
				     const struct fulltext_piece *p);
/* What was added counts from here on; nothing when nothing was. */
MUST_USE enum store_err fulltext_commit(struct account *a, enum fulltext_which w);
/* How many were added and not yet committed. */
size_t fulltext_pending(const struct account *a, enum fulltext_which w);
/* A millisecond or so of putting small segments of the index together, unless something was added that is not committed.
 * *out_more: there is more of that to do. */
MUST_USE enum store_err fulltext_merge(struct account *a, enum fulltext_which w, bool *out_more);
/* The same of giving back what merging left free, when that is much. */
MUST_USE enum store_err fulltext_shrink(struct account *a, enum fulltext_which w, bool *out_more);
/* The next one, to which everything was added and committed, takes the place of the present one. */
MUST_USE enum store_err fulltext_swap(struct account *a);

/* --- texts of attachments --- */

enum { FULLTEXT_TEXT_BYTES = 65536 /* of a piece */ };

/* Contents up to which attachments were looked at, by the converters of that number; those of another: none.
 * STORE_NOTFOUND: there is no index. */
MUST_USE enum store_err fulltext_texts_begin(struct account *a, int64_t converters, int64_t *out_done);
/* The text of one content, which is in the index: begin, its pieces, its grams as in fulltext_add(), commit.  Between two
 * calls other functions may be called; STORE_BUSY: what was begun was taken back, begin again.  A piece is folded whole
 * characters, at most FULLTEXT_TEXT_BYTES; `ends`: the last of a string. */
MUST_USE enum store_err fulltext_text_begin(struct account *a, int64_t id);
MUST_USE enum store_err fulltext_text_add(struct account *a, int64_t id, uint32_t piece, struct bytes folded, bool ends);
MUST_USE enum store_err fulltext_text_grams(struct account *a, int64_t id, const uint64_t *grams, size_t n, bool whole,
					    size_t *at);
MUST_USE enum store_err fulltext_texts_commit(struct account *a, int64_t converters, int64_t before, int64_t done);
/* Piece 0, 1, ... of a content's text to `to` (FULLTEXT_TEXT_BYTES).  STORE_NOTFOUND: there is none. */
MUST_USE enum store_err fulltext_text_get(struct account *a, int64_t id, uint32_t piece, char *to, size_t *out_len,
					  bool *out_ends);
/* From the present index to the next one: how far attachments were converted, before anything was added to it; and the text of
 * a content that is being added, whose grams the caller adds, too. */
MUST_USE enum store_err fulltext_texts_carry(struct account *a);
MUST_USE enum store_err fulltext_text_carry(struct account *a, int64_t id);
/* The first content above `after` that has text; 0: there is none.  And that of one that is gone is deleted, with the next
 * commit. */
MUST_USE enum store_err fulltext_texts_next(struct account *a, int64_t after, int64_t *out);
MUST_USE enum store_err fulltext_texts_forget(struct account *a, int64_t id);

/* --- its life --- */

/* A sweep deleted `n` contents: their ids stay in the index. */
void fulltext_note_dead(struct account *a, uint64_t n);
/* More than half of it is of contents that are gone, or a next one was begun: one should be made. */
bool fulltext_is_stale(struct account *a);

struct fulltext_status {
	int64_t contents;  /* in it, dead ones too */
	int64_t dead;
	int64_t texts;     /* contents with texts of attachments */
	int64_t watermark;
	uint64_t bytes;    /* on disk */
};

/* Reads what is behind `*at` (0 at first), some pages of it, so that damage shows, and does away with it; *out_more: there is
 * more.  Nothing to read is no error; nor is an index that cannot be opened, which opening does away with and tells of. */
MUST_USE enum store_err fulltext_prove(struct account *a, int64_t *at, bool *out_more);

/* Zeros when there is none. */
MUST_USE enum store_err fulltext_status(struct account *a, struct fulltext_status *out);
/* Closes what is open, with its log in its file; what was not committed is undone. */
void fulltext_close(struct account *a);
/* Throws it away; `why` is for the log. */
void fulltext_drop(struct account *a, enum fulltext_which w, const char *why);
/* Memory it holds. */
size_t fulltext_bytes(const struct account *a);

#endif
