/*
 * Runs programs one after the other, on a thread of its own: nobody waits for them.  Each has a minute, no standard input,
 * and none of our descriptors but standard output and error.
 */
#ifndef SERVER_RUNNER_H
#define SERVER_RUNNER_H

#include <stdbool.h>

enum { RUNNER_ARGUMENTS_MAX = 6 };

struct runner;

/* `path` outlives it. */
struct runner *runner_create(const char *path);
/* What runs is ended, what waits is dropped.  Takes NULL. */
void runner_destroy(struct runner *r);
/* Any thread; `arguments` are copied, NULL ends them.  What cannot be run is logged, as is a program that fails. */
void runner_run(struct runner *r, const char *const arguments[RUNNER_ARGUMENTS_MAX]);

#endif
