/*
 * An IMAP session and its pump.
 *
 * Callbacks record a fact and call session_run(), the only place that decides what happens next.  One command runs at
 * a time, with at most one op of it in flight; what is pipelined behind it waits as bytes, within a limit.  While the
 * op is away it owns the command and the view.
 *
 * Untagged updates leave at two points only, and always from a worker that has the account: just before the tagged
 * response of a command that allows them, and while a command waits that wants them live (IDLE).  Which command allows
 * what is in the flags of its row, read here and nowhere else.
 */
#include "server/session_private.h"

#include "protocol/imap/response.h"
#include "server/accounts.h"
#include "server/lane.h"
#include "server/limits.h"
#include "server/metadata_tell.h"
#include "server/server.h"
#include "server/watchlist.h"

#include <inttypes.h>

static void session_run(struct session *s);

/* ---- ops ---- */

static void on_op_done(struct op *op, struct conn *conn)
{
	struct command *cmd = container_of(op, struct command, op);
	struct session *s = conn ? conn->session : NULL;
	if (!s) {
		command_dispose(cmd);
		return;
	}
	invariant(s->wait == WAIT_OP && s->command == cmd);
	s->wait = WAIT_BACK;
	session_run(s);
}

static enum step send_op(struct session *s, struct command *cmd,
			 enum op_result (*run)(struct command *cmd, struct account *account))
{
	s->open = cmd->open;
	cmd->run = run;
	cmd->unread = s->streaming;
	cmd->view = s->view;
	if (cmd->view)
		cmd->view->dialect = s->dialect;
	cmd->tells_metadata = (s->dialect & DIALECT_METADATA) != 0;
	cmd->metadata_heard = s->metadata_heard;
	cmd->watchlist = s->watchlist;
	s->watchlist = NULL;
	s->view = NULL;
	s->dirty = s->dirty && (cmd->unread || (cmd->row->flags & CMD_NO_UPDATES)); /* else it tells what it finds */
	if (!cmd->lane) {
		cmd->lane = accounts_hold(s->lane);
		cmd->op.login = arena_copy(&cmd->arena, span_of(s->master ? s->master : s->address)).ptr;
		cmd->op.device = arena_copy(&cmd->arena, span_of(session_device(s))).ptr;
	}
	cmd->here = cmd->quick && !cmd->op.writes && !cmd->telling;
	if (cmd->here && lane_run_here(cmd->lane, &cmd->op))
		return STEP_BACK;
	cmd->here = false;
	conn_submit(s->conn, cmd->lane, &cmd->op);
	return STEP_OP;
}

/* A client that has not asked for all events of its mailbox hears of its own changes, with a modseq above what it was not
 * told of. */
static bool is_behind(const struct command *cmd, const struct account *account)
{
	const struct view *v = cmd->view;
	const struct roster *r = cmd->watchlist && (v->silent_flags || !cmd->watchlist->selected) ?
		roster_loaded(account, v->mailbox) : NULL;
	bool fetches = (cmd->row->flags & CMD_NO_EXPUNGE) || (cmd->is_update && cmd->run);
	return fetches && r && r->info.modseq > view_highest_modseq(v);
}

static enum op_result run_command(struct op *op, struct account *account);

enum step session_op(struct session *s, struct command *cmd,
		     enum op_result (*run)(struct command *cmd, struct account *account))
{
	if (cmd->in_directory) {
		accounts_release(cmd->lane);
		cmd->lane = NULL;
		cmd->in_directory = false;
		cmd->op.run = run_command;
	}
	return send_op(s, cmd, run);
}

enum step session_directory_op(struct session *s, struct command *cmd,
			       enum op_result (*run)(struct op *op, struct account *account))
{
	invariant(!cmd->lane);
	cmd->lane = accounts_hold(accounts_directory(s->conn->loop->server->accounts));
	cmd->in_directory = true;
	cmd->op.run = run;
	return send_op(s, cmd, NULL);
}

/* For a client that resynchronises by what it heard last.  RFC 7162 3.2.5.1, 6: where expunges are held back, what it
 * hears of others' changes must not make it skip them; 3.2.7: else EXPUNGE and MOVE say how far it is. */
static void tell_modseq(struct command *cmd, const struct account *account)
{
	uint64_t modseq = view_highest_modseq(cmd->view);
	if (cmd->held)
		response_ok_number(&cmd->out, "HIGHESTMODSEQ", modseq, "Expunges are still to be told");
	else if (is_behind(cmd, account))
		response_ok_number(&cmd->out, "HIGHESTMODSEQ", modseq, "Not everything is told");
	else if ((cmd->row->flags & CMD_TELLS_MODSEQ) && cmd->status.word == STATUS_OK && !cmd->status.code && cmd->expunged)
		cmd->status.code = command_code(cmd, "HIGHESTMODSEQ %" PRIu64, modseq);
}

