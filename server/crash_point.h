/*
 * For the crash test: ROOST_CRASH_POINT=name:N in the environment ends the process, as kill -9 would, when it passes a
 * named point of storage/points.h for the Nth time, whichever account or thread that is.  Without it nothing happens.
 */
#ifndef SERVER_CRASH_POINT_H
#define SERVER_CRASH_POINT_H

#include "storage/points.h"

#include <stdatomic.h>
#include <stdbool.h>

struct crash_point {
	enum store_point at; /* STORE_POINTS: none */
	unsigned passing;
	_Atomic unsigned passed;
};

/* `text` is the variable's, or NULL for none.  False, with the reason printed: it names no point. */
bool crash_point_init(struct crash_point *c, const char *text);
/* Any thread.  A store_env's point(), with the crash_point as its context. */
int crash_point_pass(void *ctx, enum store_point point);

#endif
