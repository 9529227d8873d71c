/* What one session has been told about its mailbox.  Moves to the worker with each op and back (never shared). */
#ifndef SERVER_VIEW_H
#define SERVER_VIEW_H

#include "protocol/buf.h"
#include "protocol/imap/request.h"
#include "storage/copy.h"
#include "storage/mailbox.h"

struct view {
	int64_t mailbox;
	bool read_only, gone_mailbox;
	uint32_t *uid, n, cap; /* sequence number - 1 to UID */
	uint32_t uidnext;      /* UIDs below it were told of */
	uint64_t flags_modseq, gone_modseq;
	struct uidset recent;
};

void view_destroy(struct view *v);
/* On a worker: tells what changed.  Expunges wait unless `expunges` (RFC 3501 7.4.1); false there are some. */
bool view_sync(struct view *v, struct account *a, struct buf *out, bool expunges, bool with_uid);
/* The client's set as UIDs; false: a sequence number beyond the mailbox (RFC 9051 9). */
bool view_resolve(const struct view *v, const struct numset *set, bool uid, struct uidset *out);
/* Index of a UID, or v->n. */
uint32_t view_index(const struct view *v, uint32_t uid);
/* The first index whose UID is at least `uid`, v->n for none. */
uint32_t view_lower(const struct view *v, uint32_t uid);

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
