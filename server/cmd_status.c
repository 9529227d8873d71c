/* STATUS (RFC 3501 6.3.10; RFC 8438, 7889, 8474), also for LIST's RETURN (STATUS) (RFC 5819). */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "protocol/imap/response_list.h"
#include "storage/mailbox.h"

enum store_err status_write(struct command *cmd, struct account *a, int64_t mailbox, const char *name)
{
	bool own = cmd->request.kind == CMD_STATUS;
	return status_write_items(cmd, a, mailbox, name, own ? cmd->request.status.items : cmd->request.list.status);
}

enum store_err status_write_items(struct command *cmd, struct account *a, int64_t mailbox, const char *name, uint32_t want)
{
	struct mailbox_info info;
	uint32_t recent = 0;
	uint64_t deleted_bytes = 0;
	struct buf *out = &cmd->out;
	enum store_err err = mailbox_info(a, mailbox, &info);
	if (!err && (want & STATUS_RECENT))
		err = mailbox_recent(a, mailbox, &recent);
	if (!err && (want & STATUS_DELETED_STORAGE))
		err = mailbox_deleted_bytes(a, mailbox, &deleted_bytes);
	if (err)
		return err;
	const struct status_values values = {.messages = info.messages, .recent = recent, .uidnext = info.uidnext,
					     .uidvalidity = info.uidvalidity, .unseen = info.unseen, .size = info.bytes,
					     .highest_modseq = info.modseq, .deleted = info.deleted, .deleted_bytes = deleted_bytes,
					     .append_limit = (uint64_t)cmd->message_bytes_max,
					     .mailboxid = info.objectid};
	response_mailbox_status(out, name, want, &values, cmd->dialect);
	return STORE_OK;
}

static enum op_result status_run(struct command *cmd, struct account *a)
{
	struct span name;
	int64_t mailbox;
	if (command_mailbox(cmd, a, cmd->request.status.name, "NONEXISTENT", &mailbox)) {
		if (cmd->here && !roster_loaded(a, mailbox))
			return OP_AGAIN;
		invariant(name_decode(&cmd->arena, cmd->request.status.name, cmd->dialect, &name));
		command_store_error(cmd, status_write(cmd, a, mailbox, name.ptr));
	}
	return OP_DONE;
}

enum step cmd_status(struct session *s, struct command *cmd)
{
	cmd->quick = true;
	if (cmd->request.status.items & STATUS_HIGHESTMODSEQ)
		session_enable_condstore(s);
	return session_op(s, cmd, status_run);
}
