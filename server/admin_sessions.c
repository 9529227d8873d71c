/* Who is logged in, and ending that; who could not log in.  On the directory's lane, which has nothing to do with it. */
#include "server/admin.h"

#include "server/abuse.h"
#include "server/loop.h"
#include "server/server.h"
#include "server/sessions.h"
#include "server/when.h"

#include <inttypes.h>
#include <time.h>

enum { ROWS_MAX = 500 /* a slice */ };

struct listing {
	struct admin_task *task;
	size_t rows;
};

static struct sessions *sessions_of(const struct admin_task *task)
{
	return task->op.ticket.loop->server->sessions;
}

static bool on_session(void *ctx, const struct session_entry *e)
{
	struct listing *l = ctx;
	char since[WHEN_TEXT_MAX], id[24];
	struct buf row;
	snprintf(id, sizeof(id), "%" PRIu64, e->id);
	when_write(e->since_s, since);
	admin_row_begin(l->task, &row);
	admin_row_text(&row, "session", id);
	admin_row_text(&row, "user", e->address);
	admin_row_text(&row, "device", e->device);
	admin_row_text(&row, "remote", e->remote);
	admin_row_text(&row, "since", since);
	admin_row_text(&row, "command", atomic_load_explicit(&e->command, memory_order_relaxed));
	admin_row_text(&row, "tls", e->tls);
	admin_row_text(&row, "credential", e->credential);
	admin_row_number(&row, "commands", (int64_t)atomic_load_explicit(&e->commands, memory_order_relaxed));
	admin_row_number(&row, "bytes_in", (int64_t)atomic_load_explicit(&e->bytes_in, memory_order_relaxed));
	admin_row_number(&row, "bytes_out", (int64_t)atomic_load_explicit(&e->bytes_out, memory_order_relaxed));
	admin_row_end(l->task, &row);
	snprintf(l->task->cursor, sizeof(l->task->cursor), "%s", id);
	l->task->more = ++l->rows >= ROWS_MAX;
	return !l->task->more;
}

enum op_result admin_sessions(struct admin_task *task, struct account *account)
{
	struct listing l = {task, 0};
	(void)account;
	task->more = false;
	sessions_each(sessions_of(task), strtoull(task->cursor, NULL, 10), on_session, &l);
	admin_say(task, "%s", "");
	return OP_DONE;
}

static void on_count(void *ctx, const struct abuse_row *counted)
{
	struct admin_task *task = ctx;
	struct buf row;
	admin_row_begin(task, &row);
	admin_row_text(&row, "kind", counted->kind);
	admin_row_text(&row, "who", counted->who);
	admin_row_number(&row, "failures", counted->failures);
	admin_row_number(&row, "held_s", (int64_t)counted->held_s);
	admin_row_end(task, &row);
}

enum op_result admin_abuse_list(struct admin_task *task, struct account *account)
{
	(void)account;
	abuse_each(task->op.ticket.loop->server->abuse, uv_hrtime() / 1000000000, on_count, task);
	admin_say(task, "%s", "");
	return OP_DONE;
}

enum op_result admin_abuse_clear(struct admin_task *task, struct account *account)
{
	(void)account;
	size_t n = abuse_clear(task->op.ticket.loop->server->abuse, admin_value(task, "WHO"));
	admin_say(task, "%zu count%s forgotten", n, n == 1 ? "" : "s");
	return OP_DONE;
}

enum op_result admin_kick(struct admin_task *task, struct account *account)
{
	const char *who = admin_value(task, "WHO");
	char address[ADDRESS_MAX + 1], *end;
	struct sessions_match match = {.id = strtoull(who, &end, 10)};
	(void)account;
	if (end == who || *end) {
		if (!address_normalise(who, strlen(who), address)) {
			admin_fail(task, "%s: an address, or the number of a session, is expected (roost sessions)", who);
			return OP_FAILED;
		}
		match = (struct sessions_match){.address = address};
	}
	size_t n = sessions_end(sessions_of(task), &match);
	if (n == 0)
		admin_fail(task, "%s: there is no such session", who);
	else
		admin_say(task, "%zu session%s ended", n, n == 1 ? "" : "s");
	return OP_DONE;
}
