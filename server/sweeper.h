/*
 * Housekeeping of an account in the background: once a day, when it rests, journal and graveyard from before the
 * retention are forgotten and what nobody names any more is deleted (storage/sweep.h).  One op of the background queue
 * that goes on in slices; clients' ops come first.
 */
#ifndef SERVER_SWEEPER_H
#define SERVER_SWEEPER_H

struct lane;

/* On a worker that has the lane's turn, its account open and idle.  Does nothing when no sweep is due. */
void sweeper_consider(struct lane *lane);

#endif
