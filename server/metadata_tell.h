/* Telling a client, at the points where updates leave, which annotations others have changed (RFC 5464 4.4.2). */
#ifndef SERVER_METADATA_TELL_H
#define SERVER_METADATA_TELL_H

#include "server/command.h"

/* On a worker, for a command that tells_metadata: writes to its output, and moves metadata_since on.  What the command's
 * own op changed is not told.  A journal that cannot be read tells nothing now. */
void metadata_tell(struct command *cmd, struct account *a);
/* The line itself; `mailbox` is "" for the account's, `names` are as metadata_changes() has them. */
void metadata_write_change(struct buf *out, const char *mailbox, const char *names, unsigned dialect);

#endif
