/*
 * A connection of the admin protocol and its pump.  Callbacks record a fact and call admin_run(); what a request does
 * next is decided there.  While an op or a hash is in flight the task belongs to it.
 */
#include "server/admin.h"

#include "server/accounts.h"
#include "server/admin_frame.h"
#include "server/auth_pool.h"
#include "server/conn.h"
#include "server/log.h"
#include "server/server.h"
#include "server/sessions.h"
#include "server/settings.h"
#include "server/user_import.h"

#include <openssl/crypto.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROWS_LIMIT_BYTES = 16 << 20, PIECE_BYTES = ADMIN_FRAME_MAX, INPUT_HIGH = 2 * ADMIN_FRAME_MAX };

/* What comes next; a stage that the verb does not ask for is passed by. */
enum stage {
	STAGE_REQUEST,
	STAGE_HASH,   /* the password */
	STAGE_FIND,   /* the account */
	STAGE_CHECK,  /* whether the input can be taken */
	STAGE_READY,  /* for it */
	STAGE_INPUT,  /* takes it in, piece by piece, until its END */
	STAGE_VERB,
	STAGE_ANSWER, /* the rows; then once more, or the next account, or the end */
	STAGE_OVER
};

struct admin {
	struct conn *conn;
	struct admin_task *task; /* NULL before the request, and while it is away */
	enum stage stage;
	bool away, running;
};

static void admin_run(struct admin *a);

/* ---- ops ---- */

/* Nothing of what it said holds.  With --all it is said in a row, and the next account has its turn. */
static void op_failed(struct admin_task *task)
{
	struct buf row;
	buf_reset(&task->out);
	task->more = false;
	if (task->lane && task->op.fate == OP_UNAVAILABLE && accounts_is_held(task->lane))
		admin_fail(task, "%s: held for an hour after crashes that came with it (STORE/crashes tells which commands); "
				 "remove its lines there and restart to let it in", task->user.address);
	else
		admin_store_error(task, task->user.address[0] ? task->user.address : "the store",
				  task->op.err ? task->op.err : STORE_BUSY);
	if (!admin_is_for_all(task) || task->phase == ADMIN_FIND)
		return;
	admin_row_begin(task, &row);
	admin_row_text(&row, "address", task->user.address);
	admin_row_text(&row, "problem", task->message);
	admin_row_text(&row, "account", task->user.account);
	admin_row_end(task, &row);
	admin_say(task, "%s", "");
	task->exit_at_end = ADMIN_EXIT_FAILED;
}

static void on_op_done(struct op *op, struct conn *conn)
{
	struct admin_task *task = container_of(op, struct admin_task, op);
	struct admin *a = conn ? conn->session : NULL;
	if (!a) {
		admin_task_dispose(task);
		return;
	}
	a->task = task;
	a->away = false;
	if (op->fate != OP_RAN) {
		op_failed(task);
	}
	admin_run(a);
}

static bool on_next_user(void *ctx, const char *address, const char *account)
{
	struct admin_task *task = ctx;
	snprintf(task->user.address, sizeof(task->user.address), "%s", address);
	snprintf(task->user.account, sizeof(task->user.account), "%s", account);
	return false;
}

/* On a worker: the account of ADDRESS, or with --all the next one; its address is "" behind the last. */
static enum op_result run_find(struct admin_task *task)
{
	char address[ADDRESS_MAX + 1];
	memcpy(address, task->user.address, sizeof(address));
	if (!admin_is_for_all(task)) {
		admin_store_error(task, address, directory_user_find(task->op.directory, address, &task->user));
		return OP_DONE;
	}
	task->user.address[0] = '\0';
	enum store_err err = directory_users(task->op.directory, NULL, address, on_next_user, task);
	if (err)
		admin_store_error(task, "the directory", err);
	return OP_DONE;
}

/* Of those who may not go on: once nobody can log in so again. */
static void end_sessions(const struct admin_task *task)
{
	struct sessions *sessions = task->op.ticket.loop->server->sessions;
	if (task->ends_address[0])
		sessions_end(sessions, &(struct sessions_match){.address = task->ends_address});
	if (task->ends_domain[0])
		sessions_end(sessions, &(struct sessions_match){.domain = task->ends_domain});
	if (task->ends_credential[0])
		sessions_end(sessions, &(struct sessions_match){.credential = task->ends_credential});
}

