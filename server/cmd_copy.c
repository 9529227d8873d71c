/* COPY and MOVE (RFC 3501 6.4.7; RFC 6851), with COPYUID (RFC 4315 3). */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "server/limits.h"
#include "storage/copy.h"

/* RFC 4315 3: the sets stand in matching order.  NULL: there is nothing to say, or too much; the client then finds the
 * copies as it would without UIDPLUS. */
static const char *copyuid(struct command *cmd, const struct copy_result *result)
{
	struct buf code;
	if (result->n == 0 || result->source.n > LIMIT_COPYUID_RANGES)
		return NULL;
	struct numset source = {arena_alloc(&cmd->arena, result->source.n * sizeof(*source.v)), result->source.n};
	for (size_t i = 0; i < source.n; i++)
		source.v[i] = (struct numrange){result->source.v[i].lo, result->source.v[i].hi};
	buf_init(&code, UINT32_MAX);
	response_code_copyuid(&code, result->uidvalidity, &source, result->first, result->n);
	const char *copy = arena_copy(&cmd->arena, buf_span(&code)).ptr;
	buf_finish(&code);
	return copy;
}

static enum store_err copy(struct command *cmd, struct account *a, const struct uidset *set, int64_t target)
{
	bool move = cmd->request.kind == CMD_MOVE;
	struct copy_result result = {0};
	enum store_err err = move ? messages_move(a, cmd->view->mailbox, set, target, &result)
				  : messages_copy(a, cmd->view->mailbox, set, target, &result);
	command_store_error(cmd, err);
	const char *code = err ? NULL : copyuid(cmd, &result);
	cmd->expunged = move && !err && result.n > 0;
	if (code && move) /* before the EXPUNGEs (RFC 6851 4.3) */
		response_status(&cmd->out, (struct span){0}, RESPONSE_OK, code, "Moved");
	else if (code)
		command_ok(cmd, code, "Done");
	copy_result_finish(&result);
	return err;
}

/* RFC 3501 6.4.7: all or none; so none when a sequence number names one that is gone (RFC 2180 4.4.1). */
static bool all_there(struct command *cmd, struct account *a, const struct uidset *set)
{
	struct roster *roster;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (err)
		command_store_error(cmd, err);
	else if (!cmd->request.uid && view_names_gone(cmd->view, roster, set))
		command_no(cmd, "EXPUNGEISSUED", "Some of the messages are gone");
	else
		return true;
	return false;
}

static enum op_result copy_run(struct command *cmd, struct account *a)
{
	struct uidset set = {0};
	int64_t target;
	enum store_err err = STORE_OK;
	if (command_set(cmd, &set) && all_there(cmd, a, &set) &&
	    command_mailbox(cmd, a, cmd->request.copy.name, "TRYCREATE", &target))
		err = copy(cmd, a, &set, target);
	uidset_finish(&set);
	return err ? OP_FAILED : OP_DONE;
}

enum step cmd_copy(struct session *s, struct command *cmd)
{
	return session_op(s, cmd, copy_run);
}

enum step cmd_move(struct session *s, struct command *cmd)
{
	if (!session_view(s)->read_only)
		return session_op(s, cmd, copy_run);
	command_no(cmd, NULL, "The mailbox is read-only");
	return STEP_DONE;
}