/* EVENT_*: what is told of the selected mailbox, to a client that uses NOTIFY; a new list begins with the mailbox as it is
 * (RFC 5465 3.1). */
static uint32_t events_told(const struct command *cmd)
{
	if (!cmd->watchlist)
		return EVENTS_MESSAGE;
	if (cmd->watchlist->overflow) /* it has been said: nothing more follows (RFC 5465 5.8) */
		return 0;
	return cmd->request.kind == CMD_NOTIFY ? EVENTS_MESSAGE : cmd->watchlist->selected;
}

/* Before anything of the command is done: what others did is told before what it does and answers itself, so that a client can
 * follow the order of things. */
static void begin_notified(struct command *cmd, struct account *account)
{
	struct watchlist *w = cmd->watchlist;
	struct view *v = cmd->view;
	cmd->begun = true;
	if (!(cmd->row->flags & CMD_NO_UPDATES) && cmd->request.kind != CMD_NOTIFY) /* that has a new list tell */
		watchlist_tell(w, cmd, account);
	if (!v)
		return;
	v->silent_flags = !(events_told(cmd) & EVENT_FLAG_CHANGE);
	if (cmd->row->flags & CMD_CHOOSES)
		watchlist_leave(w, account, v);
}

/* It hears of what it expunges itself alone (RFC 5465 3.1): others may come between its ops. */
static bool hides_expunges(const struct command *cmd)
{
	return cmd->watchlist && cmd->view && !cmd->unread && !cmd->telling && !events_told(cmd) &&
	       (cmd->row->flags & CMD_TELLS_MODSEQ) && !(cmd->row->flags & CMD_CHOOSES);
}

static enum view_told tell_view(struct command *cmd, struct account *account)
{
	struct view *v = cmd->view;
	/* RFC 7162 3.2.10.2: the numbers in a UID SEARCH, SORT or THREAD must hold as well. */
	bool numbers = !cmd->request.uid || (request_searches(&cmd->request) && cmd->request.search.by_numbers);
	bool expunges = !(cmd->row->flags & CMD_NO_EXPUNGE) || !numbers;
	uint32_t uidnext = v->uidnext;
	enum view_told told = view_tell(v, account, &cmd->out, cmd->here ? LIMIT_QUICK_BYTES : LIMIT_SLICE_BYTES, expunges,
					cmd->request.uid || cmd->watchlist);
	if (cmd->watchlist)
		watchlist_add_fresh(cmd->watchlist, account, v, uidnext);
	return told;
}

/* What the mailbox's view may be told with this command, on the worker.  RFC 3501 7.4.1; RFC 9051 7.5.1. */
static void tell_updates(struct command *cmd, struct account *account)
{
	unsigned flags = cmd->row->flags;
	if (cmd->tells_metadata && !cmd->more && !cmd->unread && !(flags & CMD_NO_UPDATES))
		metadata_tell(cmd, account);
	if (!cmd->view || cmd->more || cmd->unread || (flags & CMD_NO_UPDATES))
		return;
	enum view_told told = VIEW_TOLD;
	if (events_told(cmd))
		told = tell_view(cmd, account);
	else if (cmd->expunged)
		told = view_tell_own(cmd->view, account, &cmd->out, LIMIT_SLICE_BYTES, &cmd->watchlist->hidden);
	cmd->held = told == VIEW_HELD;
	cmd->more = cmd->telling = told == VIEW_MORE;
	if (!cmd->more && (cmd->dialect & DIALECT_QRESYNC))
		tell_modseq(cmd, account);
}

