/* The steps, shared by the model and by what does them. */
#ifndef TESTS_CRASH_STEPS_H
#define TESTS_CRASH_STEPS_H

#include "storage/base.h"

enum step_kind {
	STEP_APPEND,  /* messages number.. to box, with flags; `hi` of them in one op */
	STEP_COPY,    /* lo:hi of box to `to` */
	STEP_MOVE,
	STEP_REMOVE,  /* lo:hi of box */
	STEP_STORE,   /* flags to lo:hi of box */
	STEP_CREATE,
	STEP_RENAME,
	STEP_DELETE,
	STEP_ANNOTATE, /* box, or the account where it is NULL: two entries for `number`, none for 0; in one op */
	STEP_GROUP,   /* in one transaction: message number to box, a failing op, flags to lo:hi */
	STEP_ABANDON, /* a large message that is given up */
	STEP_SWEEP,   /* retention of nothing */
	STEP_INDEX,   /* what is new, into the full-text index */
	STEP_RENEW,   /* another index takes its place */
	STEP_IDLE,
	STEP_REOPEN,  /* closed, something left in tmp/, opened */
	STEP_USER,    /* a user in the directory, made with its domain the first time */
	STEP_PURGE    /* another account's directory is made, and goes for good */
};

struct step {
	enum step_kind kind;
	const char *box, *to;
	uint32_t lo, hi, flags;
	unsigned number;
};

extern const struct step steps[];
extern const unsigned steps_n;

#endif
