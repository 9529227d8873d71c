#include "server/upkeep.h"

#include "server/accounts.h"
#include "server/lane.h"
#include "server/log.h"
#include "server/settings.h"
#include "storage/removed.h"

#include <pthread.h>
#include <time.h>

enum {
	AT_ONCE = 8,   /* accounts that are asked for at a time */
	LAG_S = 60,    /* clocks of file systems, and what was under way */
	SLICE = 500,   /* users read at a time */
	EVERY_S = 3600,
	DAY_S = 86400
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

/* One that is waited for, or several at once. */
struct chore {
	struct op op;
	struct upkeep *upkeep;
	struct lane *lane;     /* held */
	const char *account;   /* of a purge; or a domain */
	enum store_err *out;   /* NULL: nobody waits */
};

static void chore_done(struct op *op, struct conn *conn)
{
	struct chore *c = container_of(op, struct chore, op);
	struct upkeep *u = c->upkeep;
	(void)conn;
	uv_mutex_lock(&u->mutex);
	if (c->out)
		*c->out = op->fate == OP_RAN || op->err ? op->err : STORE_BUSY;
	u->under_way--;
	uv_cond_signal(&u->changed);
	uv_mutex_unlock(&u->mutex);
	accounts_release(c->lane);
	op_finish(op);
	free(c);
}

/* Waits until fewer than `most` are under way, and counts one more.  False: it is time to end. */
static bool wait_for_room(struct upkeep *u, size_t most)
{
	uv_mutex_lock(&u->mutex);
	while (u->under_way >= most && !u->stopping)
		uv_cond_wait(&u->changed, &u->mutex);
	bool goes_on = !u->stopping;
	u->under_way += goes_on;
	uv_mutex_unlock(&u->mutex);
	return goes_on;
}

/* Takes the lane over. */
static struct chore *make_chore(struct upkeep *u, const char *kind, struct lane *lane,
				enum op_result (*run)(struct op *, struct account *))
{
	struct chore *c = xcalloc(1, sizeof(*c));
	op_init(&c->op, kind, run, chore_done);
	c->op.background = true;
	c->upkeep = u;
	c->lane = lane;
	return c;
}

/* STORE_BUSY: it is time to end. */
static enum store_err do_and_wait(struct upkeep *u, struct lane *lane, const char *account, bool closes,
				  enum op_result (*run)(struct op *, struct account *))
{
	enum store_err err = STORE_OK;
	if (!wait_for_room(u, 1)) {
		accounts_release(lane);
		return STORE_BUSY;
	}
	struct chore *c = make_chore(u, "purge", lane, run);
	c->account = account;
	c->out = &err;
	c->op.closes = closes;
	lane_submit(lane, &c->op);
	uv_mutex_lock(&u->mutex);
	while (u->under_way)
		uv_cond_wait(&u->changed, &u->mutex);
	uv_mutex_unlock(&u->mutex);
	return err;
}

/* Opening the account has done it. */
static enum op_result count_run(struct op *op, struct account *account)
{
	(void)op, (void)account;
	return OP_DONE;
}

static bool count_account(struct upkeep *u, const char *account)
{
	if (!wait_for_room(u, AT_ONCE))
		return false;
	struct lane *lane = accounts_acquire(u->accounts, account);
	lane_submit(lane, &make_chore(u, "count", lane, count_run)->op);
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

static bool is_stopping(struct upkeep *u)
{
	uv_mutex_lock(&u->mutex);
	bool stopping = u->stopping;
	uv_mutex_unlock(&u->mutex);
	return stopping;
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
		for (size_t i = 0; i < s->n && !err && goes_on; i++) {
			int64_t changed_s = accounts_changed_s(u->accounts, s->accounts[i]);
			if (changed_s && changed_s >= recorded_s - LAG_S)
				goes_on = count_account(u, s->accounts[i]);
		}
	} while (!err && goes_on && s->n == SLICE);
	free(s);
	if (err)
		log_event(LOG_ERROR, "upkeep_failed", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(u->reader)));
	log_event(LOG_DEBUG, "counted", log_number("accounts", (int64_t)u->counted));
}

/* ---- removed users whose time is over ---- */

static enum op_result change_directory(struct op *op, enum store_err (*change)(struct directory *, const char *))
{
	struct chore *c = container_of(op, struct chore, op);
	enum store_err err = directory_begin(op->directory);
	if (!err)
		err = change(op->directory, c->account);
	enum store_err end = directory_end(op->directory, !err);
	op->err = err ? err : end;
	return op->err ? OP_FAILED : OP_DONE;
}

