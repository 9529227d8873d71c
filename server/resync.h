/*
 * What a client hears that knows a mailbox as it was at a modseq (RFC 7162 3.1.4.1, 3.2.5, 3.2.6): which UIDs have
 * vanished since, and which messages have changed.  Both are cursors that a command drives slice by slice; they hold
 * what the journal says and little else, whatever the size of the mailbox.  On a worker.
 */
#ifndef SERVER_RESYNC_H
#define SERVER_RESYNC_H

#include "protocol/imap/request.h"
#include "server/view.h"

/* Messages of `within` that changed after `since`, in the order of the view. */
struct changed {
	uint64_t since;
	const struct uidset *within; /* normalised; the caller's */
	struct uidset window;        /* the next of them */
	uint32_t from;               /* UIDs below it were looked at */
	bool last;                   /* nothing is behind the window */
	uint32_t next;               /* index of the next message */
	struct view_walk walk;
};

void changed_init(struct changed *c, uint64_t since, const struct uidset *within);
void changed_finish(struct changed *c);
/* At the start of a slice: the roster must not change until its end. */
void changed_resume(struct changed *c, const struct view *v, const struct roster *r);
/* The next one that is still there; false at the end. */
bool changed_next(struct changed *c, struct view_message *out);

/* "* VANISHED (EARLIER) ...": UIDs of `known` that were expunged after `since`.  Where the history does not reach back
 * that far it is every UID of `known` above `sure` that no message has: larger, and right (RFC 7162 3.2.5.1). */
struct vanished_earlier {
	struct uidset uids; /* where among these to look */
	bool all;           /* those that no message has; else just these */
	size_t range;
	uint32_t from;
};

/* The view has what the client was told of; what it still has is not said to have vanished.  `known` is normalised. */
MUST_USE enum store_err vanished_init(struct vanished_earlier *e, struct account *a, const struct view *v, uint64_t since,
				      const struct uidset *known, uint32_t sure);
void vanished_finish(struct vanished_earlier *e);
/* Lines, until `out` has some `full_bytes`; true when all is said. */
bool vanished_write(struct vanished_earlier *e, const struct view *v, size_t full_bytes, struct buf *out);

/* The highest UID of the client's pairs of sequence numbers and UIDs that still fits (RFC 7162 3.2.5.2): up to it
 * nothing has vanished.  0 for none. */
uint32_t resync_match(const struct numset *seqs, const struct numset *uids, const struct uids *now);

#endif
