/*
 * The session as its commands see it.  All of this runs on the session's loop.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include "server/auth.h"
#include "server/command.h"

struct config;
struct conn;

/* Sends the command to its account's lane; `run` may be NULL, to be told of changes only.  The command, and the view,
 * are the worker's until step is called. */
enum step session_op(struct session *s, struct command *cmd,
		     enum op_result (*run)(struct command *cmd, struct account *account));
/* The same, on the directory's lane: op->directory is what it works on, and no account.  The next session_op() is on the
 * account's lane again. */
enum step session_directory_op(struct session *s, struct command *cmd,
			       enum op_result (*run)(struct op *op, struct account *account));
/* The id of the account that it is logged in to. */
void session_account(const struct session *s, char out[DIRECTORY_ACCOUNT_LEN + 1]);
/* Logged in as another, by a master of all users: it may set quotas. */
bool session_sets_quotas(const struct session *s);
/* Something was set for users or domains: lanes are to read it. */
void session_settings_changed(const struct session *s);
/* What a command that said STEP_WAIT waited for has come. */
void session_resume(struct session *s, enum step step);
/* The command that runs. */
struct command *session_command(const struct session *s);

/* Response lines of a command that needs no worker go here. */
struct buf *session_out(struct session *s);
const struct config *session_config(const struct session *s);

/* The literal that was announced: its octets come to the command's `input`.  A command that is done before the end of
 * its line refuses the rest of it. */
void session_accept_literal(struct session *s, const struct reader_event *event);

/* The literal that was announced is a word of the text: `input` is asked again, with it in place. */
enum step session_keep_literal(struct session *s, struct command *cmd, const struct reader_event *event);

bool session_is_logged_in(const struct session *s);
/* As the result of a login says.  False: the user has too many sessions. */
bool session_log_in(struct session *s, const struct auth_result *who);
/* For the log and for `roost kick`. */
uint64_t session_id(const struct session *s);
/* Its login began when there were so many sessions_endings(), and one since was meant for it, too. */
bool session_was_ended(const struct session *s, uint64_t endings);
/* Back to where the connection began, but for TLS and what ID said (RFC 8437 3): everything of the user's is forgotten;
 * after the tagged OK nothing is compressed any more. */
void session_log_out(struct session *s);
/* Made at the first login; cmd_auth_done() hears of its results. */
struct auth *session_auth(struct session *s);
struct auth_link session_auth_link(const struct session *s);
void cmd_auth_done(void *session, const struct auth_result *result);
/* TLS can be started. */
bool session_has_tls(const struct session *s);
/* After the tagged OK; what was read before is forgotten (RFC 9051 6.2.1). */
void session_start_tls(struct session *s);
bool session_is_compressed(const struct session *s);
/* After the tagged OK; what was read before is compressed already (RFC 4978 3). */
void session_start_compression(struct session *s);
/* "IMAP4rev1 ...": what may be used in this state (RFC 3501 7.2.1). */
void session_add_capabilities(const struct session *s, struct buf *out);
/* Is it offered to this client?  What is not is not listed, and ENABLE does not know it. */
bool session_offers(const struct session *s, const char *capability);
/* The client asks to stand back under load: `background_yield_at`. */
void session_set_yields(struct session *s, bool yields);
/* From the next command on, and for what is told with this one (RFC 5161 3.1); stays until the session ends. */
void session_enable(struct session *s, unsigned dialect);
/* For a command that shows that the client knows mod-sequences; tells HIGHESTMODSEQ the first time (RFC 7162 3.1). */
void session_enable_condstore(struct session *s);
/* The client has used NOTIFY (RFC 5465).  Not while an op is in flight. */
bool session_is_notified(const struct session *s);
/* What the client says that it is (RFC 2971): logged, and named in the journal of what it does. */
void session_set_device(struct session *s, struct span name, struct span version);
/* While on, a client that hears nothing for as long as the configuration says is told that we are still here. */
void session_set_pulse(struct session *s, bool on);
/* How long that is for the session with this id: up to one part in LIMIT_PULSE_SPREAD less than `interval_s`, always the
 * same; 0 for 0. */
unsigned session_pulse_s(unsigned interval_s, uint64_t id);
/* The connection is closed once what is written has left, after the tagged line and "* BYE goodbye" (NULL: without). */
void session_end(struct session *s, const char *goodbye);
/* The selected mailbox; NULL for none.  Not while an op is in flight. */
const struct view *session_view(const struct session *s);
/* The same, for what a command keeps of its own with the selection. */
struct view *session_view_to_change(struct session *s);
/* What writes is refused now (room.h). */
bool session_disk_is_full(const struct session *s);
/* No mailbox is selected any more. */
void session_unselect(struct session *s);

#endif
