/*
 * A part of another message on its way into a new one (RFC 4469): what the URL names is found, and its octets go to the
 * intake as they are, a step at a time.  \Seen stays as it is.  Nothing is held between slices but the cursor.
 *
 * Thread: the account's lane.
 */
#ifndef SERVER_CATENATE_H
#define SERVER_CATENATE_H

#include "server/command.h"
#include "server/intake.h"

struct catenate {
	bool open;          /* a URL was found and is not copied whole */
	int64_t content;
	uint64_t at, end;   /* in the message */
	struct buf fields;  /* HEADER.FIELDS: made, and copied at once */
};

/* Finds what `url` names.  False: the command's status is set, [BADURL] or what the store says. */
MUST_USE bool catenate_open(struct catenate *c, struct command *cmd, struct account *a, struct span url);
/* Copies on until it is whole (c->open is false) or the slice is over. */
MUST_USE enum store_err catenate_copy(struct catenate *c, struct account *a, struct intake *to);
/* Accepts a zeroed struct. */
void catenate_finish(struct catenate *c);

#endif
