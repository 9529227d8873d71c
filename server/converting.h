/*
 * The texts of attachments in the full-text indexes (convert_run.h), made in the background: by one thread, which takes one
 * account after the other, in turn, and runs one program at a time.  So the daemon is never busy with more than that, whatever
 * comes in, and an index that is full of text waits for no program.  What touches an account is an op of its background
 * queue.
 */
#ifndef SERVER_CONVERTING_H
#define SERVER_CONVERTING_H

#include "server/config.h"

struct accounts;
struct converting;
struct lane;

/* NULL: nothing is to be converted.  `config` and `accounts` outlive it. */
struct converting *converting_create(const struct config *config, struct accounts *accounts);
/* A program that runs is killed; nothing is begun any more.  Takes NULL; again does nothing. */
void converting_stop(struct converting *c);
/* Stopped, and no op runs any more.  Takes NULL. */
void converting_destroy(struct converting *c);
/* On a worker that has the lane's turn: there may be something to convert in the account's index.  Takes NULL. */
void converting_add(struct converting *c, struct lane *lane);

#endif
