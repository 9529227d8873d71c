/* LOGIN, AUTHENTICATE, STARTTLS and UNAUTHENTICATE (RFC 3501 6.2; RFC 4959, 8437).  The exchanges are server/auth.c's; here they meet the
 * protocol. */
#include "server/session.h"

static enum step log_in(struct session *s, struct command *cmd, const struct auth_result *result)
{
	uint64_t endings = result->endings;
	struct buf code;
	if (!session_log_in(s, result)) { /* else result is gone after it */
		command_no(cmd, "LIMIT", "There are too many sessions of this user");
		return STEP_DONE;
	}
	if (session_was_ended(s, endings)) /* what this login was by is no longer good, perhaps */
		session_end(s, "Log in again");
	buf_init(&code, 4096);
	buf_add_text(&code, "CAPABILITY ");
	session_add_capabilities(s, &code);
	command_ok(cmd, arena_copy(&cmd->arena, buf_span(&code)).ptr, "Logged in");
	buf_finish(&code);
	return STEP_DONE;
}

static enum step take_result(struct session *s, struct command *cmd, const struct auth_result *result)
{
	struct buf *out = session_out(s);
	switch (result->status) {
	case AUTH_CHALLENGE:
		buf_add_text(out, "+ ");
		buf_add_span(out, result->challenge);
		buf_add_text(out, "\r\n");
		return STEP_INPUT;
	case AUTH_OK:
		return log_in(s, cmd, result);
	case AUTH_NO:
		command_no(cmd, result->code, result->text);
		break;
	case AUTH_BAD:
		command_bad(cmd, result->text);
		break;
	}
	if (result->cut)
		session_end(s, "Too many failed logins");
	return STEP_DONE;
}

void cmd_auth_done(void *session, const struct auth_result *result)
{
	struct session *s = session;
	session_resume(s, take_result(s, session_command(s), result));
}

enum step cmd_login(struct session *s, struct command *cmd)
{
	struct auth_link link = session_auth_link(s);
	struct auth_result now;
	bool known = auth_password(session_auth(s), &link, cmd->request.login.user, cmd->request.login.password, &now);
	return known ? take_result(s, cmd, &now) : STEP_WAIT;
}

static enum step answer(struct session *s, struct command *cmd, const struct reader_event *event)
{
	struct auth_result now;
	bool known = auth_answer(session_auth(s), event->kind == READER_LINE ? event->text : span_make(NULL, 0), &now);
	return known ? take_result(s, cmd, &now) : STEP_WAIT;
}

enum step cmd_authenticate(struct session *s, struct command *cmd)
{
	struct auth_link link = session_auth_link(s);
	struct auth_result now;
	cmd->input = answer;
	bool known = auth_start(session_auth(s), &link, cmd->request.authenticate.mechanism,
				cmd->request.authenticate.initial, &now);
	return known ? take_result(s, cmd, &now) : STEP_WAIT;
}

enum step cmd_starttls(struct session *s, struct command *cmd)
{
	if (!session_has_tls(s)) {
		command_bad(cmd, "TLS is not to be had here");
		return STEP_DONE;
	}
	session_start_tls(s);
	command_ok(cmd, NULL, "Begin TLS");
	return STEP_DONE;
}

/* Never NO: the client may have pipelined its next login (RFC 8437 3).  Where a proxy in front decides who may log in it
 * must not go round that (8437 8), so what is not offered is not done either. */
enum step cmd_unauthenticate(struct session *s, struct command *cmd)
{
	if (!session_offers(s, "UNAUTHENTICATE")) {
		command_bad(cmd, "This command is not offered");
		return STEP_DONE;
	}
	session_log_out(s);
	command_ok(cmd, NULL, "Logged out");
	return STEP_DONE;
}
