/* Commands about the conversation itself (RFC 3501 6.1, 6.4.1; RFC 2342, 2971, 5161). */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "protocol/imap/response_list.h"

enum step cmd_noop(struct session *s, struct command *cmd)
{
	command_ok(cmd, NULL, "Done");
	return session_is_logged_in(s) ? session_op(s, cmd, NULL) : STEP_DONE;
}

enum step cmd_capability(struct session *s, struct command *cmd)
{
	struct buf *out = session_out(s);
	response_capability_begin(out);
	session_add_capabilities(s, out);
	response_capability_end(out);
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

enum step cmd_logout(struct session *s, struct command *cmd)
{
	session_bye(s, NULL, "Logging out");
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

enum step cmd_id(struct session *s, struct command *cmd)
{
	static const struct response_id_field fields[] = {{"name", "Roost"}, {"version", ROOST_VERSION}};
	response_id(session_out(s), fields, countof(fields));
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

/* Nothing that can be enabled is offered; what is unknown is ignored (RFC 5161 3.1). */
enum step cmd_enable(struct session *s, struct command *cmd)
{
	response_enabled(session_out(s), NULL, 0);
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

enum step cmd_namespace(struct session *s, struct command *cmd)
{
	response_namespace(session_out(s));
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}
