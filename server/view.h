/*
 * What one session has been told about its mailbox: its state at a modseq.  Moves to the worker with each op and back
 * (never shared); the UIDs themselves are shared by all sessions in sync with the roster.
 *
 * Expunges that may not be told yet keep their place in `uids` until they are: then `uids` differs from the roster's, and
 * the difference is what there is to tell.
 */
#ifndef SERVER_VIEW_H
#define SERVER_VIEW_H

#include "protocol/buf.h"
#include "protocol/imap/request.h"
#include "storage/append.h"
#include "storage/copy.h"
#include "storage/expunge.h"
#include "storage/mailbox.h"
#include "storage/store.h"

struct view {
	int64_t mailbox;
	bool read_only, gone_mailbox;
	struct uids uids;      /* by sequence number - 1 */
	uint32_t uidnext;      /* UIDs below it were told of */
	uint64_t flags_modseq; /* flags, and arrivals, were told up to here */
	uint64_t gone_modseq;  /* expunges were told up to here: at most flags_modseq */
	struct uidset recent;
};

void view_destroy(struct view *v);
/* On a worker: tells what changed.  Expunges wait unless `expunges` (RFC 3501 7.4.1); false there are some. */
bool view_sync(struct view *v, struct account *a, struct buf *out, bool expunges, bool with_uid);
/* The client's set as UIDs; false: a sequence number beyond the mailbox (RFC 9051 9). */
bool view_resolve(const struct view *v, const struct numset *set, bool uid, struct uidset *out);

/*
 * Walks the messages of a set (normalised, of UIDs the view knows) in the order of the view, beside the roster: no
 * search per message.  The roster must not change meanwhile.
 */
struct view_walk {
	const struct view *view;
	const struct roster *roster;
	const struct uidset *set;
	size_t range;
	uint32_t next; /* index of the next message to look at */
	uint32_t run_first; /* index of the run's first */
	struct uids_run run;
	struct roster_slice slice;
	uint32_t at; /* in the slice: the roster's place */
};

struct view_message {
	uint32_t index, uid; /* sequence number - 1 */
	bool gone; /* expunged, and this session was not told: `slice` does not have it */
	const struct roster_slice *slice;
	uint32_t at; /* in the slice; both are valid until the next step */
};

/* From the message with index `from` on. */
void view_walk_init(struct view_walk *w, const struct view *v, const struct roster *r, const struct uidset *set,
		    uint32_t from);
bool view_walk_next(struct view_walk *w, struct view_message *out);

void view_flags_text(const struct view *v, const struct account *a, uint32_t uid, uint32_t flagset, struct buf *out);

#endif
