/*
 * INPROGRESS (RFC 9585): what a command that takes long tells of how far it is, so that its client neither gives up nor has
 * to guess.  A command that ends sooner than one interval tells nothing.
 */
#ifndef SERVER_PROGRESS_H
#define SERVER_PROGRESS_H

#include "server/command.h"

/* At the end of a slice, on a worker, between two responses: true when the time has come, and `out` has the line.  Then the
 * slice's output is to leave before the next one: set `more` and return OP_DONE.  `done` of `total` messages. */
bool progress_tell(struct command *cmd, uint64_t done, uint64_t total);
/* The same by a clock of one's own. */
bool progress_tell_at(struct command *cmd, uint64_t now_us, uint64_t done, uint64_t total);

#endif
