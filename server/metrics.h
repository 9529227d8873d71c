/*
 * What can be counted of the running server: one table.  `roost stats` shows it, and the metrics endpoint
 * (metrics_http.h) gives it out, with the latencies of commands.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "protocol/buf.h"

struct server;

enum metric_type { METRIC_GAUGE, METRIC_COUNTER };

struct metric {
	enum metric_type type;
	const char *name; /* with its unit: "memory_bytes" */
	const char *help;
	/* Any thread. */
	uint64_t (*read)(const struct server *server, unsigned arg);
	unsigned arg;
};

extern const struct metric metrics[];
extern const size_t metrics_n;

/* All of it in OpenMetrics' text format, version 1.0.0; any thread. */
void metrics_write(const struct server *server, struct buf *out);

#endif
