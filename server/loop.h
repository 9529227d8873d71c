/*
 * A loop thread: its uv_loop, its inbox and the sessions that live on it.  A session never leaves its loop; other
 * threads reach it only by its id, through loop_post().
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct conn;
struct loop;
struct server;

/* A message to a loop; `deliver` runs on it. The message owns itself: deliver frees it. */
struct letter {
	struct letter *next;
	void (*deliver)(struct letter *self, struct loop *loop);
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_thread_t thread;
	uv_mutex_t mutex;
	struct letter *inbox, **inbox_end;
	struct server *server;
	struct conn *conns; /* all of them, a list; ids never repeat */
	uint64_t last_id;
	bool stopping;
};

void loop_start(struct loop *loop, struct server *server);
/* Any thread. */
void loop_post(struct loop *loop, struct letter *letter);
/* Any thread: connections are closed, then the loop ends; waits for it. */
void loop_stop(struct loop *loop);
/* Once nobody posts any more: what is left in the inbox is delivered to nobody. */
void loop_finish(struct loop *loop);

#endif
