/*
 * From a commit to the sessions that watch what it changed.  A wake-up says "mailbox M of this account is at modseq
 * N" and nothing else: a session that gets one asks the account what changed since its own modseq, so a wake-up that
 * is late, doubled or coalesced does no harm.  There is no timer in the path.
 *
 *	worker: account_commit() -> notify_commit() -> one letter to each loop that watches one of the mailboxes
 *	loop:   letter -> the watches of that loop on (account, mailbox) or on the whole account -> on_change()
 *
 * The lane knows which loops watch (a bit a loop), the loop knows which sessions do.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

struct account_touched;
struct lane;
struct loop;
struct watch_group;

enum { WATCH_ALL = -1 /* for `mailbox`: every mailbox of the account, and its subscriptions (mailbox 0) */ };

/* Embedded in a session, zeroed while it watches nothing. */
struct watch {
	/* On the loop; may call notify_unwatch() and notify_watch() on this watch, not on others.  `mailbox` is the one that
	 * changed, never WATCH_ALL. */
	void (*on_change)(struct watch *watch, int64_t mailbox, uint64_t modseq);
	struct loop *loop;
	struct lane *lane;
	struct watch_group *group; /* NULL: not watching */
	struct watch *next, **link;
};

/* On `loop`.  `watch` stays where it is until notify_unwatch(); the caller holds a reference to the lane as long.  What
 * was committed before this call wakes nobody: look once after it. */
void notify_watch(struct watch *watch, struct loop *loop, struct lane *lane, int64_t mailbox);
/* On the loop.  Nothing happens when it does not watch. */
void notify_unwatch(struct watch *watch);
/* On the worker that has the lane's turn, after the commit. */
void notify_commit(struct lane *lane, const struct account_touched *touched, size_t n);

#endif
