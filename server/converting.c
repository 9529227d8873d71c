#include "server/converting.h"

#include "server/accounts.h"
#include "server/confine.h"
#include "server/convert_run.h"
#include "server/lane.h"
#include "server/log.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include <utlist.h>

enum { TURN_DOCUMENTS = 16 /* then, behind the content they are of, another account comes */ };

/* An account that waits, or that the thread is at. */
struct candidate {
	struct op op;
	struct converting *converting;
	struct candidate *next;
	struct lane *lane; /* held */
	struct convert_run run;
	enum convert_step step; /* what the op said last */
	bool answered;          /* it did; under the mutex */
};

struct converting {
	const struct config *config;
	struct accounts *accounts;
	uv_thread_t thread;
	uv_mutex_t mutex;
	uv_cond_t work;            /* something waits, an op answered, or all stops: the thread alone waits for it */
	struct candidate *waiting; /* first come, first served */
	atomic_bool stopping;
	bool joined;
};

static enum op_result convert_op_run(struct op *op, struct account *account)
{
	struct candidate *k = container_of(op, struct candidate, op);
	enum store_err err;
	if (atomic_load(&k->converting->stopping))
		return OP_DONE; /* `step` is the end */
	k->step = convert_run_step(&k->run, account, &err);
	if (k->step == CONVERT_MORE)
		return OP_AGAIN;
	if (err)
		log_event(LOG_WARNING, "convert_paused", log_text("account", k->lane->id),
			  log_text("error", accounts_error_name(err)));
	if (k->step == CONVERT_END && !fulltext_pending(account, FULLTEXT_NOW))
		fulltext_close(account);
	return OP_DONE;
}

static void convert_op_done(struct op *op, struct conn *conn)
{
	struct candidate *k = container_of(op, struct candidate, op);
	struct converting *c = k->converting;
	(void)conn;
	/* Here the lane's turn is ours: what is added to the index from now on is another candidate's. */
	if (k->step == CONVERT_END)
		k->lane->converting = false;
	uv_mutex_lock(&c->mutex);
	k->answered = true;
	uv_cond_signal(&c->work);
	uv_mutex_unlock(&c->mutex);
}

/* One op on the account's lane, waited for. */
static enum convert_step ask(struct candidate *k)
{
	struct converting *c = k->converting;
	k->step = CONVERT_END;
	k->answered = false;
	k->op = (struct op){0};
	op_init(&k->op, "convert", convert_op_run, convert_op_done);
	k->op.background = true;
	lane_submit(k->lane, &k->op);
	uv_mutex_lock(&c->mutex);
	while (!k->answered)
		uv_cond_wait(&c->work, &c->mutex);
	uv_mutex_unlock(&c->mutex);
	op_finish(&k->op);
	return k->step;
}

static void candidate_destroy(struct candidate *k)
{
	accounts_release(k->lane);
	free(k);
}

/* True: there is more, but others wait. */
static bool serve(struct candidate *k, int in, int out)
{
	struct converting *c = k->converting;
	enum convert_step step;
	convert_run_init(&k->run, c->config, k->lane->id, in, out);
	while ((step = ask(k)) == CONVERT_WANTS && (k->run.converted < TURN_DOCUMENTS || k->run.unsaved))
		convert_run_convert(&k->run, &c->stopping);
	convert_run_finish(&k->run);
	return step == CONVERT_WANTS;
}

static void work_on(struct converting *c, struct candidate *k)
{
	int in = accounts_open_unnamed(c->accounts), out = accounts_open_unnamed(c->accounts);
	if (in < 0 || out < 0)
		log_event(LOG_ERROR, "convert_files_failed", log_text("error", strerror(errno)));
	/* Without them it ends at the first content, on the lane, and may come again. */
	bool more = serve(k, in, out);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (!more) {
		candidate_destroy(k);
		return;
	}
	uv_mutex_lock(&c->mutex);
	LL_APPEND(c->waiting, k);
	uv_mutex_unlock(&c->mutex);
}

static void run_all(void *arg)
{
	struct converting *c = arg;
	pthread_setname_np(pthread_self(), "convert");
	uv_mutex_lock(&c->mutex);
	while (!atomic_load(&c->stopping)) {
		struct candidate *k = c->waiting;
		if (!k) {
			uv_cond_wait(&c->work, &c->mutex);
			continue;
		}
		LL_DELETE(c->waiting, k);
		uv_mutex_unlock(&c->mutex);
		work_on(c, k);
		uv_mutex_lock(&c->mutex);
	}
	uv_mutex_unlock(&c->mutex);
}

struct converting *converting_create(const struct config *config, struct accounts *accounts)
{
	if (!config->converts_n || !config->fulltext)
		return NULL;
	if (!confine_is_possible())
		log_event(LOG_WARNING, "convert_unconfined", log_text("reason", "the kernel has no Landlock, or it is not allowed here"));
	struct converting *c = xcalloc(1, sizeof(*c));
	c->config = config;
	c->accounts = accounts;
	invariant(uv_mutex_init(&c->mutex) == 0 && uv_cond_init(&c->work) == 0);
	invariant(uv_thread_create(&c->thread, run_all, c) == 0);
	return c;
}

void converting_stop(struct converting *c)
{
	if (!c || c->joined)
		return;
	uv_mutex_lock(&c->mutex);
	atomic_store(&c->stopping, true);
	uv_cond_signal(&c->work);
	uv_mutex_unlock(&c->mutex);
	uv_thread_join(&c->thread);
	c->joined = true;
	while (c->waiting) {
		struct candidate *k = c->waiting;
		LL_DELETE(c->waiting, k);
		candidate_destroy(k);
	}
}

void converting_destroy(struct converting *c)
{
	if (!c)
		return;
	converting_stop(c);
	uv_cond_destroy(&c->work);
	uv_mutex_destroy(&c->mutex);
	free(c);
}

void converting_add(struct converting *c, struct lane *lane)
{
	if (!c || lane->converting)
		return;
	struct candidate *k = xcalloc(1, sizeof(*k));
	k->converting = c;
	k->lane = accounts_acquire(lane->accounts, lane->id);
	uv_mutex_lock(&c->mutex);
	bool stopping = atomic_load(&c->stopping);
	if (!stopping) {
		lane->converting = true;
		LL_APPEND(c->waiting, k);
		uv_cond_signal(&c->work);
	}
	uv_mutex_unlock(&c->mutex);
	if (stopping)
		candidate_destroy(k);
}
