/* LOGIN, AUTHENTICATE and STARTTLS (RFC 3501 6.2; RFC 4959, 4616). */
#include "server/session.h"

#include "server/auth.h"

static enum step finish_login(struct session *s, struct command *cmd)
{
	if (!cmd->login_ok) {
		command_no(cmd, "AUTHENTICATIONFAILED", "User or password is wrong");
		if (session_count_failure(s)) {
			buf_add_text(session_out(s), "* BYE Too many failures\r\n");
			session_end(s);
		}
		return STEP_DONE;
	}
	struct buf code;
	session_log_in(s, cmd->account, cmd->address);
	buf_init(&code, 4096);
	buf_add_text(&code, "CAPABILITY ");
	session_add_capabilities(s, &code);
	command_ok(cmd, arena_copy(&cmd->arena, buf_span(&code)).ptr, "Logged in");
	buf_finish(&code);
	return STEP_DONE;
}

static enum step login(struct session *s, struct command *cmd, struct span user, struct span pass)
{
	cmd->request.login.user = arena_copy(&cmd->arena, user);
	cmd->request.login.password = arena_copy(&cmd->arena, pass);
	cmd->step = finish_login;
	return session_directory_op(s, cmd, auth_login_run);
}

enum step cmd_login(struct session *s, struct command *cmd)
{
	if (session_may_log_in(s))
		return login(s, cmd, cmd->request.login.user, cmd->request.login.password);
	command_no(cmd, "PRIVACYREQUIRED", "Use STARTTLS first");
	return STEP_DONE;
}

struct authentication {
	bool is_login;
	bool has_user; /* LOGIN: the next answer is the password */
	char user[256];
};

/* RFC 4616: authzid NUL authcid NUL password */
static enum step plain(struct session *s, struct command *cmd, const char *text, size_t len)
{
	const char *one = memchr(text, 0, len), *end = text + len;
	const char *two = one ? memchr(one + 1, 0, (size_t)(end - one - 1)) : NULL;
	if (!two) {
		command_bad(cmd, "Not a PLAIN response");
		return STEP_DONE;
	}
	struct span user = span_make(one + 1, (size_t)(two - one - 1)), authzid = span_make(text, (size_t)(one - text));
	if (authzid.len && !span_iequal(authzid, user)) {
		command_no(cmd, "AUTHORIZATIONFAILED", "Nobody may act for another here");
		return STEP_DONE;
	}
	return login(s, cmd, user, span_make(two + 1, (size_t)(end - two - 1)));
}

static enum step answer(struct session *s, struct command *cmd, struct span line)
{
	struct authentication *a = cmd->state;
	char text[2048];
	size_t len;
	if (span_is(line, "*") || !auth_base64(line, text, sizeof(text), &len)) {
		command_bad(cmd, "Cancelled, or not base64");
		return STEP_DONE;
	}
	if (!a->is_login)
		return plain(s, cmd, text, len);
	if (a->has_user)
		return login(s, cmd, span_of(a->user), span_make(text, len));
	a->has_user = true;
	snprintf(a->user, sizeof(a->user), "%.250s", text);
	buf_add_text(session_out(s), "+ UGFzc3dvcmQ6\r\n");
	return STEP_INPUT;
}

static enum step authenticate_input(struct session *s, struct command *cmd, const struct reader_event *event)
{
	return answer(s, cmd, event->kind == READER_LINE ? event->text : span_of("*"));
}

enum step cmd_authenticate(struct session *s, struct command *cmd)
{
	struct span mechanism = cmd->request.authenticate.mechanism, initial = cmd->request.authenticate.initial;
	bool is_login = span_is(mechanism, "LOGIN");
	if (!session_may_log_in(s)) {
		command_no(cmd, "PRIVACYREQUIRED", "Use STARTTLS first");
		return STEP_DONE;
	}
	if (!is_login && !span_is(mechanism, "PLAIN")) {
		command_no(cmd, NULL, "This mechanism is not known");
		return STEP_DONE;
	}
	struct authentication *a = arena_alloc(&cmd->arena, sizeof(*a));
	a->is_login = is_login;
	cmd->state = a;
	cmd->input = authenticate_input;
	if (initial.ptr)
		return answer(s, cmd, span_is(initial, "=") ? span_make("", 0) : initial);
	buf_add_text(session_out(s), is_login ? "+ VXNlcm5hbWU6\r\n" : "+ \r\n");
	return STEP_INPUT;
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
