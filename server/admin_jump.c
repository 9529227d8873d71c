/* roost jump: sets an account's clock ahead after a restore (storage/jump.h). */
#include "server/admin.h"

#include "storage/jump.h"

/* Its row has no ADMIN_WRITES: the jump is a transaction of its own, which stands between ops and not in one. */
enum op_result admin_jump(struct admin_task *task, struct account *account)
{
	if (account->in_transaction)
		return OP_AGAIN; /* what others changed is committed first */
	enum store_err err = account_jump(account, 0, true);
	if (err) {
		/* STORE_IO: whether it is on disk is not known, and the lane opens the account afresh. */
		task->op.err = err;
		task->op.fate = OP_LOST;
		return OP_FAILED;
	}
	task->accounts++;
	if (admin_is_for_all(task))
		admin_say(task, "%llu accounts set ahead", (unsigned long long)task->accounts);
	else
		admin_say(task, "%s: set ahead", task->user.address);
	return OP_DONE;
}
