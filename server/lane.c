#include "server/lane.h"

#include "protocol/base.h"
#include "server/conn.h"
#include "server/server.h"
#include "storage/content.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SLICE_US = 10000 };

struct lane {
	struct lane *next;          /* of all lanes */
	struct lane *runnable_next;
	struct lanes *lanes;
	char id[40];
	struct account *account;
	struct directory *directory;
	struct op *queue, **queue_end;
	bool scheduled; /* queued as runnable, or running */
};

struct lanes {
	uv_mutex_t mutex;
	uv_cond_t work;
	struct lane *all, *directory;
	struct lane *runnable, **runnable_end;
	uv_thread_t *threads;
	int threads_n, loops_n;
	struct loop *loops;
	const char *store;
	struct store_env env;
	bool stopping;
};

static int64_t now_s(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static struct lane *make_lane(struct lanes *lanes, const char *id)
{
	struct lane *lane = xcalloc(1, sizeof(*lane));
	lane->lanes = lanes;
	snprintf(lane->id, sizeof(lane->id), "%s", id);
	lane->queue_end = &lane->queue;
	lane->next = lanes->all;
	lanes->all = lane;
	return lane;
}

struct lane *lanes_get(struct lanes *lanes, const char *account_id)
{
	uv_mutex_lock(&lanes->mutex);
	struct lane *lane = lanes->all;
	while (lane && strcmp(lane->id, account_id) != 0)
		lane = lane->next;
	if (!lane)
		lane = make_lane(lanes, account_id);
	uv_mutex_unlock(&lanes->mutex);
	return lane;
}

struct lane *lanes_directory(struct lanes *lanes)
{
	return lanes->directory;
}

static void schedule(struct lanes *lanes, struct lane *lane)
{
	lane->runnable_next = NULL;
	*lanes->runnable_end = lane;
	lanes->runnable_end = &lane->runnable_next;
	uv_cond_signal(&lanes->work);
}

void lane_submit(struct lane *lane, struct op *op)
{
	struct lanes *lanes = lane->lanes;
	op->next = NULL;
	uv_mutex_lock(&lanes->mutex);
	*lane->queue_end = op;
	lane->queue_end = &op->next;
	if (!lane->scheduled) {
		lane->scheduled = true;
		schedule(lanes, lane);
	}
	uv_mutex_unlock(&lanes->mutex);
}

static void deliver_done(struct letter *letter, struct loop *loop)
{
	struct op *op = container_of(letter, struct op, letter);
	op->done(op, conn_find(loop, op->conn_id));
}

static void release(struct op *op)
{
	op->letter.deliver = deliver_done;
	if (op->loop)
		loop_post(op->loop, &op->letter);
	else
		op->done(op, NULL);
}

struct changed {
	struct letter letter;
	struct lane *lane;
	int64_t mailbox;
};

static void deliver_changed(struct letter *letter, struct loop *loop)
{
	struct changed *m = container_of(letter, struct changed, letter);
	for (struct conn *c = loop->conns, *next; c; c = next) {
		next = c->next;
		if (c->user == &session_user && !c->closing)
			session_notify(c, m->lane, m->mailbox);
	}
	free(m);
}

static void notify(struct lane *lane, const struct account_touched *touched, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (int l = 0; l < lane->lanes->loops_n; l++) {
			struct changed *m = xcalloc(1, sizeof(*m));
			m->letter.deliver = deliver_changed;
			m->lane = lane;
			m->mailbox = touched[i].mailbox;
			loop_post(&lane->lanes->loops[l], &m->letter);
		}
	}
}

static enum store_err open_account(struct lane *lane)
{
	if (lane->account || lane == lane->lanes->directory)
		return STORE_OK;
	char path[4096];
	snprintf(path, sizeof(path), "%s/accounts", lane->lanes->store);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return STORE_IO;
	snprintf(path, sizeof(path), "%s/accounts/%s", lane->lanes->store, lane->id);
	enum store_err err = account_open(&lane->lanes->env, path, true, &lane->account);
	if (err)
		fprintf(stderr, "event=account_open_failed account=%s error=%d\n", lane->id, err);
	else
		content_clean_tmp(lane->account);
	return err;
}

static void run_op(struct lane *lane, struct op *op)
{
	enum store_err err = open_account(lane);
	if (!err && op->writes && lane->account)
		err = account_begin(lane->account);
	bool ok = !err && op->run(op, lane->account, lane->directory);
	if (!err && op->writes && lane->account)
		err = account_end(lane->account, ok);
	if (err) {
		fprintf(stderr, "event=op_failed account=%s error=%d fault=\"%s\"\n", lane->id, err,
			lane->account ? account_fault(lane->account) : "");
		op->failed = true;
	}
}