static enum op_result begin_run(struct op *op, struct account *account)
{
	(void)account;
	return change_directory(op, directory_purge_begin);
}

static enum op_result files_run(struct op *op, struct account *account)
{
	struct chore *c = container_of(op, struct chore, op);
	bool more = false;
	(void)account;
	op->err = accounts_purge(c->lane, &more);
	return op->err ? OP_FAILED : (more ? OP_AGAIN : OP_DONE);
}

static enum op_result end_run(struct op *op, struct account *account)
{
	(void)account;
	return change_directory(op, directory_purge_end);
}

static enum op_result forget_run(struct op *op, struct account *account)
{
	(void)account;
	return change_directory(op, directory_domain_forget);
}

static struct lane *directory_lane(struct upkeep *u)
{
	return accounts_hold(accounts_directory(u->accounts));
}

/* Each step is on disk before the next begins (storage/removed.h). */
static enum store_err purge(struct upkeep *u, const struct removed_user *user)
{
	enum store_err err = do_and_wait(u, directory_lane(u), user->account, false, begin_run);
	if (!err)
		err = do_and_wait(u, accounts_acquire(u->accounts, user->account), user->account, true, files_run);
	if (!err)
		err = do_and_wait(u, directory_lane(u), user->account, false, end_run);
	if (err == STORE_NOTFOUND || err == STORE_BUSY) /* somebody has it back; the daemon ends */
		return STORE_OK;
	if (err)
		log_event(LOG_ERROR, "purge_failed", log_text("user", user->address), log_text("account", user->account),
			  log_text("error", accounts_error_name(err)));
	else
		log_event(LOG_INFO, "purged", log_text("user", user->address), log_text("account", user->account));
	return err;
}

struct due {
	struct upkeep *upkeep;
	int64_t now_s;
	bool found;
	struct removed_user user;
	char domain[ADDRESS_DOMAIN_MAX + 1];
	char after[DIRECTORY_ACCOUNT_LEN + 1];
};

static bool is_over(const struct due *due, int64_t at_s, const struct setting_values *values)
{
	int64_t days = values->value[SETTING_REMOVED_DAYS];
	return days && due->now_s - at_s >= days * DAY_S;
}

static bool on_removed(void *ctx, const struct removed_user *user)
{
	struct due *due = ctx;
	struct setting_values values;
	settings_defaults(accounts_settings(due->upkeep->accounts), &values);
	snprintf(due->after, sizeof(due->after), "%s", user->account);
	if (directory_settings_of_removed(due->upkeep->reader, user->account, user->address, &values))
		return true;
	due->found = user->purging || is_over(due, user->at_s, &values);
	due->user = *user;
	return !due->found;
}

static void on_domain_due(void *ctx, const char *name, int64_t at_s)
{
	struct due *due = ctx;
	struct setting_values values;
	settings_defaults(accounts_settings(due->upkeep->accounts), &values);
	if (!directory_settings_of_domain(due->upkeep->reader, name, &values) && is_over(due, at_s, &values))
		snprintf(due->domain, sizeof(due->domain), "%s", name);
}

/* One after the other: nobody waits for it. */
static void purge_due(struct upkeep *u)
{
	struct due due = {.upkeep = u, .now_s = time(NULL)};
	enum store_err err;
	do {
		due.found = false;
		err = directory_removed(u->reader, NULL, due.after, on_removed, &due);
		if (!err && due.found)
			(void)!purge(u, &due.user);
	} while (!err && due.found && !is_stopping(u));
	/* After their users, whose time is that of the domain. */
	do {
		due.domain[0] = '\0';
		if (!err)
			err = directory_removed_domains(u->reader, on_domain_due, &due);
		if (!err && due.domain[0])
			err = do_and_wait(u, directory_lane(u), due.domain, false, forget_run);
	} while (!err && due.domain[0]);
	if (err && err != STORE_BUSY)
		log_event(LOG_ERROR, "upkeep_failed", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(u->reader)));
}

/* False: it is time to end. */
static bool rest(struct upkeep *u)
{
	uint64_t until = uv_hrtime() + (uint64_t)EVERY_S * 1000000000, now;
	uv_mutex_lock(&u->mutex);
	while (!u->stopping && (now = uv_hrtime()) < until)
		uv_cond_timedwait(&u->changed, &u->mutex, until - now);
	bool goes_on = !u->stopping;
	uv_mutex_unlock(&u->mutex);
	return goes_on;
}

static void *run(void *arg)
{
	struct upkeep *u = arg;
	count_changed(u);
	do
		purge_due(u);
	while (rest(u));
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
