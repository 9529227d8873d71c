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
#include "storage/flagset.h"
#include "storage/roster.h"
#include "storage/uidset.h"

/* Where telling stands between two chunks (view_tell.c). */
struct telling {
	enum { TELLS_NOTHING, TELLS_EXPUNGES, TELLS_FLAGS, TELLS_DELETION } phase;
	struct uids now;       /* what the view becomes */
	struct uids_diff diff; /* of view and `now` */
	uint32_t gone;         /* expunges told so far */
	uint32_t uidnext;      /* of `now` */
	uint64_t modseq;       /* of the roster when it began */
	uint32_t from, below;  /* UIDs whose flags are still to be told */
	size_t full_bytes;     /* of the chunk */
};

struct fetch_binary_mark;

/* What UIDBATCHES has told since the mailbox was as it says here (RFC 10022 3.1.1). */
struct view_batches {
	uint32_t n, uidnext;
	uint64_t told; /* messages, each as often as it was in a batch */
};

struct view {
	int64_t mailbox;
	bool read_only;
	unsigned dialect;      /* DIALECT_*: how the client wants to be told */
	struct uids uids;      /* by sequence number - 1 */
	uint32_t uidnext;      /* UIDs below it were told of */
	uint64_t flags_modseq; /* flags were told up to here */
	uint64_t gone_modseq;  /* expunges were told up to here */
	struct uidset recent;
	struct uidset saved;   /* "$": what the last SEARCH saved (RFC 5182); what was expunged since may still be in it */
	bool silent_flags;     /* changes of flags are passed over (RFC 5465 5) */
	struct keyword_set keywords; /* told in FLAGS */
	struct view_batches batches;
	struct fetch_binary_mark *binary_mark; /* fetch_binary.h; NULL: there is none */
	struct telling telling;
};

/* The roster as it is: told by the caller, but for the \Recent mark, which a read-write view moves. */
struct view *view_create(struct account *a, struct roster *r, bool read_only);
/* Accepts NULL. */
void view_destroy(struct view *v);

/* The client's set as UIDs that the view knows; false: a sequence number beyond the mailbox (RFC 9051 9). */
bool view_resolve(const struct view *v, const struct numset *set, bool uid, struct uidset *out);
/* Leaves of the set's messages those at the places named, counted in the order of the view (RFC 9394 3.3). */
void view_take_partial(const struct view *v, const struct partial *p, struct uidset *set);
/* Does the set name a message that was expunged and not told? */
bool view_names_gone(const struct view *v, const struct roster *r, const struct uidset *set);
/* Is it \Recent, and may this client be told? (RFC 9051 knows no such flag) */
bool view_is_recent(const struct view *v, uint32_t uid);
/* HIGHESTMODSEQ as this client may take it: nothing up to it is still to be told, no expunge either (RFC 7162 3.2.5.1). */
uint64_t view_highest_modseq(const struct view *v);

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

/* Neighbours in the view that are neighbours in the roster too, none of them gone. */
struct view_stretch {
	uint32_t index, n; /* the first one's; how many, at most SEGMENT_MESSAGES */
	const struct roster_slice *slice;
	uint32_t at; /* the first one's place in it; valid until the next step */
};

/* From the message with index `from` on. */
void view_walk_init(struct view_walk *w, const struct view *v, const struct roster *r, const struct uidset *set,
		    uint32_t from);
bool view_walk_next(struct view_walk *w, struct view_message *out);
/* The next stretch instead, passing over what is gone, to below index `below`; false when there is none. */
bool view_walk_stretch(struct view_walk *w, uint32_t below, struct view_stretch *out);

/* ---- view_tell.c, on a worker ---- */

enum view_told {
	VIEW_TOLD, /* everything that may be told */
	VIEW_HELD, /* the same, and there are expunges that may not (RFC 3501 7.4.1) */
	VIEW_MORE  /* the chunk is full: call again with the next one, before anything else */
};

/* Tells what changed since: expunges if they are allowed, arrivals, flags; until `out` has some `full_bytes`. */
enum view_told view_tell(struct view *v, struct account *a, struct buf *out, size_t full_bytes, bool expunges,
			 bool with_uid);
/* Tells expunges alone, but for those of `hidden`: UIDs of the view that are gone, and stay in it.  In chunks as above. */
enum view_told view_tell_own(struct view *v, struct account *a, struct buf *out, size_t full_bytes,
			     const struct uidset *hidden);
/* Tells others' flag changes alone, before this session makes its own.  True when nothing newer is left, so that what this
 * session changes next need not be told by view_tell(): then set v->flags_modseq. */
bool view_tell_flags(struct view *v, struct account *a, const struct roster *r, struct buf *out, bool with_uid);
/* "* FLAGS (...)" when the set has a keyword that was not told (RFC 3501 7.2.6): before each FETCH with FLAGS. */
void view_learn(struct view *v, const struct account *a, const struct roster *r, const struct flagset *set,
		struct buf *out);
/* "FLAGS (...)" */
void view_write_flags(struct buf *out, const struct flagset *set, bool recent);
/* "* n FETCH (FLAGS (...))", with UID if asked, of a message that is not gone. */
void view_write_fetch(struct view *v, const struct account *a, const struct roster *r, const struct view_message *m,
		      bool with_uid, struct buf *out);
/* The same of a stretch, with UID or without, until `out` has `full_bytes`; returns of how many messages, one at least. */
uint32_t view_write_stretch(struct view *v, const struct account *a, const struct roster *r, const struct view_stretch *s,
			    bool with_uid, size_t full_bytes, struct buf *out);
/* "* n FETCH (MODSEQ (...))", the answer to a silent STORE (RFC 7162 3.1.3). */
void view_write_modseq(const struct view *v, const struct view_message *m, bool with_uid, struct buf *out);
/* "* n FETCH (", or "* uid UIDFETCH (" (RFC 9586 3.3). */
void view_write_head(unsigned dialect, uint32_t index, uint32_t uid, struct buf *out);
/* The flags that FLAGS and PERMANENTFLAGS list: those of every mailbox, and the keywords told. */
void view_write_keywords(const struct view *v, const struct account *a, struct buf *out);
/* There is room for further keywords in the mailbox. */
bool view_takes_keywords(const struct view *v);

#endif
