/*
 * QUOTA (RFC 9208): one quota root, which holds all of the account's mailboxes.  What the users of a domain may have
 * together is not told to any of them: what others use is theirs to know.  Nobody is an administrator here, so SETQUOTA
 * is refused and QUOTASET is not offered; `roost quota set` does it.
 */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "protocol/imap/response.h"
#include "storage/mailbox.h"
#include "storage/usage.h"

static const char root[] = "user";

static void add_resource(struct buf *out, const char *name, uint64_t usage, uint64_t limit)
{
	if (limit)
		buf_printf(out, "%s%s %llu %llu", out->data[out->len - 1] == '(' ? "" : " ", name, (unsigned long long)usage,
			   (unsigned long long)limit);
}

/* In units of 1024 octets: what is used rounded up, what is allowed down, but to 1 (5.1). */
static uint64_t units(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 != 0);
}

static uint64_t units_allowed(uint64_t bytes)
{
	return bytes ? (bytes < 1024 ? 1 : bytes / 1024) : 0;
}

static enum store_err write_quota(struct command *cmd, struct account *a)
{
	const struct usage used = usage_get(a);
	const struct quota *q = &a->quota;
	uint64_t mailboxes;
	enum store_err err = usage_mailboxes(a, &mailboxes);
	if (err)
		return err;
	buf_printf(&cmd->out, "* QUOTA %s (", root);
	add_resource(&cmd->out, "STORAGE", units(used.bytes), units_allowed(q->bytes));
	add_resource(&cmd->out, "MESSAGE", used.messages, q->messages);
	/* The limit that holds for everybody is told too (3.2). */
	add_resource(&cmd->out, "MAILBOX", mailboxes, q->mailboxes && q->mailboxes < MAILBOX_MAX ? q->mailboxes : MAILBOX_MAX);
	buf_add_text(&cmd->out, ")\r\n");
	return STORE_OK;
}

static enum op_result quota_run(struct command *cmd, struct account *a)
{
	if (cmd->request.kind == CMD_GETQUOTAROOT) {
		buf_add_text(&cmd->out, "* QUOTAROOT ");
		response_astring(&cmd->out, cmd->request.quota.name, cmd->dialect);
		buf_printf(&cmd->out, " %s\r\n", root);
	}
	command_store_error(cmd, write_quota(cmd, a));
	return OP_DONE;
}

enum step cmd_quota(struct session *s, struct command *cmd)
{
	struct span name;
	if (cmd->request.kind == CMD_SETQUOTA) {
		command_no(cmd, "NOPERM", "Only the administrator of this server sets quotas");
	} else if (cmd->request.kind == CMD_GETQUOTA && !span_is(cmd->request.quota.name, root)) {
		command_no(cmd, "NONEXISTENT", "There is no such quota root");
	} else if (cmd->request.kind == CMD_GETQUOTAROOT &&
		   !name_decode(&cmd->arena, cmd->request.quota.name, cmd->dialect, &name)) {
		command_no(cmd, "CANNOT", "This name cannot be used"); /* it need not be there, but be possible (4.1.2) */
	} else {
		cmd->quick = true;
		return session_op(s, cmd, quota_run);
	}
	return STEP_DONE;
}
