#include "server/expirer.h"

#include "protocol/base.h"
#include "server/accounts.h"
#include "server/lane.h"
#include "server/log.h"
#include "storage/expire.h"
#include "storage/mailbox.h"

enum { EVERY_S = 3600, BATCH = 2000, DAY_S = 86400 };

enum store_err expire_step(struct account *a, const struct expire_rules *rules, uint64_t *removed, bool *more)
{
	struct mailbox_names names = {0};
	int64_t now = a->env->now_s(a->env->ctx);
	*more = false;
	enum store_err err = mailbox_list(a, &names);
	for (size_t i = 0; i < names.n && !err && !*more; i++) {
		const struct mailbox_info *info = &names.v[i].info;
		int days = info->special & SPECIAL_TRASH ? rules->trash_days : info->special & SPECIAL_JUNK ? rules->junk_days : 0;
		uint32_t n;
		if (!info->id || names.v[i].noselect || !info->messages || days == 0)
			continue;
		err = messages_expire(a, info->id, now - (int64_t)days * DAY_S, BATCH, &n, more);
		*removed += err ? 0 : n;
	}
	mailbox_names_finish(&names);
	return err;
}

struct expiring {
	struct op op;
	struct lane *lane; /* held */
	uint64_t removed;
};

static enum op_result expire_run(struct op *op, struct account *account)
{
	struct expiring *e = container_of(op, struct expiring, op);
	struct expire_rules rules;
	bool more = false;
	accounts_expire_rules(e->lane, &rules);
	op->err = expire_step(account, &rules, &e->removed, &more);
	if (op->err) {
		log_event(LOG_ERROR, "autoexpunge_failed", log_text("account", e->lane->id),
			  log_text("error", accounts_error_name(op->err)), log_text("fault", account_fault(account)));
		return OP_FAILED;
	}
	if (more)
		return OP_AGAIN;
	if (e->removed)
		log_event(LOG_INFO, "autoexpunged", log_text("account", e->lane->id), log_number("messages", (int64_t)e->removed));
	return OP_DONE;
}

static void expire_done(struct op *op, struct conn *conn)
{
	struct expiring *e = container_of(op, struct expiring, op);
	(void)conn;
	accounts_release(e->lane);
	op_finish(op);
	free(e);
}

void expirer_consider(struct lane *lane)
{
	struct expire_rules rules;
	int64_t now = lane->account->env->now_s(lane->account->env->ctx);
	accounts_expire_rules(lane, &rules);
	if ((rules.trash_days == 0 && rules.junk_days == 0) || (now - lane->expired_s < EVERY_S && now >= lane->expired_s))
		return;
	lane->expired_s = now;
	struct expiring *e = xcalloc(1, sizeof(*e));
	op_init(&e->op, "autoexpunge", expire_run, expire_done);
	e->op.writes = e->op.background = true;
	e->op.login = "autoexpunge";
	e->lane = accounts_acquire(lane->accounts, lane->id);
	lane_submit(lane, &e->op);
}