/* The directory's lane has no transaction of its own: a verb that writes gets one. */
static enum op_result run_on_directory(struct admin_task *task)
{
	if (!(task->verb->flags & ADMIN_WRITES))
		return task->verb->run(task, NULL);
	enum store_err err = directory_begin(task->op.directory);
	enum op_result result = err ? OP_FAILED : task->verb->run(task, NULL);
	if (!err)
		err = directory_end(task->op.directory, result == OP_DONE);
	if (err)
		admin_store_error(task, "the directory", err);
	struct accounts *accounts = auth_pool_config(task->auth)->accounts;
	if (result == OP_DONE && !err)
		tally_move(accounts_tally(accounts), &task->moved);
	task->moved = (struct tally_move){.recorded = 0};
	settings_changed(accounts_settings(accounts));
	if (task->verb->flags & ADMIN_FORGETS) /* here, since the command may be gone before it hears of it */
		auth_pool_forget(task->auth);
	if (result == OP_DONE && !err)
		end_sessions(task);
	return result;
}

/* On the lane of an account that goes for good. */
static enum op_result run_purge(struct admin_task *task)
{
	bool more;
	enum store_err err = accounts_purge(task->lane, &more);
	if (err) {
		admin_store_error(task, task->purge, err);
		task->more = false;
		return OP_FAILED;
	}
	return more ? OP_AGAIN : OP_DONE;
}

static enum op_result run_op(struct op *op, struct account *account)
{
	struct admin_task *task = container_of(op, struct admin_task, op);
	switch (task->phase) {
	case ADMIN_FIND:
		return run_find(task);
	case ADMIN_TAKE:
		return task->verb->take(task, account);
	case ADMIN_PURGE:
		return run_purge(task);
	case ADMIN_RUN:
		break;
	}
	return account ? task->verb->run(task, account) : run_on_directory(task);
}

static void submit(struct admin *a, struct lane *lane)
{
	struct admin_task *task = a->task;
	a->task = NULL;
	a->away = true;
	conn_submit(a->conn, lane, &task->op);
}

/* ---- hashing ---- */

struct hash_job {
	struct auth_job job;
	struct admin_task *task;
	uint64_t conn_id;
	bool made;
};

static void run_hash(struct auth_job *job, struct auth_worker *worker)
{
	struct hash_job *h = container_of(job, struct hash_job, job);
	const char *password = h->task->password;
	char prepared[PASSWORD_MAX + 1];
	if (h->task->users) {
		h->task->hashes = user_import_hash(h->task->users, &auth_pool_config(worker->pool)->cost, worker->crypt);
		h->made = true;
		return;
	}
	h->made = password_prepare(password, strlen(password), prepared) &&
		  password_make(prepared, &auth_pool_config(worker->pool)->cost, worker->crypt, &h->task->user.secrets);
	OPENSSL_cleanse(prepared, sizeof(prepared));
}

static void on_hash_done(struct auth_job *job)
{
	struct hash_job *h = container_of(job, struct hash_job, job);
	struct conn *conn = conn_find(job->loop, h->conn_id);
	struct admin_task *task = h->task;
	if (!h->made)
		admin_fail(task, "this cannot be a password: 1 to %d bytes of UTF-8 without control characters are expected",
			   PASSWORD_MAX);
	free(h);
	if (!conn) {
		admin_task_dispose(task);
		return;
	}
	struct admin *a = conn->session;
	a->task = task;
	a->away = false;
	admin_run(a);
}

static void hash(struct admin *a)
{
	struct hash_job *h = xcalloc(1, sizeof(*h));
	h->job = (struct auth_job){.loop = a->conn->loop, .run = run_hash, .done = on_hash_done};
	h->task = a->task;
	h->conn_id = a->conn->id;
	if (auth_pool_submit(a->conn->loop->server->auth, &h->job)) {
		a->task = NULL;
		a->away = true;
		return;
	}
	free(h);
	admin_fail(a->task, "too many logins wait for the threads that check passwords; try again");
}

/* ---- the request ---- */

static const struct admin_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < admin_verbs_n; i++)
		if (strcmp(admin_verbs[i].name, name) == 0)
			return &admin_verbs[i];
	return NULL;
}

/* Keeps the arguments; false: one is unknown or missing, which the command line has seen to. */
static bool take_arguments(struct admin_task *task, struct span body)
{
	const char *name, *value;
	while (admin_frame_text(&body, &name)) {
		if (!admin_frame_text(&body, &value))
			return false;
		bool is_password = (task->verb->flags & ADMIN_PASSWORD) && strcmp(name, "password") == 0;
		size_t i = admin_param_of(task->verb, name);
		if (i == ADMIN_PARAMS_MAX && !is_password)
			return false;
		*(is_password ? &task->password : &task->values[i]) = arena_copy(&task->op.arena, span_of(value)).ptr;
	}
	for (size_t i = 0; i < ADMIN_PARAMS_MAX; i++)
		if (task->verb->params[i].kind == ADMIN_PARAM_WORD && !task->values[i] != admin_is_for_all(task))
			return false;
	return body.len == 0 && (!(task->verb->flags & ADMIN_PASSWORD) || !task->password == admin_is_without_password(task));
}

