/*
 * Tells users, or whoever quota_command tells, that a quota is nearly used up: once for each percentage of the option
 * quota_warnings that is come to, and again only after there was less.  What was told last is kept in the account (meta
 * quota_warned) by the transaction that adds the message, so that a crash neither forgets nor repeats it; a command
 * is run after that, once at most.
 */
#ifndef SERVER_WARNER_H
#define SERVER_WARNER_H

struct config;
struct lane;
struct warner;

/* NULL: nobody is to be told.  `config` outlives it. */
struct warner *warner_create(const struct config *config);
/* When no op comes any more: a command that runs is given up, those that wait are not run.  Takes NULL. */
void warner_destroy(struct warner *w);
/* On a worker that has the lane's turn, its account open, when ops ran and are committed: cheap. */
void warner_note_turn(struct lane *lane);

#endif
