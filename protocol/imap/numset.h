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
};

void numset_parse(struct lexer *lx, struct numset *out);
/* Puts the set in order: "*" becomes `star`, the largest number in use (0 in an empty mailbox), ends are swapped where
 * need be, ranges sorted, and those that touch or overlap merged. O(n log n) in ranges. A range that was only "*" in an
 * empty mailbox goes away; otherwise lo >= 1. */
void numset_normalise(struct numset *set, uint32_t star);
/* Only of a normalised set. O(log n) */
bool numset_has(const struct numset *set, uint32_t number);

#endif
