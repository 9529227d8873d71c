/*
 * What stands in for sockets, loops, threads and the clock: the session's side is the real one, from conn.h downward
 * everything happens when the simulation says so, on its one thread.
 *
 *	wire_read    bytes of the client reach the session, as few as the simulation likes
 *	wire_drain   the client takes bytes; a small window makes a session wait for it
 *	wire_turn    a letter to a loop is delivered: an op's answer, a wake-up, a nudge, the end of a connection
 *
 * There are no timers: whatever is pushed to a client is pushed without one.
 */
#ifndef TESTS_MODEL_WIRE_H
#define TESTS_MODEL_WIRE_H

#include "server/conn.h"
#include "server/server.h"

struct command;

struct wire {
	struct conn conn; /* as the session sees it */
	struct buf out;   /* written and not drained */
	size_t window;    /* output that may wait before the session is told to stop */
	bool gone;        /* the session has been told of the end */
};

/* A connection with the greeting written; freed by its last letter, after conn_close(). */
struct wire *wire_open(struct loop *loop, size_t window);
/* Bytes that the session would take now: 0 when it has stopped reading. */
bool wire_reads(const struct wire *w);
void wire_read(struct wire *w, struct span bytes);
/* Moves up to `max` bytes of what waits to `to`. */
size_t wire_drain(struct wire *w, size_t max, struct buf *to);
/* Delivers the loop's oldest letter; false when there is none. */
bool wire_turn(struct loop *loop);

/* Called instead of an op's run(), once it is set; `run` is what it would have been. */
typedef enum op_result wire_run_fn(void *ctx, struct command *cmd, struct account *account,
				   enum op_result (*run)(struct op *op, struct account *account));
void wire_watch_ops(wire_run_fn *fn, void *ctx);
/* The clock moves on by itself, by steps that depend on the seed: slices and turns end anywhere. */
void wire_seed_clock(uint64_t seed);

#endif