/* Replies of writes, and of reads that may have seen them, wait for the commit. */
static void commit(struct lane *lane, struct op *waiting)
{
	const struct account_touched *touched = NULL;
	size_t n = 0;
	enum store_err err = lane->account ? account_commit(lane->account, &touched, &n) : STORE_OK;
	if (err) {
		/* The outcome is unknown: the account is closed and opened afresh. */
		fprintf(stderr, "event=commit_failed account=%s error=%d fault=\"%s\"\n", lane->id, err,
			account_fault(lane->account));
		account_close(lane->account);
		lane->account = NULL;
	} else {
		notify(lane, touched, n);
	}
	while (waiting) {
		struct op *next = waiting->next;
		if (err)
			waiting->failed = true;
		release(waiting);
		waiting = next;
	}
}

static void run_lane(struct lanes *lanes, struct lane *lane)
{
	struct op *waiting = NULL, **waiting_end = &waiting;
	uint64_t until = now_us() + SLICE_US;
	do {
		uv_mutex_lock(&lanes->mutex);
		struct op *op = lane->queue;
		if (op) {
			lane->queue = op->next;
			if (!lane->queue)
				lane->queue_end = &lane->queue;
		}
		uv_mutex_unlock(&lanes->mutex);
		if (!op)
			break;
		run_op(lane, op);
		if (lane->account && lane->account->in_transaction) {
			op->next = NULL;
			*waiting_end = op;
			waiting_end = &op->next;
		} else {
			release(op);
		}
	} while (now_us() < until);
	commit(lane, waiting);
	uv_mutex_lock(&lanes->mutex);
	if (lane->queue)
		schedule(lanes, lane);
	else
		lane->scheduled = false;
	uv_mutex_unlock(&lanes->mutex);
}

static void worker(void *arg)
{
	struct lanes *lanes = arg;
	uv_mutex_lock(&lanes->mutex);
	for (;;) {
		while (!lanes->runnable && !lanes->stopping)
			uv_cond_wait(&lanes->work, &lanes->mutex);
		struct lane *lane = lanes->runnable;
		if (!lane)
			break;
		lanes->runnable = lane->runnable_next;
		if (!lanes->runnable)
			lanes->runnable_end = &lanes->runnable;
		uv_mutex_unlock(&lanes->mutex);
		run_lane(lanes, lane);
		uv_mutex_lock(&lanes->mutex);
	}
	uv_mutex_unlock(&lanes->mutex);
}

struct lanes *lanes_create(const struct config *config, struct loop *loops)
{
	struct lanes *lanes = xcalloc(1, sizeof(*lanes));
	lanes->store = config->store;
	lanes->env = (struct store_env){.now_s = now_s, .fsync_always = config->fsync_always};
	lanes->loops = loops;
	lanes->loops_n = loops ? config->loops : 0;
	lanes->runnable_end = &lanes->runnable;
	invariant(uv_mutex_init(&lanes->mutex) == 0 && uv_cond_init(&lanes->work) == 0);
	char path[4096];
	mkdir(config->store, 0700);
	snprintf(path, sizeof(path), "%s/directory.db", config->store);
	lanes->directory = make_lane(lanes, "directory");
	enum store_err err = directory_open(path, &lanes->directory->directory);
	if (err) {
		fprintf(stderr, "event=store_failed path=%s error=%d hint=\"%s\"\n", path, err,
			err == STORE_BUSY ? "another roost has it open" : "");
		free(lanes->directory);
		free(lanes);
		return NULL;
	}
	lanes->threads_n = config->workers;
	lanes->threads = xcalloc((size_t)lanes->threads_n, sizeof(*lanes->threads));
	for (int i = 0; i < lanes->threads_n; i++)
		invariant(uv_thread_create(&lanes->threads[i], worker, lanes) == 0);
	return lanes;
}

void lanes_destroy(struct lanes *lanes)
{
	if (!lanes)
		return;
	uv_mutex_lock(&lanes->mutex);
	lanes->stopping = true;
	uv_cond_broadcast(&lanes->work);
	uv_mutex_unlock(&lanes->mutex);
	for (int i = 0; i < lanes->threads_n; i++)
		uv_thread_join(&lanes->threads[i]);
	while (lanes->all) {
		struct lane *lane = lanes->all;
		lanes->all = lane->next;
		account_close(lane->account);
		directory_close(lane->directory);
		free(lane);
	}
	uv_cond_destroy(&lanes->work);
	uv_mutex_destroy(&lanes->mutex);
	free(lanes->threads);
	free(lanes);
}
