/*
 * For whoever starts the daemon or types a command: one line on standard error that says what cannot be done, why, and
 * what to do about it.  While the daemon runs, what happens goes to the log instead (log.h).
 */
#ifndef SERVER_TROUBLE_H
#define SERVER_TROUBLE_H

#include "protocol/base.h"

/* "roost: WHAT", in printf's words. */
void trouble(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* "roost: WHAT: Permission denied; ..." for an errno. */
void trouble_errno(const char *what, int error);

#endif
