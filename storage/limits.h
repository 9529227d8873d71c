/* What one account may hold: one table over the limits that stand in the headers, quoted by docs/limits.md. */
#ifndef STORAGE_LIMITS_H
#define STORAGE_LIMITS_H

#include "storage/base.h"

struct store_limit {
	const char *name;
	uint32_t value;
	const char *reason;
};
extern const struct store_limit store_limits[];
extern const size_t store_limits_n;

#endif