static enum op_result run_command(struct op *op, struct account *account)
{
	struct command *cmd = container_of(op, struct command, op);
	const struct view *view = cmd->view;
	uint64_t flags_modseq = view ? view->flags_modseq : 0, gone_modseq = view ? view->gone_modseq : 0;
	enum op_result result = OP_DONE;
	cmd->more = false;
	if (cmd->here && view && !roster_loaded(account, view->mailbox))
		return OP_AGAIN;
	if (cmd->here && cmd->tells_metadata && metadata_is_due(cmd, account))
		return OP_AGAIN;
	if (cmd->here && cmd->watchlist && !watchlist_is_known(cmd->watchlist, account))
		return OP_AGAIN;
	if (cmd->watchlist && !cmd->begun && !cmd->unread)
		begin_notified(cmd, account);
	bool over = cmd->is_update && cmd->watchlist && cmd->watchlist->overflow, hides = hides_expunges(cmd);
	if (hides)
		watchlist_hide(cmd->watchlist, account, view, !cmd->expunged);
	if (cmd->run && !cmd->telling && !over)
		result = cmd->run(cmd, account);
	if (hides && result == OP_DONE)
		watchlist_take_own(cmd->watchlist, account, view);
	if (result == OP_AGAIN)
		cmd->begun = false;
	if (result == OP_DONE)
		tell_updates(cmd, account);
	cmd->own_modseq = account->in_op ? account->op_modseq : 0;
	cmd->told = view && view == cmd->view &&
		    (cmd->telling || view->flags_modseq != flags_modseq || view->gone_modseq != gone_modseq);
	return result;
}

/* ---- the end of a command ---- */

static void write_tagged(struct session *s, const struct command *cmd)
{
	static const enum response_word words[] = {[STATUS_OK] = RESPONSE_OK, [STATUS_NO] = RESPONSE_NO,
						   [STATUS_BAD] = RESPONSE_BAD};
	const struct status *status = &cmd->status;
	/* RFC 5530 3: something is gone that could not be told of with this command. */
	const char *code = status->code || !cmd->held ? status->code : "EXPUNGEISSUED";
	invariant(status->word != STATUS_UNSET);
	if (!status->begun) {
		response_status(session_out(s), cmd->request.tag, words[status->word], code, status->text);
		return;
	}
	buf_add_text(session_out(s), "] ");
	buf_add_text(session_out(s), status->text);
	buf_add_text(session_out(s), "\r\n");
}

static void begin_tls(struct session *s)
{
	s->start_tls = false;
	s->device[0] = '\0'; /* said in the clear, perhaps by somebody else */
	conn_flush(s->conn);
	reader_clear(&s->reader);
	if (!conn_start_tls(s->conn))
		s->ending = true;
}

static void begin_deflate(struct session *s)
{
	s->start_deflate = false;
	conn_start_deflate(s->conn, reader_rest(&s->reader));
	reader_clear(&s->reader);
}

/* What is left in the reader was said after the end of the client's compression (RFC 8437 4.1). */
static void end_deflate(struct session *s)
{
	s->stop_deflate = false;
	conn_stop_deflate(s->conn);
}

/* The command that waited meanwhile goes on waiting. */
static void finish_update(struct session *s)
{
	command_dispose(s->command);
	s->command = s->waiting;
	s->waiting = NULL;
	s->wait = s->command ? WAIT_INPUT : WAIT_NOTHING;
}

static void finish_command(struct session *s)
{
	struct command *cmd = s->command;
	if (cmd->is_update) {
		finish_update(s);
		return;
	}
	if (s->streaming)
		reader_refuse(&s->reader);
	s->streaming = false;
	write_tagged(s, cmd);
	if (s->view && cmd->status.word == STATUS_NO && request_saves(&cmd->request))
		uidset_finish(&s->view->saved); /* RFC 5182 2.1 */
	s->bad = cmd->status.word == STATUS_BAD ? s->bad + 1 : 0;
	if (s->bad >= LIMIT_BAD_COMMANDS)
		session_end(s, "Too many bad commands");
	if (s->goodbye)
		response_status(session_out(s), (struct span){0}, RESPONSE_BYE, NULL, s->goodbye);
	s->goodbye = NULL;
	s->command = NULL;
	s->wait = WAIT_NOTHING;
	session_note_command(s, cmd);
	command_dispose(cmd);
	if (s->start_tls)
		begin_tls(s);
	if (s->start_deflate)
		begin_deflate(s);
	if (s->stop_deflate)
		end_deflate(s);
}

void session_obey(struct session *s, enum step step)
{
	switch (step) {
	case STEP_DONE:
		finish_command(s);
		break;
	case STEP_AGAIN:
		s->wait = WAIT_NOTHING;
		break;
	case STEP_OP:
		s->wait = WAIT_OP;
		break;
	case STEP_BACK:
		s->wait = WAIT_BACK;
		break;
	case STEP_WAIT:
		s->wait = WAIT_EVENT;
		conn_hold_open(s->conn);
		break;
	case STEP_INPUT:
		s->wait = WAIT_INPUT;
		break;
	}
}

void session_resume(struct session *s, enum step step)
{
	invariant(s->wait == WAIT_EVENT);
	session_obey(s, step);
	session_run(s);
	conn_let_go(s->conn);
}

