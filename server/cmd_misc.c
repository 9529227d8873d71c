/* Commands about the conversation itself (RFC 3501 6.1, 6.4.1; RFC 2342, 2971, 5161). */
#include "server/session.h"

enum step cmd_noop(struct session *s, struct command *cmd)
{
	command_ok(cmd, NULL, "Done");
	cmd->quick = true;
	return session_is_logged_in(s) ? session_op(s, cmd, NULL) : STEP_DONE;
}

enum step cmd_capability(struct session *s, struct command *cmd)
{
	struct buf *out = session_out(s);
	buf_add_text(out, "* CAPABILITY ");
	session_add_capabilities(s, out);
	buf_add_text(out, "\r\n");
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

enum step cmd_logout(struct session *s, struct command *cmd)
{
	buf_add_text(session_out(s), "* BYE Logging out\r\n");
	command_ok(cmd, NULL, "Done");
	session_end(s, NULL);
	return STEP_DONE;
}

enum step cmd_id(struct session *s, struct command *cmd)
{
	buf_add_text(session_out(s), "* ID (\"name\" \"Roost\")\r\n");
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

/* Nothing that can be enabled is offered; what is unknown is ignored (RFC 5161 3.1). */
enum step cmd_enable(struct session *s, struct command *cmd)
{
	buf_add_text(session_out(s), "* ENABLED\r\n");
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

enum step cmd_namespace(struct session *s, struct command *cmd)
{
	buf_add_text(session_out(s), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}
