/* What can be counted of the running server: one table.  `roost status` shows it. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "protocol/base.h"

struct server;

struct metric {
	const char *name; /* with its unit: "memory_bytes" */
	const char *help;
	/* Any thread. */
	uint64_t (*read)(const struct server *server);
};

extern const struct metric metrics[];
extern const size_t metrics_n;

#endif
