#include "server/loop.h"

#include "protocol/base.h"
#include "server/conn.h"

static void on_wake(uv_async_t *wake)
{
	struct loop *loop = wake->data;
	uv_mutex_lock(&loop->mutex);
	struct letter *letter = loop->inbox;
	loop->inbox = NULL;
	loop->inbox_end = &loop->inbox;
	uv_mutex_unlock(&loop->mutex);
	while (letter) {
		struct letter *next = letter->next;
		letter->deliver(letter, loop);
		letter = next;
	}
}

static void run(void *arg)
{
	struct loop *loop = arg;
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_start(struct loop *loop, struct server *server)
{
	*loop = (struct loop){.server = server};
	loop->inbox_end = &loop->inbox;
	invariant(uv_loop_init(&loop->uv) == 0);
	invariant(uv_mutex_init(&loop->mutex) == 0);
	invariant(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
	loop->wake.data = loop;
	invariant(uv_thread_create(&loop->thread, run, loop) == 0);
}

void loop_post(struct loop *loop, struct letter *letter)
{
	letter->next = NULL;
	uv_mutex_lock(&loop->mutex);
	*loop->inbox_end = letter;
	loop->inbox_end = &letter->next;
	uv_mutex_unlock(&loop->mutex);
	uv_async_send(&loop->wake);
}

static void deliver_stop(struct letter *letter, struct loop *loop)
{
	free(letter);
	loop->stopping = true;
	for (struct conn *c = loop->conns, *next; c; c = next) {
		next = c->next;
		conn_write_text(c, c->user->goodbye);
		conn_flush(c);
		conn_close(c);
	}
	uv_close((uv_handle_t *)&loop->wake, NULL);
}

void loop_stop(struct loop *loop)
{
	struct letter *letter = xcalloc(1, sizeof(*letter));
	letter->deliver = deliver_stop;
	loop_post(loop, letter);
	uv_thread_join(&loop->thread);
}

void loop_finish(struct loop *loop)
{
	while (loop->inbox) {
		struct letter *left = loop->inbox;
		loop->inbox = left->next;
		left->deliver(left, loop);
	}
	uv_loop_close(&loop->uv);
	uv_mutex_destroy(&loop->mutex);
}
