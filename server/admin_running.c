/* What is done to the daemon itself: its configuration, its log.  On the directory's lane, so one at a time. */
#include "server/admin.h"

#include "server/log.h"
#include "server/reload.h"
#include "server/server.h"

static void on_option(void *ctx, const char *option, bool taken)
{
	struct admin_task *task = ctx;
	struct buf row;
	admin_row_begin(task, &row);
	admin_row_text(&row, "option", option);
	admin_row_text(&row, "state", taken ? "taken over" : "restart to use it");
	admin_row_end(task, &row);
}

enum op_result admin_reload(struct admin_task *task, struct account *account)
{
	struct server *server = task->op.ticket.loop->server;
	(void)account;
	if (!server->config_path) {
		admin_fail(task, "no daemon runs");
		return OP_DONE;
	}
	if (!server_reload(server, on_option, task))
		admin_fail(task, "%s is wrong, and nothing was changed; the daemon has said on its standard error what is",
			   server->config_path);
	else
		admin_say(task, "%s", "");
	return OP_DONE;
}

enum op_result admin_log_level(struct admin_task *task, struct account *account)
{
	const struct server *server = task->op.ticket.loop->server;
	const char *text = admin_value(task, "LEVEL");
	enum log_level level;
	(void)account;
	if (!log_level_parse(text, &level))
		admin_fail(task, "%s: error, warning, info or debug is expected", text);
	else if (!server->config_path)
		admin_fail(task, "no daemon runs");
	else
		log_set_level(level);
	return OP_DONE;
}
