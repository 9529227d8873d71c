/* Telling a client, at the points where updates leave, which annotations others have changed (RFC 5464 4.4.2). */
#ifndef SERVER_METADATA_TELL_H
#define SERVER_METADATA_TELL_H

#include "server/command.h"

/*
 * On a worker, for a command that tells_metadata: writes to its output, a chunk at most, and moves metadata_heard on.  What
 * the command's own op changed is not told.  A journal that cannot be read tells nothing now.
 *
 * Where the journal does not reach back any more, all entries that there are are told, as if they had changed: larger, and
 * right for what is there.  Of an entry that somebody took away just before it was forgotten nobody knows.
 */
void metadata_tell(struct command *cmd, struct account *a);
/* There may be something to tell; reads nothing. */
bool metadata_is_due(const struct command *cmd, const struct account *a);
/* The line itself; `mailbox` is "" for the account's, `names` are as metadata_changes() has them. */
void metadata_write_change(struct buf *out, const char *mailbox, const char *names, unsigned dialect);

#endif
