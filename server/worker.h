/*
 * The workers: M threads that own nothing but their tools; each takes a runnable lane, runs its ops for a turn, gives it back.  M
 * counts on threads that are blocked in fsync.
 *
 * One mutex guards the two lists of runnable lanes and every lane's queues: it is held for a few instructions and
 * never while an op runs.  Lanes with only background ops wait in a list of their own, and at most a quarter of the
 * workers serve it.  A lane that just served a client is left alone for a moment, so that those who hear of a change
 * do not wait behind housekeeping: until LIMIT_AFTERMATH_US after it, but not longer than LIMIT_BACKGROUND_WAIT_US.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stdbool.h>
#include <stddef.h>

struct crash_handlers;
struct crash_note;
struct scratch;
struct lane;
struct workers;

/* What a worker has and brings to each turn. */
struct worker_tools {
	struct crash_note *note; /* may be NULL */
	struct scratch *scratch; /* lent to the account whose ops run */
};

/* `count` threads; 0 for tests, which run turns with workers_run_one().  `crashes` outlives them, or is NULL. */
struct workers *workers_create(int count, struct crash_handlers *crashes);
/* Runs what is queued, and what that queues, then ends the threads.  An op that would run again is ended instead. */
void workers_stop(struct workers *workers);
void workers_destroy(struct workers *workers);
/* The caller's own thread does one turn, if a lane is runnable, and waits for nothing. */
bool workers_run_one(struct workers *workers);

/* How many lanes with clients' work wait for a thread: what load is.  Any thread, without the lock. */
int workers_waiting(struct workers *workers);

/* For lane.c: around what touches a lane's queues. */
void workers_lock(struct workers *workers);
void workers_unlock(struct workers *workers);
bool workers_are_stopping(struct workers *workers);
/* Puts the lane where a worker will find it, unless it is there already or has its turn. */
void workers_wake_and_unlock(struct workers *workers, struct lane *lane);

#endif