/* The op could not be done, or its transaction was lost: nothing of its answer may be told. */
static void op_failed(struct session *s, struct command *cmd)
{
	buf_reset(&cmd->out);
	if (cmd->row->flags & CMD_CHOOSES)
		session_unselect(s);
	if (cmd->open || cmd->told) {
		/* A response cannot be finished, or the client was to hear of changes that may not have happened. */
		if (!cmd->open)
			buf_add_text(session_out(s), "* BYE [UNAVAILABLE] The store failed\r\n");
		s->ending = true;
		return;
	}
	if (cmd->op.err == STORE_FULL && !cmd->partly)
		command_store_error(cmd, STORE_FULL);
	else
		command_no(cmd, "UNAVAILABLE", cmd->partly ? "The store cannot do this now; a part was done before"
							   : "The store cannot do this now; nothing was changed");
	finish_command(s);
}

static void take_op(struct session *s, struct command *cmd)
{
	s->wait = WAIT_NOTHING;
	s->view = cmd->view;
	cmd->view = NULL;
	s->watchlist = cmd->watchlist;
	cmd->watchlist = NULL;
	if (cmd->op.fate != OP_RAN) {
		s->dirty = s->dirty || !cmd->is_update; /* it has told nothing */
		op_failed(s, cmd);
		return;
	}
	s->metadata_heard = cmd->metadata_heard;
	if (s->watchlist)
		watchlist_advance(s->watchlist, cmd->own_modseq, (cmd->row->flags & CMD_CHOOSES) != 0);
	s->dirty = s->dirty || (s->watchlist && (cmd->row->flags & CMD_CHOOSES));
	conn_move(s->conn, &cmd->out);
	if (cmd->broken) {
		s->ending = true;
		return;
	}
}

struct command *session_begin_command(struct session *s)
{
	invariant(!s->command);
	s->command = command_create();
	s->command->began_ns = uv_hrtime();
	op_init(&s->command->op, "IMAP", run_command, on_op_done);
	s->command->dialect = s->dialect;
	s->command->progress_s = session_config(s)->progress_s;
	s->command->message_bytes_max = session_config(s)->message_bytes_max;
	s->command->seven_bit_headers = s->conn->listener->seven_bit_headers && !(s->dialect & DIALECT_UTF8);
	return s->command;
}

/* What is left to tell needs no transaction. */
static enum step next_slice(struct session *s, struct command *cmd)
{
	cmd->partly = cmd->partly || (cmd->in_pieces && cmd->op.writes);
	cmd->op.writes = cmd->op.writes && !cmd->telling;
	return session_op(s, cmd, cmd->run);
}

/* ---- the pump: each step returns false when it has nothing to do ---- */

static bool step_command(struct session *s)
{
	struct command *cmd = s->command;
	if (!cmd || s->wait == WAIT_OP || s->wait == WAIT_EVENT || s->wait == WAIT_INPUT)
		return false;
	if (s->wait == WAIT_BACK)
		take_op(s, cmd);
	else if (cmd->more)
		session_obey(s, next_slice(s, cmd));
	else
		session_obey(s, cmd->step ? cmd->step(s, cmd) : STEP_DONE);
	return true;
}

/* RFC 5465: to a client that uses NOTIFY what changes is told also while no command runs.  Beside IDLE too it is an op of
 * its own, since it may be a FETCH of what has arrived (5.2). */
static bool send_notifications(struct session *s)
{
	static const struct command_row at_once = {"", CMD_UNKNOWN, LOGGED_IN, 0, NULL},
					delayed = {"", CMD_UNKNOWN, LOGGED_IN, CMD_NO_EXPUNGE, NULL};
	struct uidset fresh = {0};
	bool idles = s->command && s->wait == WAIT_INPUT && (s->command->row->flags & CMD_UPDATES_LIVE);
	if ((s->command && !idles) || (!s->dirty && !watchlist_is_due(s->watchlist)))
		return false;
	s->waiting = s->command;
	s->command = NULL;
	struct command *cmd = session_begin_command(s);
	cmd->is_update = true;
	cmd->row = s->watchlist->delayed && !s->waiting ? &delayed : &at_once;
	cmd->op.kind = "NOTIFY";
	command_ok(cmd, NULL, "");
	watchlist_take_fresh(s->watchlist, s->view, &fresh);
	bool fetches = fresh.n > 0;
	if (fetches)
		fetch_prepare(cmd, s->watchlist->attributes, &fresh);
	session_obey(s, session_op(s, cmd, fetches ? fetch_run : NULL));
	return true;
}

