/*
 * A loop thread: its uv_loop, its inbox and the connections that live on it.  A pointer to a connection or a session
 * never leaves its loop; other threads reach one only by its id, through loop_post().
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include "protocol/buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct conn;
struct loop;
struct server;
struct watch_group;

enum { LOOPS_MAX = 64 /* a bit each in the lanes' masks */, LOOP_READ_BYTES = 65536 };

/* A message to a loop; `deliver` runs on it. The message owns itself: deliver frees it. */
struct letter {
	struct letter *next;
	void (*deliver)(struct letter *self, struct loop *loop);
};

struct loop {
	uv_loop_t uv;
	unsigned index;
	struct server *server;
	uv_thread_t thread;
	uv_async_t wake;
	uv_mutex_t mutex;
	struct letter *inbox, **inbox_end; /* under the mutex */
	bool deaf;                         /* under the mutex: the thread has ended */
	struct conn *conns;                /* by id */
	atomic_uint conns_n;               /* any thread reads it */
	uint64_t last_id;                  /* of the connections; never used twice */
	struct watch_group *watched;
	bool stopping;
	uv_timer_t grace; /* runs once it stops: those who do not read are cut off */
	struct buf cipher; /* what TLS made and the socket has not seen; empty between callbacks */
	char *read_bytes;  /* LOOP_READ_BYTES: what one read brings, until its callback returns */
};

void loop_start(struct loop *loop, unsigned index, struct server *server);
/* Any thread, also after the loop ended. */
void loop_post(struct loop *loop, struct letter *letter);
/* Any thread: asks every connection to end, then the loop itself; loop_join() waits for it. */
void loop_stop(struct loop *loop);
void loop_join(struct loop *loop);
/* On the loop, by conn.c: a connection is gone; a stopping loop ends with the last. */
void loop_end_if_empty(struct loop *loop);
/* Once nobody posts any more: what is left in the inbox is delivered, to no connection. */
void loop_finish(struct loop *loop);

#endif
