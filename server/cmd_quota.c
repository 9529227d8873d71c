/*
 * QUOTA (RFC 9208): one quota root, which holds all of the account's mailboxes.  What the users of a domain may have
 * together is not told to any of them: what others use is theirs to know.  A master of all users who has logged in as the
 * user sets the quota, as `roost quota set` does, and is the only one to whom QUOTASET is offered.
 */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "protocol/imap/response.h"
#include "storage/mailbox.h"
#include "storage/setting.h"
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

/* ---- SETQUOTA (4.1.3) ---- */

static const struct resource {
	const char *name;
	enum setting_id setting;
	uint64_t unit;
} resources[] = {
	{"STORAGE", SETTING_QUOTA_STORAGE, 1024},
	{"MESSAGE", SETTING_QUOTA_MESSAGES, 1},
	{"MAILBOX", SETTING_QUOTA_MAILBOXES, 1},
};

/* What is not named has no limit any more.  False: this cannot be set. */
static bool take_limits(struct command *cmd, int64_t values[countof(resources)])
{
	const struct quota_request *q = &cmd->request.quota;
	for (size_t i = 0; i < q->limits_n; i++) {
		const struct quota_limit *l = &q->limits[i];
		size_t at = 0;
		while (at < countof(resources) && !span_iequal(l->resource, span_of(resources[at].name)))
			at++;
		if (at == countof(resources)) {
			command_no(cmd, "CANNOT", "There is no such resource");
			return false;
		}
		if (l->value == 0 || l->value > INT64_MAX / resources[at].unit) {
			command_no(cmd, "CANNOT", "This limit cannot be set");
			return false;
		}
		values[at] = (int64_t)(l->value * resources[at].unit);
	}
	return true;
}

struct set_quota {
	int64_t values[countof(resources)];
	char account[DIRECTORY_ACCOUNT_LEN + 1];
};

static enum op_result set_run(struct op *op, struct account *account)
{
	struct command *cmd = container_of(op, struct command, op);
	const struct set_quota *set = cmd->state;
	(void)account;
	enum store_err err = directory_begin(op->directory);
	for (size_t i = 0; i < countof(resources) && !err; i++)
		err = directory_setting_set(op->directory, set->account, resources[i].setting, &set->values[i]);
	enum store_err end = directory_end(op->directory, !err);
	command_store_error(cmd, err ? err : end);
	return err || end ? OP_FAILED : OP_DONE;
}

/* What holds now is told (4.1.3). */
static enum step tell_set(struct session *s, struct command *cmd)
{
	cmd->step = NULL;
	if (cmd->status.word != STATUS_OK)
		return STEP_DONE;
	session_settings_changed(s);
	return session_op(s, cmd, quota_run);
}

static enum step set_quota(struct session *s, struct command *cmd)
{
	struct set_quota *set = arena_alloc(&cmd->arena, sizeof(*set));
	if (!session_sets_quotas(s)) {
		command_no(cmd, "NOPERM", "Only a master user sets quotas");
		return STEP_DONE;
	}
	if (!take_limits(cmd, set->values))
		return STEP_DONE;
	session_account(s, set->account);
	cmd->state = set;
	cmd->step = tell_set;
	return session_directory_op(s, cmd, set_run);
}

enum step cmd_quota(struct session *s, struct command *cmd)
{
	enum command_kind kind = cmd->request.kind;
	struct span name;
	if (kind != CMD_GETQUOTAROOT && !span_is(cmd->request.quota.name, root)) {
		command_no(cmd, "NONEXISTENT", "There is no such quota root");
	} else if (kind == CMD_SETQUOTA) {
		return set_quota(s, cmd);
	} else if (kind == CMD_GETQUOTAROOT && !name_decode(&cmd->arena, cmd->request.quota.name, cmd->dialect, &name)) {
		command_no(cmd, "CANNOT", "This name cannot be used"); /* it need not be there, but be possible (4.1.2) */
	} else {
		cmd->quick = true;
		return session_op(s, cmd, quota_run);
	}
	return STEP_DONE;
}