static bool send_updates(struct session *s)
{
	struct command *cmd = s->command;
	if (s->watchlist)
		return send_notifications(s);
	bool listens = s->view || (s->dialect & DIALECT_METADATA);
	if (!cmd || s->wait != WAIT_INPUT || !s->dirty || !listens || !(cmd->row->flags & CMD_UPDATES_LIVE))
		return false;
	session_obey(s, session_op(s, cmd, NULL));
	return true;
}

static void session_run(struct session *s)
{
	struct conn *c = s->conn;
	int turns = 0;
	invariant(!s->running);
	s->running = true;
	while (!s->ending && conn_is_open(c) && turns < LIMIT_SESSION_TURNS && conn_has_room(c)) {
		turns++;
		if (!step_command(s) && !send_updates(s) && !session_read_input(s))
			break;
	}
	s->running = false;
	atomic_store_explicit(&s->entry.bytes_in, c->bytes_in, memory_order_relaxed);
	atomic_store_explicit(&s->entry.bytes_out, c->bytes_out, memory_order_relaxed);
	if (turns == LIMIT_SESSION_TURNS)
		conn_yield(c);
	conn_flush(c);
	if (s->ending && s->wait != WAIT_OP) {
		session_leave(s); /* though the last words are on their way */
		conn_close_later(c);
	}
	if (s->wait == WAIT_OP && conn_peer_ended(c))
		conn_set_pulse(c, LIMIT_PROBE_S);
	conn_set_reading(c, !s->ending && c->in.len < IN_HIGH);
}

/* ---- facts ---- */

/* With TLS from the first byte it waits for the handshake, which says what can be offered: bindings, a certificate of the client. */
static void greet(struct session *s)
{
	struct conn *c = s->conn;
	if (s->greeted || (conn_is_secure(c) && !conn_tls(c)))
		return;
	s->greeted = true;
	conn_write_text(c, "* OK [CAPABILITY ");
	session_add_capabilities(s, conn_out(c));
	conn_write_text(c, "] Roost is ready\r\n");
}

static void on_fact(struct conn *c)
{
	greet(c->session);
	session_run(c->session);
}

static void on_closed(struct conn *c)
{
	struct session *s = c->session;
	session_leave(s);
	if (s->command && s->wait != WAIT_OP)
		command_dispose(s->command);
	if (s->waiting)
		command_dispose(s->waiting);
	watchlist_destroy(s->watchlist);
	view_destroy(s->view);
	reader_finish(&s->reader);
	notify_unwatch(&s->watch);
	auth_destroy(s->auth);
	accounts_release(s->lane);
	free(s->master);
	free(s->capabilities_off);
	free(s);
}

/* The view may be away with an op: any change of the account is worth a look. */
static void on_change(struct watch *watch, int64_t mailbox, uint64_t modseq)
{
	struct session *s = container_of(watch, struct session, watch);
	(void)mailbox, (void)modseq;
	s->dirty = true;
	if (s->command ? s->wait == WAIT_INPUT : s->watchlist != NULL)
		session_run(s);
}

/* The output stops inside a response, whose rest is still to come.  While an op has the command, this is as it was before. */
static bool is_mid_response(const struct session *s)
{
	const struct command *cmd = s->command;
	if (s->wait == WAIT_OP)
		return s->open;
	return cmd && (cmd->open || cmd->status.begun);
}

static void on_ending(struct conn *c, enum conn_end why)
{
	static const char *const words[] = {[CONN_END_STOPPING] = "* BYE [UNAVAILABLE] The server stops\r\n",
					    [CONN_END_IDLE] = "* BYE Idle for too long\r\n",
					    [CONN_END_KICKED] = "* BYE The administrator ends this session\r\n"};
	struct session *s = c->session;
	session_leave(s);
	if (!is_mid_response(s))
		conn_write_text(c, words[why]);
}

static void on_accept(struct conn *c)
{
	struct session *s = xcalloc(1, sizeof(*s));
	s->conn = c;
	s->watch.on_change = on_change;
	c->session = s;
	reader_init(&s->reader, &reader_limits_before_login);
	greet(s);
}

static void on_pulse(struct conn *c)
{
	struct session *s = c->session;
	/* With an op in flight it will hear something anyway; but where nothing more is to be read from a client, writing shows
	 * whether it is still there, and ends a long search for one that has gone. */
	bool probes = s->wait == WAIT_OP && conn_peer_ended(c) && !is_mid_response(s);
	if (s->wait == WAIT_INPUT || probes)
		conn_write_text(c, "* OK Still here\r\n");
}

const struct conn_user session_user = {on_accept, on_fact, on_fact, on_ending, on_closed, on_pulse};