static void begin(struct admin *a, struct span body)
{
	static const struct admin_verb none = {.name = "admin"};
	const char *version = "", *name = "";
	struct admin_task *task = xcalloc(1, sizeof(*task));
	bool whole = admin_frame_text(&body, &version) && admin_frame_text(&body, &name);
	const struct admin_verb *verb = find_verb(name);
	task->verb = verb ? verb : &none;
	op_init(&task->op, task->verb->name, run_op, on_op_done);
	task->auth = a->conn->loop->server->auth;
	task->config = &a->conn->loop->server->config;
	task->message_bytes_max = a->conn->loop->server->config.message_bytes_max;
	buf_init(&task->out, ROWS_LIMIT_BYTES);
	buf_init(&task->input, INPUT_HIGH);
	a->task = task;
	a->stage = STAGE_HASH;
	const char *address = NULL;
	if (!whole || strcmp(version, ADMIN_VERSION) != 0 || !verb) {
		admin_fail(task, "the daemon that runs is of another version; restart it");
	} else if (!take_arguments(task, body)) {
		admin_fail(task, "%s: the arguments are not those of this verb", name);
	} else if ((address = admin_value(task, "ADDRESS")) &&
		   !address_normalise(address, strlen(address), task->user.address)) {
		admin_fail(task, "%s: this is not an address (user@domain)", address);
	}
}

/* ---- the pump ---- */

static void finish(struct admin *a)
{
	struct admin_task *task = a->task;
	struct buf body;
	a->stage = STAGE_OVER;
	if (task->exit == ADMIN_EXIT_DONE)
		task->exit = task->exit_at_end;
	bool is_daemon = *a->conn->listener->path; /* else whoever typed the command knows */
	if (is_daemon && task->exit == ADMIN_EXIT_DONE && (task->verb->flags & ADMIN_WRITES))
		log_event(LOG_INFO, "admin", log_text("verb", task->verb->name), log_text("on", task->values[0]));
	buf_init(&body, ADMIN_FRAME_MAX);
	buf_add_char(&body, (char)task->exit);
	buf_add_text(&body, task->message);
	admin_frame_add(conn_out(a->conn), ADMIN_DONE, buf_span(&body));
	buf_finish(&body);
	conn_close_later(a->conn);
}

/* Takes the next frame of the input: the request, or a piece of the body.  False: there is none yet. */
static bool read_frame(struct admin *a)
{
	struct buf *in = &a->conn->in;
	struct admin_frame frame;
	bool broken;
	if (!admin_frame_read(buf_span(in), &frame, &broken)) {
		if (broken)
			conn_close(a->conn);
		return false;
	}
	if (a->stage == STAGE_REQUEST && frame.type == ADMIN_REQUEST) {
		begin(a, frame.body);
	} else if (a->stage == STAGE_INPUT && frame.type == ADMIN_BODY) {
		buf_add_span(&a->task->input, frame.body);
	} else if (a->stage == STAGE_INPUT && frame.type == ADMIN_END) {
		a->task->input_ended = true;
	} else {
		conn_close(a->conn);
		return false;
	}
	buf_drop(in, frame.size);
	return true;
}

static void find_account(struct admin *a)
{
	accounts_release(a->task->lane);
	a->task->lane = NULL;
	a->task->phase = ADMIN_FIND;
	submit(a, accounts_directory(a->conn->loop->server->accounts));
}

static void submit_to_account(struct admin *a, enum admin_phase phase)
{
	struct admin_task *task = a->task;
	unsigned flags = task->verb->flags;
	task->phase = phase;
	if (!(flags & ADMIN_ACCOUNT)) {
		submit(a, accounts_directory(a->conn->loop->server->accounts));
		return;
	}
	if (!task->lane)
		task->lane = accounts_acquire(a->conn->loop->server->accounts, task->user.account);
	task->op.writes = (flags & ADMIN_WRITES) && (phase == ADMIN_RUN || (flags & ADMIN_STREAMS));
	task->op.beyond_quota = !(flags & ADMIN_WITHIN_QUOTA);
	task->op.login = "admin"; /* for the journal */
	task->op.device = task->verb->name;
	submit(a, task->lane);
}

static void run_verb(struct admin *a)
{
	struct admin_task *task = a->task;
	if (task->hashes) {
		hash(a);
		return;
	}
	if (task->verb->flags & ADMIN_ACCOUNT) {
		submit_to_account(a, ADMIN_RUN);
		return;
	}
	accounts_release(task->lane);
	task->lane = NULL;
	task->op.closes = task->purge_files;
	if (task->purge_files) {
		task->purge_files = false;
		task->phase = ADMIN_PURGE;
		task->lane = accounts_acquire(a->conn->loop->server->accounts, task->purge);
		submit(a, task->lane);
		return;
	}
	task->phase = ADMIN_RUN;
	submit(a, accounts_directory(a->conn->loop->server->accounts));
}

