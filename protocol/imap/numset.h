/* Sequence sets (RFC 3501 9, sequence-set): never wider than their text, whatever numbers they name. */
#ifndef IMAP_NUMSET_H
#define IMAP_NUMSET_H

#include "protocol/imap/lexer.h"

enum { NUMSET_STAR = 0 }; /* "*" as it was sent, until numset_normalise() */

struct numrange {
	uint32_t lo, hi; /* inclusive; as sent, in any order, until numset_normalise() */
};

struct numset {
	struct numrange *v; /* in the lexer's arena */
	size_t n;
	bool saved; /* "$", what the last SEARCH saved (RFC 5182 3): then n is 0 */
};

/* A range of places in a list, as PARTIAL has it (RFC 9394 4): from the first on, or from the last one back. */
struct partial {
	uint32_t from, to; /* as sent, in any order; from 0: there is none */
	bool backwards;
};

/* Numbers alone. */
void numset_parse(struct lexer *lx, struct numset *out);
/* The messages of a command: numbers, or "$". */
void numset_parse_messages(struct lexer *lx, struct numset *out);
/* "1:100" or "-1:-100" */
void partial_parse(struct lexer *lx, struct partial *out);
/* The places in a list of `total`, from 1 and ascending; false: there are none. */
bool partial_places(const struct partial *p, uint64_t total, uint64_t *first, uint64_t *last);
/* Puts the set in order: "*" becomes `star`, the largest number in use (0 in an empty mailbox), ends are swapped where
 * need be, ranges sorted, and those that touch or overlap merged. O(n log n) in ranges. A range that was only "*" in an
 * empty mailbox goes away; otherwise lo >= 1. */
void numset_normalise(struct numset *set, uint32_t star);
/* Only of a normalised set. O(log n) */
bool numset_has(const struct numset *set, uint32_t number);

#endif
