/*
 * Deadlines, to the second: any number of items, one timer.  Putting a deadline off, which happens with every byte
 * that arrives, is one assignment; the item is moved only when its old second comes.  Knows no clock: the caller says
 * what second it is.
 */
#ifndef SERVER_WHEEL_H
#define SERVER_WHEEL_H

#include "protocol/base.h"

enum { WHEEL_SLOTS = 2048 }; /* longer deadlines go round more than once */

/* Embedded, zeroed while it is in no wheel. */
struct wheel_item {
	struct wheel_item *next, **link;
	uint64_t due_s, slot_s;
};

struct wheel {
	struct wheel_item *slots[WHEEL_SLOTS];
	uint64_t now_s; /* every second up to it has been looked at */
	size_t n;
};

void wheel_init(struct wheel *w, uint64_t now_s);
/* The item is due at `due_s`, or in the next second if that is past; replaces an earlier deadline. */
void wheel_set(struct wheel *w, struct wheel_item *item, uint64_t due_s);
void wheel_remove(struct wheel *w, struct wheel_item *item);
/* Takes out one item that is due at `now_s`; NULL: no more.  Call until NULL: only then has the wheel advanced. */
struct wheel_item *wheel_next_due(struct wheel *w, uint64_t now_s);

#endif
