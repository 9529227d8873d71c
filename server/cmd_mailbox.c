/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 6.3.3-6.3.7; RFC 6154 3). */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "protocol/imap/response_list.h"
#include "server/list_tell.h"
#include "storage/mailbox.h"

/* A name that no mailbox can have: it cannot be made, and else it just does not exist. */
static bool name_of(struct command *cmd, struct span wire, bool makes, struct span *out)
{
	if (name_decode(&cmd->arena, wire, cmd->dialect, out))
		return true;
	if (makes)
		command_no(cmd, "CANNOT", "This name cannot be used");
	else
		command_no(cmd, "NONEXISTENT", "There is no such mailbox");
	return false;
}

static enum op_result end(struct command *cmd, enum store_err err)
{
	command_store_error(cmd, err);
	return err ? OP_FAILED : OP_DONE;
}

static enum op_result create_run(struct command *cmd, struct account *a)
{
	struct span name;
	int64_t id;
	char objectid[MAILBOX_OBJECTID_BYTES];
	if (!name_of(cmd, cmd->request.create.name, true, &name))
		return OP_DONE;
	if (cmd->request.create.unknown_use) { /* RFC 6154 3 */
		command_no(cmd, "USEATTR", "This special use is not known");
		return OP_DONE;
	}
	enum store_err err = mailbox_create(a, name.ptr, cmd->request.create.uses, &id);
	if (!err)
		err = mailbox_objectid(a, id, objectid);
	if (err)
		return end(cmd, err);
	list_tell_normalized(cmd, cmd->request.create.name, name, 0);
	command_ok(cmd, command_code(cmd, "MAILBOXID (%s)", objectid), "Done"); /* RFC 8474 4.1 */
	return OP_DONE;
}

static enum op_result delete_run(struct command *cmd, struct account *a)
{
	struct span name;
	if (!name_of(cmd, cmd->request.mailbox.name, false, &name))
		return OP_DONE;
	enum store_err err = mailbox_delete(a, name.ptr);
	if (!err)
		list_tell_normalized(cmd, cmd->request.mailbox.name, name, ATTRIBUTE_NONEXISTENT);
	return end(cmd, err);
}

static enum op_result rename_run(struct command *cmd, struct account *a)
{
	struct span from, to;
	if (!name_of(cmd, cmd->request.rename.from, false, &from) || !name_of(cmd, cmd->request.rename.to, true, &to))
		return OP_DONE;
	enum store_err err = mailbox_rename(a, from.ptr, to.ptr);
	if (!err)
		list_tell_normalized(cmd, cmd->request.rename.to, to, 0);
	return end(cmd, err);
}

static enum op_result subscribe_run(struct command *cmd, struct account *a)
{
	struct span name;
	bool adds = cmd->request.kind == CMD_SUBSCRIBE;
	if (!name_of(cmd, cmd->request.mailbox.name, adds, &name))
		return OP_DONE;
	return end(cmd, adds ? subscription_add(a, name.ptr) : subscription_remove(a, name.ptr));
}

enum step cmd_create(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, create_run);
}

enum step cmd_delete(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, delete_run);
}

enum step cmd_rename(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, rename_run);
}

enum step cmd_subscribe(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, subscribe_run);
}
