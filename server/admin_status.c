/* What the server counts of itself. */
#include "server/admin.h"
#include "server/loop.h"
#include "server/metrics.h"

enum op_result admin_status(struct admin_task *task, struct account *account)
{
	const struct server *server = task->op.ticket.loop->server;
	(void)account;
	for (size_t i = 0; i < metrics_n; i++) {
		struct buf row;
		admin_row_begin(task, &row);
		admin_row_text(&row, "name", metrics[i].name);
		admin_row_number(&row, "value", (int64_t)metrics[i].read(server, metrics[i].arg));
		admin_row_text(&row, "help", metrics[i].help);
		admin_row_end(task, &row);
	}
	admin_say(task, "%s", "");
	return OP_DONE;
}
