#include "server/list_tell.h"

#include "protocol/imap/name.h"
#include "protocol/imap/response_list.h"
#include "storage/mailbox.h"

enum store_err list_tell_selected(struct command *cmd, struct account *a, const struct mailbox_info *info,
				  struct span wire)
{
	struct span name;
	bool has_children;
	if (!(cmd->dialect & DIALECT_REV2))
		return STORE_OK;
	enum store_err err = mailbox_has_children(a, info->id, &has_children);
	if (err)
		return err;
	invariant(name_decode(&cmd->arena, wire, cmd->dialect, &name));
	struct list_line line = {.response = "LIST", .name = name.ptr, .uses = info->special,
				 .attributes = has_children ? ATTRIBUTE_HASCHILDREN : ATTRIBUTE_HASNOCHILDREN};
	if (name_was_changed(wire, name))
		line.old_name = arena_copy(&cmd->arena, wire).ptr;
	response_list(&cmd->out, &line, cmd->dialect);
	return STORE_OK;
}

void list_tell_normalized(struct command *cmd, struct span wire, struct span name, uint32_t attributes)
{
	if (!(cmd->dialect & DIALECT_REV2) || !name_was_changed(wire, name))
		return;
	struct list_line line = {.response = "LIST", .name = name.ptr, .attributes = attributes,
				 .old_name = arena_copy(&cmd->arena, wire).ptr};
	response_list(&cmd->out, &line, cmd->dialect);
}
