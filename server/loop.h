/*
 * A loop thread: its uv_loop, its inbox and the connections that live on it.  A pointer to a connection or a session
 * never leaves its loop; other threads reach one only by its id, through loop_post().
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include "protocol/buf.h"
#include "server/wheel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct conn;
struct loop;
struct server;
struct watch_group;

enum { LOOP_READ_BYTES = 65536 };

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
	atomic_uint conns_n;               /* with those on their way here */
	struct wheel deadlines;
	uv_timer_t tick; /* once a second while there are connections */
	uint64_t last_id;                  /* of the connections; never used twice */
	struct watch_group *watched;
	bool stopping;
	uv_timer_t grace; /* runs once it stops: those who do not read are cut off */
	struct buf cipher; /* what TLS made and the socket has not seen; empty between callbacks */
	struct buf packed; /* what compression made and TLS or the socket has not seen; the same */
	char *read_bytes;  /* LOOP_READ_BYTES: what one read brings, until its callback returns */
};

void loop_start(struct loop *loop, unsigned index, struct server *server);
/* Any thread, also after the loop ended. */
void loop_post(struct loop *loop, struct letter *letter);
/* Any thread: asks every connection to end, then the loop itself; loop_join() waits for it. */
void loop_stop(struct loop *loop);
void loop_join(struct loop *loop);
/* Any thread: a connection is on its way to the loop; it is gone. */
void loop_count(struct loop *loop);
void loop_uncount(struct loop *loop);
/* On the loop: whole seconds of a clock that never jumps. */
uint64_t loop_now_s(const struct loop *loop);
/* On the loop, by conn.c: the item is due at `due_s`; see conn_on_due(). */
void loop_set_deadline(struct loop *loop, struct wheel_item *item, uint64_t due_s);
/* On the loop, by conn.c: a connection is gone; a stopping loop ends with the last. */
void loop_end_if_empty(struct loop *loop);
/* Once nobody posts any more: what is left in the inbox is delivered, to no connection. */
void loop_finish(struct loop *loop);

#endif
