#include "server/loop.h"

#include "protocol/base.h"
#include "server/conn.h"
#include "server/limits.h"

#include <pthread.h>

enum { SCRATCH_LIMIT = 1 << 20 };

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

void loop_count(struct loop *loop)
{
	atomic_fetch_add_explicit(&loop->conns_n, 1, memory_order_relaxed);
}

void loop_uncount(struct loop *loop)
{
	atomic_fetch_sub_explicit(&loop->conns_n, 1, memory_order_relaxed);
}

uint64_t loop_now_s(const struct loop *loop)
{
	return uv_now(&loop->uv) / 1000;
}

static void on_tick(uv_timer_t *timer)
{
	struct loop *loop = timer->data;
	struct wheel_item *item;
	while ((item = wheel_next_due(&loop->deadlines, loop_now_s(loop))))
		conn_on_due(container_of(item, struct conn, deadline));
	if (loop->deadlines.n == 0)
		uv_timer_stop(timer);
}

void loop_set_deadline(struct loop *loop, struct wheel_item *item, uint64_t due_s)
{
	if (loop->deadlines.n == 0) {
		wheel_init(&loop->deadlines, loop_now_s(loop)); /* it stood still while it was empty */
		uv_timer_start(&loop->tick, on_tick, 1000, 1000);
	}
	wheel_set(&loop->deadlines, item, due_s);
}

static void on_grace_over(uv_timer_t *timer)
{
	struct loop *loop = timer->data;
	struct conn *c, *next;
	HASH_ITER(hh, loop->conns, c, next)
		conn_close(c);
}

void loop_end_if_empty(struct loop *loop)
{
	if (!loop->stopping || loop->conns || uv_is_closing((uv_handle_t *)&loop->wake))
		return;
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->grace, NULL);
	uv_close((uv_handle_t *)&loop->tick, NULL);
}

static void run(void *arg)
{
	struct loop *loop = arg;
	char name[16];
	snprintf(name, sizeof(name), "loop-%u", loop->index);
	pthread_setname_np(pthread_self(), name);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_mutex_lock(&loop->mutex);
	loop->deaf = true;
	uv_mutex_unlock(&loop->mutex);
}

void loop_start(struct loop *loop, unsigned index, struct server *server)
{
	invariant(index < LIMIT_LOOPS);
	*loop = (struct loop){.index = index, .server = server, .read_bytes = xmalloc(LOOP_READ_BYTES)};
	loop->inbox_end = &loop->inbox;
	buf_init(&loop->cipher, SCRATCH_LIMIT);
	buf_init(&loop->packed, SCRATCH_LIMIT);
	invariant(uv_loop_init(&loop->uv) == 0);
	invariant(uv_mutex_init(&loop->mutex) == 0);
	invariant(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
	invariant(uv_timer_init(&loop->uv, &loop->grace) == 0);
	invariant(uv_timer_init(&loop->uv, &loop->tick) == 0);
	loop->wake.data = loop->grace.data = loop->tick.data = loop;
	invariant(uv_thread_create(&loop->thread, run, loop) == 0);
}

void loop_post(struct loop *loop, struct letter *letter)
{
	letter->next = NULL;
	uv_mutex_lock(&loop->mutex);
	*loop->inbox_end = letter;
	bool first = loop->inbox_end == &loop->inbox;
	loop->inbox_end = &letter->next;
	if (first && !loop->deaf)
		uv_async_send(&loop->wake);
	uv_mutex_unlock(&loop->mutex);
}

static void deliver_stop(struct letter *letter, struct loop *loop)
{
	free(letter);
	loop->stopping = true;
	struct conn *c, *next;
	HASH_ITER(hh, loop->conns, c, next)
		conn_stop(c, CONN_END_STOPPING);
	uv_timer_start(&loop->grace, on_grace_over, LIMIT_STOP_MS, 0);
	loop_end_if_empty(loop);
}

void loop_stop(struct loop *loop)
{
	struct letter *letter = xcalloc(1, sizeof(*letter));
	letter->deliver = deliver_stop;
	loop_post(loop, letter);
}

void loop_join(struct loop *loop)
{
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
	buf_finish(&loop->cipher);
	buf_finish(&loop->packed);
	free(loop->read_bytes);
}
