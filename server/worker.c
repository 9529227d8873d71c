#include "server/worker.h"

#include "protocol/base.h"
#include "server/crash.h"
#include "server/lane.h"
#include "server/limits.h"
#include "storage/scratch.h"

#include <pthread.h>
#include <utlist.h>

struct workers {
	uv_mutex_t mutex;
	uv_cond_t work;
	struct lane *clients, *background; /* runnable lanes, oldest first */
	struct crash_handlers *crashes;
	int background_running, background_max;
	atomic_int waiting; /* lanes in `clients` */
	int count;
	pthread_t *threads;
	atomic_bool stopping;
};

void workers_lock(struct workers *w)
{
	uv_mutex_lock(&w->mutex);
}

void workers_unlock(struct workers *w)
{
	uv_mutex_unlock(&w->mutex);
}

bool workers_are_stopping(struct workers *w)
{
	return atomic_load_explicit(&w->stopping, memory_order_relaxed);
}

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

/* Called with the mutex held.  True: a thread is to be woken. */
static bool make_runnable(struct workers *w, struct lane *lane)
{
	bool background = !lane_has_client_work(lane);
	if (lane->state == LANE_RUNNING || (background && !lane_has_background_work(lane)))
		return false;
	if (lane->state == LANE_RUNNABLE) {
		if (background || !lane->in_background_list)
			return false;
		DL_DELETE2(w->background, lane, run_prev, run_next); /* a client's op came: the lane moves up */
	}
	lane->state = LANE_RUNNABLE;
	lane->in_background_list = background;
	if (background) {
		if (!lane->background_since_us)
			lane->background_since_us = now_us();
		DL_APPEND2(w->background, lane, run_prev, run_next);
	} else {
		DL_APPEND2(w->clients, lane, run_prev, run_next);
		atomic_fetch_add_explicit(&w->waiting, 1, memory_order_relaxed);
	}
	return true;
}

void workers_wake_and_unlock(struct workers *w, struct lane *lane)
{
	bool wake = make_runnable(w, lane);
	uv_mutex_unlock(&w->mutex);
	if (wake)
		uv_cond_signal(&w->work);
}

/* Called with the mutex held: the first lane whose background work is due.  NULL: `*due_us` is when one will be. */
static struct lane *find_due(struct workers *w, uint64_t at_us, uint64_t *due_us)
{
	*due_us = UINT64_MAX;
	if (w->background_running >= w->background_max)
		return NULL;
	for (struct lane *lane = w->background; lane; lane = lane->run_next) {
		uint64_t latest = lane->background_since_us + LIMIT_BACKGROUND_WAIT_US;
		uint64_t due = lane->quiet_until_us < latest ? lane->quiet_until_us : latest;
		if (due <= at_us)
			return lane;
		if (due < *due_us)
			*due_us = due;
	}
	return NULL;
}

/* Called with the mutex held.  NULL: there is none, and none is due before `*due_us`. */
static struct lane *take_lane(struct workers *w, uint64_t at_us, uint64_t *due_us)
{
	struct lane *lane = w->clients;
	*due_us = UINT64_MAX;
	if (lane) {
		DL_DELETE2(w->clients, lane, run_prev, run_next);
		atomic_fetch_sub_explicit(&w->waiting, 1, memory_order_relaxed);
	} else if ((lane = find_due(w, at_us, due_us))) {
		DL_DELETE2(w->background, lane, run_prev, run_next);
		lane->background_since_us = 0;
	} else {
		return NULL;
	}
	lane->state = LANE_RUNNING;
	lane->served = false;
	w->background_running += lane->in_background_list;
	return lane;
}

/* Called with the mutex held, which is released while the lane's ops run. */
static void run_turn(struct workers *w, struct lane *lane, const struct worker_tools *tools)
{
	uv_mutex_unlock(&w->mutex);
	lane_run_turn(lane, tools);
	uv_mutex_lock(&w->mutex);
	w->background_running -= lane->in_background_list;
	lane->state = LANE_RESTING;
	if (lane->served)
		lane_note_served(lane);
	bool again = make_runnable(w, lane);
	/* This thread looks for work itself; another is needed only when it will find more than one lane. */
	if ((again && w->clients && w->clients->run_next) || (w->background && w->clients))
		uv_cond_signal(&w->work);
}

static void *worker(void *arg)
{
	struct workers *w = arg;
	struct worker_tools tools = {crash_note_open(w->crashes), scratch_create()};
	uv_mutex_lock(&w->mutex);
	for (;;) {
		uint64_t at_us = workers_are_stopping(w) ? UINT64_MAX : now_us(), due_us;
		struct lane *lane = take_lane(w, at_us, &due_us);
		if (lane && w->background && !lane->in_background_list)
			uv_cond_signal(&w->work); /* this one may be who waited until they are due */
		if (lane)
			run_turn(w, lane, &tools);
		else if (workers_are_stopping(w) && !w->background)
			break;
		else if (due_us < UINT64_MAX)
			uv_cond_timedwait(&w->work, &w->mutex, (due_us - at_us) * 1000);
		else
			uv_cond_wait(&w->work, &w->mutex);
	}
	uv_cond_broadcast(&w->work);
	uv_mutex_unlock(&w->mutex);
	crash_note_close(tools.note);
	scratch_destroy(tools.scratch);
	return NULL;
}

int workers_waiting(struct workers *w)
{
	return atomic_load_explicit(&w->waiting, memory_order_relaxed);
}

bool workers_run_one(struct workers *w)
{
	struct worker_tools tools = {.scratch = scratch_create()};
	uint64_t due_us;
	uv_mutex_lock(&w->mutex);
	struct lane *lane = take_lane(w, UINT64_MAX, &due_us);
	if (lane)
		run_turn(w, lane, &tools);
	uv_mutex_unlock(&w->mutex);
	scratch_destroy(tools.scratch);
	return lane != NULL;
}

struct workers *workers_create(int count, struct crash_handlers *crashes)
{
	struct workers *w = xcalloc(1, sizeof(*w));
	w->crashes = crashes;
	invariant(uv_mutex_init(&w->mutex) == 0 && uv_cond_init(&w->work) == 0);
	w->count = count;
	w->background_max = count / 4 > 0 ? count / 4 : 1;
	w->threads = xcalloc((size_t)count, sizeof(*w->threads));
	for (int i = 0; i < count; i++) {
		char name[16];
		snprintf(name, sizeof(name), "worker-%u", (unsigned)i % 10000);
		invariant(pthread_create(&w->threads[i], NULL, worker, w) == 0);
		pthread_setname_np(w->threads[i], name);
	}
	return w;
}

void workers_stop(struct workers *w)
{
	uv_mutex_lock(&w->mutex);
	atomic_store(&w->stopping, true);
	uv_cond_broadcast(&w->work);
	uv_mutex_unlock(&w->mutex);
	for (int i = 0; i < w->count; i++)
		pthread_join(w->threads[i], NULL);
	w->count = 0;
	while (workers_run_one(w))
		;
}

void workers_destroy(struct workers *w)
{
	if (!w)
		return;
	workers_stop(w);
	uv_cond_destroy(&w->work);
	uv_mutex_destroy(&w->mutex);
	free(w->threads);
	free(w);
}
