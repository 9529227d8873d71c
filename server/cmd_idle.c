/* IDLE (RFC 2177): what changes is told at once, until a line comes.  When nothing changes for a while, that is told. */
#include "server/session.h"

static enum step idle_input(struct session *s, struct command *cmd, const struct reader_event *event)
{
	session_set_pulse(s, false);
	if (event->kind == READER_LINE && span_is(event->text, "DONE"))
		command_ok(cmd, NULL, "Done");
	else
		command_bad(cmd, "DONE is expected");
	return STEP_DONE;
}

static enum step idle_wait(struct session *s, struct command *cmd)
{
	(void)s, (void)cmd;
	return STEP_INPUT;
}

enum step cmd_idle(struct session *s, struct command *cmd)
{
	buf_add_text(session_out(s), "+ idling\r\n");
	cmd->input = idle_input;
	cmd->step = idle_wait;
	cmd->quick = true;
	session_set_pulse(s, true);
	return session_op(s, cmd, NULL); /* what is due is told now */
}