/* A piece to the lane, or another frame.  After a failure the rest is read and forgotten: the command sends it all
 * before it listens. */
static bool take_input(struct admin *a)
{
	struct admin_task *task = a->task;
	conn_move(a->conn, &task->out);
	if (task->exit != ADMIN_EXIT_DONE && (task->verb->flags & ADMIN_STREAMS)) {
		finish(a);
		return true;
	}
	if (task->exit != ADMIN_EXIT_DONE)
		buf_reset(&task->input);
	if (task->input_ended)
		a->stage = STAGE_VERB;
	else if (task->input.len < PIECE_BYTES)
		return read_frame(a);
	if (task->exit == ADMIN_EXIT_DONE)
		submit_to_account(a, ADMIN_TAKE);
	return true;
}

static void answer(struct admin *a)
{
	struct admin_task *task = a->task;
	conn_move(a->conn, &task->out);
	if (task->more)
		a->stage = STAGE_VERB;
	else if (admin_is_for_all(task))
		a->stage = STAGE_FIND;
	else
		finish(a);
}

/* The stages between the request and the answer, each of which may send the task away. */
static void next_stage(struct admin *a)
{
	struct admin_task *task = a->task;
	unsigned flags = task->verb->flags;
	switch (a->stage) {
	case STAGE_HASH:
		a->stage = STAGE_FIND;
		if ((flags & ADMIN_PASSWORD) && task->password)
			hash(a);
		break;
	case STAGE_FIND:
		a->stage = STAGE_CHECK;
		if (flags & ADMIN_ACCOUNT)
			find_account(a);
		break;
	case STAGE_CHECK:
		a->stage = flags & ADMIN_INPUT ? STAGE_READY : STAGE_VERB;
		if (flags & ADMIN_INPUT)
			submit_to_account(a, ADMIN_TAKE);
		break;
	case STAGE_READY:
		a->stage = STAGE_INPUT;
		admin_frame_add(conn_out(a->conn), ADMIN_READY, span_make("", 0));
		break;
	case STAGE_VERB:
		a->stage = STAGE_ANSWER;
		run_verb(a);
		break;
	case STAGE_REQUEST: case STAGE_INPUT: case STAGE_ANSWER: case STAGE_OVER:
		invariant(false && "a stage of its own");
	}
}

/* One step on; false: there is nothing to do before the next fact. */
static bool step(struct admin *a)
{
	struct admin_task *task = a->task;
	if (a->away || a->stage == STAGE_OVER || !conn_has_room(a->conn))
		return false;
	if (a->stage == STAGE_REQUEST)
		return read_frame(a);
	if (a->stage == STAGE_INPUT)
		return take_input(a);
	bool is_behind_last = admin_is_for_all(task) && a->stage == STAGE_CHECK && !task->user.address[0];
	if (a->stage == STAGE_ANSWER)
		answer(a);
	else if (task->exit != ADMIN_EXIT_DONE || is_behind_last)
		finish(a);
	else
		next_stage(a);
	return true;
}

static void admin_run(struct admin *a)
{
	invariant(!a->running);
	a->running = true;
	while (conn_is_open(a->conn) && step(a))
		;
	a->running = false;
	conn_flush(a->conn);
	conn_set_reading(a->conn, conn_is_open(a->conn) && a->conn->in.len < INPUT_HIGH);
}

static void on_fact(struct conn *c)
{
	admin_run(c->session);
}

/* Who may administer: root, and the user the server runs as. */
static bool is_peer_allowed(struct conn *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uv_os_fd_t fd;
	return uv_fileno(&c->uv.handle, &fd) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void on_accept(struct conn *c)
{
	struct admin *a = xcalloc(1, sizeof(*a));
	a->conn = c;
	c->session = a;
	if (!is_peer_allowed(c)) {
		log_event(LOG_WARNING, "admin_refused", log_text("reason", "neither root nor the user of the daemon"));
		conn_close(c);
		return;
	}
	conn_admit(c, LIMIT_IDLE_S);
}

static void on_ending(struct conn *c, enum conn_end why)
{
	(void)c, (void)why;
}

static void on_closed(struct conn *c)
{
	struct admin *a = c->session;
	admin_task_dispose(a->task);
	free(a);
}

const struct conn_user admin_user = {on_accept, on_fact, on_fact, on_ending, on_closed, NULL};
