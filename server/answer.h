/*
 * What the answers of SEARCH and SORT have in common: what of the messages found is told (RFC 4731, RFC 5267 3, RFC 9394,
 * RFC 6203), what is saved as "$" (RFC 5182), and of which messages MODSEQ is (RFC 7162 3.1.5).
 *
 * Places count the messages found, in the order in which they are told, from 1.
 */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "server/command.h"

struct answer {
	uint32_t returns;     /* RETURN_* */
	bool extended;        /* it is ESEARCH */
	/* Once all is found: */
	uint64_t count;
	uint64_t first, last; /* the places of the set that is told; none when `last` is 0 */
	uint64_t modseq;      /* of the messages that it is about; 0: untold */
	bool begun, scoring, wrote_any; /* scoring: the set is written, and its scores are next */
};

void answer_init(struct answer *a, const struct search_request *r);
/* How many of the first, or of the last, need be known to name them; UINT64_MAX: all. */
uint64_t answer_enough(const struct answer *a, const struct partial *p, bool *out_from_end);
/* All that were found count, not just those that are named: with ALL or COUNT, and where none are named (RFC 5182 2.4,
 * RFC 9394 3.2, RFC 4731 3.2). */
bool answer_means_all(const struct answer *a);
/* Sets the places; true: which messages it is about must be known to answer_settle(). */
bool answer_choose(struct answer *a, const struct command *cmd, uint64_t count);
/* Sees to "$" and MODSEQ.  `meant`: a bit each message of the view that it is about, NULL where that need not be known;
 * `highest`: the modseq of all that were found.  False: the command's status says why not. */
MUST_USE bool answer_settle(struct answer *a, struct command *cmd, const struct roster *r, const uint64_t *meant,
			    uint64_t highest);

/* It is written in this order.  Up to the set; `min` and `max` are the numbers of the first and the last place. */
void answer_begin(struct answer *a, struct command *cmd, uint32_t min, uint32_t max);
/* Of the set: as few as one number. */
void answer_add_range(struct answer *a, struct command *cmd, uint32_t lo, uint32_t hi);
void answer_end_set(struct answer *a, struct command *cmd);
/* With RELEVANCY: one score for each place from a->first to a->last, which it sets (RFC 6203 4). */
void answer_begin_scores(struct answer *a, struct command *cmd);
void answer_add_score(struct answer *a, struct command *cmd, unsigned score);
void answer_end(const struct answer *a, struct command *cmd);

static inline void answer_mark(uint64_t *bits, uint32_t index)
{
	bits[index / 64] |= (uint64_t)1 << (index % 64);
}

#endif
