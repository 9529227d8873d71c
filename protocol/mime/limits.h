/* What of a message is described: the limits of the other headers in one table, quoted by docs/limits.md. */
#ifndef MIME_LIMITS_H
#define MIME_LIMITS_H

#include "protocol/base.h"

struct mime_limit {
	const char *name;
	uint32_t max;
	const char *unit;
	const char *reason; /* and what becomes of the rest */
};
extern const struct mime_limit mime_limits[];
extern const size_t mime_limits_n;

#endif
