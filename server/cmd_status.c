/* STATUS (RFC 3501 6.3.10; RFC 8438, 7889), also for LIST's RETURN (STATUS) (RFC 5819). */
#include "server/session.h"

#include "protocol/imap/names.h"

enum store_err status_write(struct command *cmd, struct account *a, int64_t mailbox, const char *name)
{
	struct mailbox_info info;
	struct roster *r;
	uint32_t recent = 0, want = cmd->request.kind == CMD_STATUS ? cmd->request.status.items : cmd->request.list.status;
	struct buf *out = &cmd->out;
	enum store_err err = mailbox_info(a, mailbox, &info);
	if (!err && (want & STATUS_RECENT)) {
		err = roster_get(a, mailbox, &r);
		if (!err)
			recent = r->count - roster_lower(r, r->info.recent + 1);
	}
	if (err)
		return err;
	const struct {
		const char *name;
		uint64_t value;
	} items[] = {{"MESSAGES", info.messages}, {"RECENT", recent}, {"UIDNEXT", info.uidnext},
		     {"UIDVALIDITY", info.uidvalidity}, {"UNSEEN", info.unseen}, {"SIZE", info.bytes},
		     {"APPENDLIMIT", (uint64_t)cmd->message_bytes_max}};
	const char *separator = " (";
	buf_add_text(out, "* STATUS ");
	name_write(out, name);
	for (size_t i = 0; i < countof(items); i++) {
		if (!(want & 1u << i))
			continue;
		buf_add_text(out, separator);
		buf_add_text(out, items[i].name);
		buf_add_char(out, ' ');
		buf_add_u64(out, items[i].value);
		separator = " ";
	}
	buf_add_text(out, ")\r\n");
	return STORE_OK;
}

static enum op_result status_run(struct command *cmd, struct account *a)
{
	struct span name;
	int64_t mailbox;
	if (command_mailbox(cmd, a, cmd->request.status.name, "NONEXISTENT", &mailbox)) {
		invariant(name_decode(&cmd->arena, cmd->request.status.name, &name));
		command_store_error(cmd, status_write(cmd, a, mailbox, name.ptr));
	}
	return OP_DONE;
}

enum step cmd_status(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, status_run);
}
