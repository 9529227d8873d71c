/*
 * What a session asked to be notified of (RFC 5465), and how far it has been: a modseq of the account.  Nothing is kept
 * of the mailboxes themselves: what there is to tell is what the journal says happened since.  Moves to the worker with
 * each op and back, as the view does.
 */
#ifndef SERVER_WATCHLIST_H
#define SERVER_WATCHLIST_H

#include "protocol/arena.h"
#include "protocol/imap/request.h"
#include "storage/account.h"
#include "storage/uidset.h"

struct command;
struct view;

/* Ops of this session, one after another with none of anybody else's between them. */
struct own_ops {
	uint64_t first, last; /* modseqs */
};

struct watchlist {
	struct arena arena;             /* of what the request points to */
	const struct notify_group *groups; /* but for the selected mailbox's; names are decoded, ptr NULL: such a name cannot be */
	size_t groups_n;
	bool delayed;                   /* expunges of the selected mailbox wait for a command (RFC 5465 6.1.2) */
	uint32_t selected;              /* EVENT_* of the selected mailbox */
	const struct fetch_request *attributes; /* MessageNew's; without items: none */
	uint64_t since;                 /* all was told that happened up to it */
	uint64_t next;                  /* what it becomes when the op that told has gone well */
	bool more;                      /* the chunk was full before the journal's end */
	bool overflow;                  /* the chunk says that it was too much: when it leaves, the list ends */
	struct uidset fresh;            /* of the selected mailbox: told by EXISTS, `attributes` are still due */
	struct own_ops *own;            /* of this session since, ascending: not told (RFC 5465 5); heap */
	size_t own_n, own_cap;
	/* Of the selected mailbox, of which nothing is told: what is gone and not told, by others before the running op, and by
	 * the running command. */
	struct uidset hidden, own_gone;
	int64_t left, leaving;          /* mailbox that was selected, and of which something is untold; 0: none */
};

struct watchlist *watchlist_create(void);
/* Accepts NULL. */
void watchlist_destroy(struct watchlist *w);
/* Takes over how far `old` was, and what it still had to tell; `old` is of no use any more.  NULL: from now on. */
void watchlist_inherit(struct watchlist *w, struct watchlist *old, uint64_t modseq);
/* An op that it was lent to has gone well.  `own_modseq`: what the op changed, 0 for nothing; `chose`: another mailbox is
 * selected, or none. */
void watchlist_advance(struct watchlist *w, uint64_t own_modseq, bool chose);
/* Of the messages of the view: those that `attributes` are due of, and no more afterwards. */
void watchlist_take_fresh(struct watchlist *w, const struct view *v, struct uidset *out);
/* There is something to do even if nothing happens. */
bool watchlist_is_due(const struct watchlist *w);

/* ---- on a worker ---- */

/* Nothing has happened since: without reading anything. */
bool watchlist_is_known(const struct watchlist *w, const struct account *a);
/* A command that leaves the mailbox of the view is about to run: what the view was not told of it, it is told as of any
 * other. */
void watchlist_leave(struct watchlist *w, struct account *a, const struct view *v);
/* An op of a command that expunges is about to run, and nothing else is told of the mailbox (RFC 5465 3.1).  `first`: the
 * command has expunged nothing yet. */
void watchlist_hide(struct watchlist *w, struct account *a, const struct view *v, bool first);
/* It has run: what is gone and was not hidden is the command's own. */
void watchlist_take_own(struct watchlist *w, struct account *a, const struct view *v);
/* The view has just been told of arrivals with UIDs from `from` on (none, when it knows none): the running op's own are not
 * fetched for the client (RFC 5465 5.2). */
void watchlist_add_fresh(struct watchlist *w, struct account *a, const struct view *v, uint32_t from);
/* Tells what happened in other mailboxes, to names, subscriptions and annotations, until the chunk is full; what the running
 * op changes is not told.  When it is too much, or the journal does not reach back, "* OK [NOTIFICATIONOVERFLOW]", and
 * the list is empty when the op has gone well. */
void watchlist_tell(struct watchlist *w, struct command *cmd, struct account *a);
/* A STATUS line for each mailbox whose messages are watched, but for the selected one (RFC 5465 3.1). */
MUST_USE enum store_err watchlist_tell_all(struct watchlist *w, struct command *cmd, struct account *a);

#endif
