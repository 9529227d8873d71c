/* Changes to messages, by UID sets: flags, copies, moves, expunges, arrivals; and what changed since a modseq.
 * Every write is inside an op and happens as a whole or not at all. */
#ifndef STORAGE_COPY_H
#define STORAGE_COPY_H

#include "storage/account.h"
#include "storage/flagset.h"
#include "storage/uidset.h"

struct copy_result {
	uint32_t uidvalidity;       /* of the target */
	uint32_t *source, *target;  /* n pairs, ascending */
	uint32_t n;
};

struct append_item {
	int64_t content;
	uint32_t size;
	uint32_t flagset;
	int64_t internal_date;
	int32_t zone_min;
};

void copy_result_finish(struct copy_result *r);
MUST_USE enum store_err messages_copy(struct account *a, int64_t source, const struct uidset *set, int64_t target,
				      struct copy_result *out);
MUST_USE enum store_err messages_move(struct account *a, int64_t source, const struct uidset *set, int64_t target,
				      struct copy_result *out);
/* Those of `set` that have \Deleted; `gone` receives their UIDs. */
MUST_USE enum store_err messages_expunge(struct account *a, int64_t mailbox, const struct uidset *set,
					 struct uidset *gone);
/* `changed` receives the UIDs whose flags are not what they were. */
MUST_USE enum store_err messages_store(struct account *a, int64_t mailbox, const struct uidset *set,
				       enum flag_op op, const struct flag_spec *spec, struct uidset *changed);
/* Publishes contents as new messages, in order, with consecutive UIDs from *first. */
MUST_USE enum store_err messages_append(struct account *a, int64_t mailbox, const struct append_item *items,
					uint32_t n, uint32_t *first);
/* What a view has not seen, told of flags and of expunges up to these modseqs: expunged UIDs (of those it may know) and UIDs with newer flags. */
MUST_USE enum store_err messages_changed_since(struct account *a, int64_t mailbox, uint64_t flags_modseq,
					       uint64_t gone_modseq, struct uidset *expunged, struct uidset *changed);

#endif
