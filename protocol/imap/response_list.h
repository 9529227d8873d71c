/* Responses about mailboxes: LIST, LSUB, STATUS, NAMESPACE (RFC 3501 7.2.2-7.2.4; RFC 5258, 2342). */
#ifndef IMAP_RESPONSE_LIST_H
#define IMAP_RESPONSE_LIST_H

#include "protocol/buf.h"

/* Mailbox attributes, in the order they are written. NONEXISTENT is for clients that used LIST's extended syntax; it
 * implies NOSELECT (RFC 5258 3.4), which is then not written. */
enum {
	ATTRIBUTE_NONEXISTENT = 1,
	ATTRIBUTE_NOSELECT = 2,
	ATTRIBUTE_NOINFERIORS = 4,
	ATTRIBUTE_HASCHILDREN = 8,
	ATTRIBUTE_HASNOCHILDREN = 16,
	ATTRIBUTE_SUBSCRIBED = 32,
};

struct list_line {
	const char *response;    /* "LIST" or "LSUB" */
	uint32_t attributes;     /* ATTRIBUTE_* */
	uint32_t uses;           /* USE_* of request.h */
	const char *name;        /* within; "" only for the answer to LIST "" "" */
	const char *old_name;    /* OLDNAME: what it was called before (RFC 9051 6.3.9.7, 5465 5.4); NULL: none */
	bool subscribed_below;   /* CHILDINFO "SUBSCRIBED": a child matches, RECURSIVEMATCH (RFC 5258 3.5) */
};
void response_list(struct buf *out, const struct list_line *line, unsigned dialect);

/* "\Drafts \Sent": USE_* as LIST has them, with a space before each that is not the first behind "(" or of all. */
void response_uses(struct buf *out, uint32_t uses);

/* One value for each STATUS_* bit of request.h. */
struct status_values {
	uint64_t messages, recent, uidnext, uidvalidity, unseen, size;
	uint64_t append_limit, highest_modseq, deleted, deleted_bytes;
	const char *mailboxid;
};
/* `items` is STATUS_* bits; they are written in the order of the bits. */
void response_mailbox_status(struct buf *out, const char *name, uint32_t items, const struct status_values *values,
			     unsigned dialect);

/* One personal namespace without a prefix, and no others (RFC 2342 5). */
void response_namespace(struct buf *out);

#endif
