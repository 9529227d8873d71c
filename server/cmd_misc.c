/* Commands about the conversation itself (RFC 3501 6.1, 6.4.1; RFC 2342, 2971, 5161). */
#include "server/session.h"

#include "protocol/imap/response.h"
#include "protocol/imap/response_list.h"

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
	response_status(session_out(s), (struct span){0}, RESPONSE_BYE, NULL, "Logging out");
	command_ok(cmd, NULL, "Done");
	session_end(s, NULL);
	return STEP_DONE;
}

static struct span id_value(const struct id_request *r, const char *key)
{
	for (size_t i = 0; i < r->pairs_n; i++)
		if (span_is(r->pairs[i].key, key) && r->pairs[i].value.ptr)
			return r->pairs[i].value;
	return span_make("", 0);
}

/* What the client says of itself goes to the log and the journal, and changes nothing else (RFC 2971 3.1), but for one
 * thing that a client asks for with it: Apple's field `event` says that this connection can wait. */
enum step cmd_id(struct session *s, struct command *cmd)
{
	static const struct response_id_field ours[] = {{"name", "Roost"}};
	const struct id_request *r = &cmd->request.id;
	if (r->pairs_n)
		session_set_device(s, id_value(r, "name"), id_value(r, "version"));
	struct span event = id_value(r, "event");
	session_set_yields(s, span_is(event, "back-fill") || span_is(event, "indexer"));
	response_id(session_out(s), ours, countof(ours));
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}

/* What ENABLE knows, and the bits it sets; what is unknown is ignored (RFC 5161 3.1). */
static const struct feature {
	const char *name;
	unsigned dialect;
} features[] = {
	{"IMAP4rev2", DIALECT_REV2 | DIALECT_UTF8}, /* RFC 9051 6.3.1 */
	{"UTF8=ACCEPT", DIALECT_UTF8},              /* RFC 9755 3 */
	{"METADATA", DIALECT_METADATA},
	{"METADATA-SERVER", DIALECT_METADATA},
	{"CONDSTORE", DIALECT_CONDSTORE},                 /* RFC 7162 3.1 */
	{"QRESYNC", DIALECT_QRESYNC | DIALECT_CONDSTORE}, /* RFC 7162 3.2.3 */
	{"UIDONLY", DIALECT_UIDONLY},                     /* RFC 9586 3.1 */
	{NULL, 0},
};

enum step cmd_enable(struct session *s, struct command *cmd)
{
	const struct enable_request *r = &cmd->request.enable;
	const char *enabled[countof(features)];
	size_t n = 0;
	for (const struct feature *f = features; f->name; f++) {
		bool named = false;
		for (size_t i = 0; i < r->names_n; i++)
			named = named || span_is(r->names[i], f->name);
		if (!named || !session_offers(s, f->name))
			continue;
		if (f->dialect & DIALECT_CONDSTORE)
			session_enable_condstore(s);
		session_enable(s, f->dialect);
		enabled[n++] = f->name;
	}
	response_enabled(session_out(s), enabled, n);
	command_ok(cmd, NULL, "Done");
	cmd->quick = true; /* where a client that listens begins, the account says */
	return session_op(s, cmd, NULL);
}

enum step cmd_namespace(struct session *s, struct command *cmd)
{
	response_namespace(session_out(s));
	command_ok(cmd, NULL, "Done");
	return STEP_DONE;
}
