/* Points in time as people give and read them in commands. UTC, without libc's time zones.  Pure; any thread. */
#ifndef SERVER_WHEN_H
#define SERVER_WHEN_H

#include "protocol/base.h"

enum { WHEN_TEXT_MAX = 24 };

/* "30m", "2h", "3d", "1w": so long ago; "2026-11-25", "2026-11-25 18:00", "2026-11-25T18:00:05Z": then.  False: neither. */
MUST_USE bool when_parse(const char *text, int64_t now_s, int64_t *out_s);
/* "2026-11-25T18:00:05Z" */
void when_write(int64_t unix_s, char out[WHEN_TEXT_MAX]);

#endif
