#include "server/upkeep.h"

#include "server/accounts.h"
#include "server/lane.h"
#include "server/log.h"

#include <pthread.h>

enum {
	AT_ONCE = 8,   /* accounts that are asked for at a time */
	LAG_S = 60,    /* clocks of file systems, and what was under way */
	SLICE = 500    /* users read at a time */
};

struct upkeep {
	struct accounts *accounts;
	struct directory *reader;
	pthread_t thread;
	uv_mutex_t mutex;
	uv_cond_t changed;
	bool stopping;
	size_t under_way; /* ops that were submitted */
	uint64_t counted;
};

/* ---- ops ---- */

struct counting {
	struct op op;
	struct upkeep *upkeep;
	struct lane *lane; /* held */
};

/* Opening the account has done it. */
static enum op_result count_run(struct op *op, struct account *account)
{
	(void)op, (void)account;
	return OP_DONE;
}

static void count_done(struct op *op, struct conn *conn)
{
	struct counting *c = container_of(op, struct counting, op);
	struct upkeep *u = c->upkeep;
	(void)conn;
	accounts_release(c->lane);
	op_finish(op);
	free(c);
	uv_mutex_lock(&u->mutex);
	u->under_way--;
	uv_cond_signal(&u->changed);
	uv_mutex_unlock(&u->mutex);
}

/* Waits until there is room for another op.  False: it is time to end. */
static bool wait_for_room(struct upkeep *u)
{
	uv_mutex_lock(&u->mutex);
	while (u->under_way >= AT_ONCE && !u->stopping)
		uv_cond_wait(&u->changed, &u->mutex);
	bool goes_on = !u->stopping;
	u->under_way += goes_on;
	uv_mutex_unlock(&u->mutex);
	return goes_on;
}

static bool count_account(struct upkeep *u, const char *account)
{
	if (!wait_for_room(u))
		return false;
	struct counting *c = xcalloc(1, sizeof(*c));
	op_init(&c->op, "count", count_run, count_done);
	c->op.background = true;
	c->upkeep = u;
	c->lane = accounts_acquire(u->accounts, account);
	lane_submit(c->lane, &c->op);
	u->counted++;
	return true;
}

/* ---- at the start ---- */

struct slice {
	size_t n;
	char last[ADDRESS_MAX + 1];
	char accounts[SLICE][DIRECTORY_ACCOUNT_LEN + 1];
};

static bool on_user(void *ctx, const char *address, const char *account)
{
	struct slice *s = ctx;
	snprintf(s->last, sizeof(s->last), "%s", address);
	snprintf(s->accounts[s->n++], sizeof(s->accounts[0]), "%s", account);
	return s->n < SLICE;
}

/* Those that have changed since their records were written. */
static void count_changed(struct upkeep *u)
{
	int64_t recorded_s;
	bool goes_on = true;
	struct slice *s = xcalloc(1, sizeof(*s));
	enum store_err err = directory_usage_time(u->reader, &recorded_s);
	do {
		s->n = 0;
		if (!err)
			err = directory_users(u->reader, NULL, s->last, on_user, s);
		for (size_t i = 0; i < s->n && !err && goes_on; i++)
			if (accounts_changed_s(u->accounts, s->accounts[i]) >= recorded_s - LAG_S)
				goes_on = count_account(u, s->accounts[i]);
	} while (!err && goes_on && s->n == SLICE);
	free(s);
	if (err)
		log_event(LOG_ERROR, "upkeep_failed", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(u->reader)));
	log_event(LOG_DEBUG, "counted", log_number("accounts", (int64_t)u->counted));
}

static void *run(void *arg)
{
	struct upkeep *u = arg;
	count_changed(u);
	return NULL;
}

struct upkeep *upkeep_start(struct accounts *accounts)
{
	struct upkeep *u = xcalloc(1, sizeof(*u));
	u->accounts = accounts;
	enum store_err err = accounts_read_directory(accounts, &u->reader);
	if (err) {
		log_event(LOG_ERROR, "upkeep_failed", log_text("error", accounts_error_name(err)));
		free(u);
		return NULL;
	}
	invariant(uv_mutex_init(&u->mutex) == 0 && uv_cond_init(&u->changed) == 0);
	invariant(pthread_create(&u->thread, NULL, run, u) == 0);
	pthread_setname_np(u->thread, "upkeep");
	return u;
}

void upkeep_stop(struct upkeep *u)
{
	if (!u)
		return;
	uv_mutex_lock(&u->mutex);
	u->stopping = true;
	uv_cond_signal(&u->changed);
	uv_mutex_unlock(&u->mutex);
	pthread_join(u->thread, NULL);
	uv_mutex_lock(&u->mutex);
	while (u->under_way)
		uv_cond_wait(&u->changed, &u->mutex);
	uv_mutex_unlock(&u->mutex);
	directory_close(u->reader);
	uv_cond_destroy(&u->changed);
	uv_mutex_destroy(&u->mutex);
	free(u);
}
