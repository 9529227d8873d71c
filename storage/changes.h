/*
 * The journal: one row for each mailbox that an op touched, under the op's modseq: what happened, when, by which login
 * and device.  And the question that everything asks: what changed since N?
 *
 * Rows are kept until history_prune() takes them; a mailbox's floor says from which modseq on its graveyard is complete.
 */
#ifndef STORAGE_CHANGES_H
#define STORAGE_CHANGES_H

#include "storage/account.h"
#include "storage/uidset.h"

struct flag_spec;
struct roster;
struct roster_flag_run;
struct uids;

/* What happened to a mailbox, as bits.  Subscriptions are the root's (mailbox 0). */
enum change_kind {
	CHANGE_ARRIVED = 1,
	CHANGE_FLAGS = 2,
	CHANGE_EXPUNGED = 4,
	CHANGE_MADE = 8,
	CHANGE_RENAMED = 16,
	CHANGE_DELETED = 32,
	CHANGE_SUBSCRIBED = 64,
	CHANGE_UNSUBSCRIBED = 128,
	CHANGE_RESTAMPED = 256, /* the clock jumped: every message may have other flags (jump.h) */
	CHANGE_METADATA = 512   /* annotations were set or taken away; the account's own are the root's (metadata.h) */
};

/* An old flag set and the new one. */
struct flag_pair {
	uint32_t from, to;
};

/*
 * Flag changes as runs, in the order they were made.  Bytes: the number of pairs (4), the pairs (8 each), and then for
 * each run its first UID less the last of the run before (0 at first), how many UIDs it spans less one, and its pair, as
 * varints: seven bits a byte, lowest first, the top bit set on all but the last.  A run may span UIDs that no message had.
 */
struct flag_log {
	unsigned char *runs;
	size_t len, cap;
	struct flag_pair *pairs;
	uint32_t pairs_n, pairs_cap;
	uint32_t *by_from; /* a set's newest pair, plus one */
	uint32_t by_from_n;
	uint32_t last_uid;
};

/* One row in the making. */
struct change {
	int64_t mailbox;
	unsigned kinds;
	uint32_t first_uid, last_uid; /* CHANGE_ARRIVED: those that arrived, all between included */
	struct flag_log flags;        /* CHANGE_FLAGS */
	char *name;                   /* of CHANGE_MADE and the kinds after it; of CHANGE_METADATA each name a line; heap */
};

void change_finish(struct change *c);
void change_add_run(struct change *c, const struct roster_flag_run *run);
/* account_end() alone. */
MUST_USE enum store_err change_write(struct account *a, struct change *c);

/* Reads the runs back; false at the end, or when the bytes make no sense. */
struct flag_log_reader {
	const unsigned char *at, *end, *pairs; /* in the caller's bytes */
	uint32_t pairs_n, last_uid;
};
bool flag_log_open(struct flag_log_reader *r, struct bytes flags);
bool flag_log_next(struct flag_log_reader *r, struct roster_flag_run *out);

/* The messages from UID `from` on and below `below` whose modseq is above `since`, until `out` has `runs_max` ranges: then
 * there may be more behind the last.  Reads memory only, and of that little. */
void changes_flags(const struct roster *r, uint64_t since, uint32_t from, uint32_t below, size_t runs_max,
		   struct uidset *out);
/* What happened to a mailbox after modseq `since`, for someone who knows the messages below UID `uidnext` that were
 * there then: `expunged` and `changed` among those; arrivals are what the roster holds from `uidnext` on.
 * STORE_LIMIT: the history does not reach back that far (since is below the mailbox's floor); `changed` is right. */
MUST_USE enum store_err changes_since(struct account *a, int64_t mailbox, uint64_t since, uint32_t uidnext,
				      struct uidset *expunged, struct uidset *changed);

/* The UIDs of which a flag that `spec` names was changed after modseq `since`, or that arrived since: each flag has its own
 * mod-sequence, as it were (RFC 7162 3.1.12).  Ranges may span UIDs that no message has.  O(what the journal has since,
 * of the whole account).  STORE_LIMIT: it does not reach back that far, or has more than `rows_max` rows. */
MUST_USE enum store_err changes_of_flags(struct account *a, int64_t mailbox, uint64_t since, const struct flag_spec *spec,
					 uint32_t rows_max, struct uidset *out);

/* A row of the journal: CHANGE_* kinds, and the name if one of them has it (NULL else): CHANGE_RENAMED the new one, a line
 * feed and the old one; CHANGE_METADATA the entries, see metadata.h. */
struct change_row {
	uint64_t modseq;
	int64_t mailbox;
	unsigned kinds;
	const char *name; /* until `each` returns */
};
/* All rows after modseq `since`, in the order things were done, until `each` says false.  Reads the journal from its
 * end, and nothing when there is nothing.  The running op is not yet in it.  STORE_LIMIT: it does not reach back that far. */
MUST_USE enum store_err changes_each(struct account *a, uint64_t since,
				     bool (*each)(void *ctx, const struct change_row *row), void *ctx);
/* Up to which modseq the journal was forgotten.  For storage/ alone. */
MUST_USE enum store_err changes_floor(struct account *a, uint64_t *out);
/* The first row after modseq `since`; INT64_MAX: there is none.  For storage/ alone. */
MUST_USE enum store_err changes_first_row(struct account *a, uint64_t since, int64_t *out);

/* The UIDs as someone knows them who was in sync at modseq `since`, when UIDNEXT was `uidnext`: for a view that was laid
 * aside.  Shares all it can with the roster.  STORE_LIMIT as above. uids_release() it. */
MUST_USE enum store_err changes_recall(struct account *a, const struct roster *r, uint64_t since, uint32_t uidnext,
				       struct uids *out);

/* Housekeeping, inside an op of its own; takes no modseq.  Forgets journal and graveyard from before `before_s`, at
 * most `rows_max` rows of the journal at a time.  *more: there is more to forget. */
MUST_USE enum store_err history_prune(struct account *a, int64_t before_s, uint32_t rows_max, bool *more);

#endif
