/* What the files of a session share: session.c (the pump), session_input.c and session_state.c.  Nobody else's. */
#ifndef SERVER_SESSION_PRIVATE_H
#define SERVER_SESSION_PRIVATE_H

#include "server/conn.h"
#include "server/notify.h"
#include "server/session.h"
#include "server/sessions.h"

/* What the running command waits for. */
enum wait {
	WAIT_NOTHING, /* its step can be called */
	WAIT_OP,      /* its op is in flight: the command is not ours to touch */
	WAIT_BACK,    /* the op is back: its answer is to be taken */
	WAIT_EVENT,   /* for session_resume() */
	WAIT_INPUT
};

struct session {
	struct conn *conn;
	struct reader reader;
	struct lane *lane; /* a reference; NULL before login */
	struct watch watch;
	struct view *view; /* the selected mailbox; away with the op while one is in flight */
	struct command *command;
	struct command *waiting; /* IDLE, while notifications are sent beside it */
	struct watchlist *watchlist; /* away with the op as the view is; NULL: NOTIFY was not used */
	enum wait wait;
	bool running;
	bool open; /* the op in flight goes on with a response that has begun to leave */
	bool dirty;     /* something changed in the account since the mailbox was last looked at */
	bool ending;
	const char *goodbye; /* static: the BYE behind the tagged line */
	bool streaming; /* the running command's line, with its literals, has not ended */
	bool greeted;
	bool left; /* its end, or its logout, is logged */
	bool start_tls, start_deflate, stop_deflate; /* once the tagged line is out */
	bool yields;    /* the client fills in or indexes, and stands back under load */
	unsigned bad;
	unsigned dialect; /* DIALECT_*: what the client has enabled */
	struct metadata_heard metadata_heard; /* as a command's */
	struct auth *auth; /* NULL before the first login, and after the one that went well */
	char address[256];
	char *capabilities_off; /* what is set for the user; NULL: nothing */
	char *master; /* who logged in as that one; NULL: nobody else */
	bool sets_quotas; /* it is a master of all users */
	char device[64]; /* as the client names itself, printable ASCII */
	struct domain_counts *domain; /* of its address; NULL: nobody counts by domain */
	struct session_entry entry; /* among the server's sessions, while it is logged in */
	struct credential credential; /* what it has logged in with */
};

/* session.c */
struct command *session_begin_command(struct session *s);
/* Does what a step says. */
void session_obey(struct session *s, enum step step);

/* session_state.c: it is no session of its user any more; logged, with what it was.  Nothing when nobody is logged in. */
void session_leave(struct session *s);

/* The command is answered: counted, and logged where that is wanted. */
void session_note_command(struct session *s, const struct command *cmd);

/* What it is called in the log and in the journal. */
const char *session_device(const struct session *s);

/* session_input.c: the next line, command or piece of a literal, if the running command does not forbid it.  False:
 * there is none yet. */
bool session_read_input(struct session *s);

#endif
