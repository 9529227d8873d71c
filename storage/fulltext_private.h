/* Shared by the files of storage/fulltext. */
#ifndef STORAGE_FULLTEXT_PRIVATE_H
#define STORAGE_FULLTEXT_PRIVATE_H

#include "storage/fulltext.h"

enum { GRAM_BYTES_MAX = 13, BLOCK_BYTES = 2 };

struct fulltext {
	struct db db;
	int64_t watermark; /* committed */
	int64_t added;     /* the last id given, committed or not */
	int64_t block;     /* of that; -1: of none */
	size_t pending;    /* added, not committed */
	int64_t partly;    /* the content of which some pieces were added; 0: none */
	int64_t ahead, added_ahead; /* how far the number of the watermark's last piece is ahead of it; of `added` */
	int64_t text_of;   /* the content whose text is being added, not committed; 0: none */
	bool has_texts;
};

/* The open index.  STORE_NOTFOUND: there is none, and `create` is not set. */
MUST_USE enum store_err fulltext_open(struct account *a, enum fulltext_which w, bool create, struct fulltext **out);
/* What an error of the index's means for it; returns the error. */
enum store_err fulltext_failed(struct account *a, enum fulltext_which w, enum store_err err);
/* A number of its `meta`; 0 when that cannot be read. */
int64_t fulltext_meta(struct fulltext *f, const char *key);
MUST_USE enum store_err fulltext_set_meta(struct fulltext *f, const char *key, int64_t value);
/* A transaction, unless one is open; and its commit. */
MUST_USE enum store_err fulltext_begin(struct fulltext *f);
MUST_USE enum store_err fulltext_end(struct fulltext *f);

/* Adds a piece, or further grams to it; those of `terms` last. */
MUST_USE enum store_err fulltext_insert(struct fulltext *f, int64_t piece, const uint64_t *grams, size_t n,
					const uint64_t *terms, size_t terms_n);
/* The last piece of content `id`, or of those before when it has none. */
MUST_USE enum store_err fulltext_last_piece(struct fulltext *f, int64_t id, int64_t *out);

static inline int64_t fulltext_block(int64_t piece)
{
	return piece >> FULLTEXT_BLOCK_BITS;
}

/* --- grams.c --- */

/* Teaches a connection the tokenizer "roost_grams": a text is two bytes that begin each term, and grams. */
enum store_err grams_register(struct db *db);
/* The two bytes of a block: a character, and repeated after 1,920 blocks, which is no matter. */
void grams_put_block(int64_t block, char out[BLOCK_BYTES]);
/* The gram in UTF-8, behind a byte that is none when it is marked: how many bytes.  Characters that are 0 are left out. */
size_t grams_put(uint64_t gram, char out[GRAM_BYTES_MAX]);
/* What contents with too many have; what pieces have that are not all of a content. */
uint64_t grams_wide(void);
uint64_t grams_long(void);
/* Distinct grams of a UTF-8 text, those that seem rarest in mail.  `together`: of a part of it that is no longer than
 * FULLTEXT_OVERLAP, the one that seems rarest. */
void grams_choose(struct bytes text, bool together, struct fulltext_grams *out);
/* Of a text without any: two characters of it, or one, in the places of a gram's first, the rarest; 0: there are none that are
 * rare enough. */
uint64_t grams_choose_short(struct bytes text, bool in_field);

#endif
