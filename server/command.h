/*
 * Commands: what the session knows of each (a row of the table), and one that runs.
 *
 * A handler is a start function on the loop that answers at once, or sends the command to its account's lane with
 * session_op().  There, on a worker, `run` does the work and writes response bytes to `out`; while it is away the op
 * owns the command and the view, and the session touches neither.  A handler says how the command ended with
 * command_ok() and the like; the session writes the tagged line, and whatever else is told around it: no handler asks
 * whether something may be sent now.  The row's flags carry the RFC's rules, and only session.c reads them.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "protocol/arena.h"
#include "protocol/imap/parse.h"
#include "protocol/imap/reader.h"
#include "protocol/imap/request.h"
#include "server/op.h"
#include "server/view.h"
#include "storage/account.h"

struct command;
struct session;
struct watchlist;

/* What a step of a command says to the pump. */
enum step {
	STEP_DONE,  /* its status is set: the tagged line follows */
	STEP_AGAIN, /* call `step` again, once the output has room */
	STEP_OP,    /* it is with the lane; `step` is called when it is back */
	STEP_BACK,  /* session_op() alone: it was with the lane, and is back */
	STEP_WAIT,  /* something else is at work on it, and calls session_resume() */
	STEP_INPUT  /* `input` is called with the next line, or the next octets of its literal */
};

enum command_states { UNAUTHED = 1, AUTHED = 2, SELECTED = 4, LOGGED_IN = AUTHED | SELECTED, ANY_STATE = 7 };

enum command_flags {
	CMD_UID_FORM = 1,      /* "UID name" exists */
	CMD_WRITES = 2,        /* its op changes the account */
	CMD_NO_EXPUNGE = 4,    /* but in the UID form: sequence numbers must hold while it runs (RFC 3501 7.4.1) */
	CMD_NO_UPDATES = 8,    /* nothing is told of the mailbox with it */
	CMD_UPDATES_LIVE = 16, /* what changes is told while it waits */
	CMD_STREAMS_IN = 32,   /* its literals come to `input` piece by piece */
	CMD_LINES = 64,        /* lines that are no commands come to `input` */
	CMD_TELLS_MODSEQ = 256, /* its OK says up to where the client was told, if something went (RFC 7162 3.2.7) */
	CMD_CHOOSES = 128      /* it selects a mailbox or leaves one: when its op is lost none is selected */
};

struct command_row {
	const char *name;
	enum command_kind kind;
	unsigned states, flags;
	enum step (*start)(struct session *s, struct command *cmd);
};

/* The row of a kind; NULL for CMD_UNKNOWN. */
const struct command_row *command_row(enum command_kind kind);
/* By its place in the table, for tests; NULL behind the end. */
const struct command_row *command_row_at(size_t index);

enum status_word { STATUS_UNSET, STATUS_OK, STATUS_NO, STATUS_BAD };

/* How a command ended.  Texts are static or in the command's arena; `code` is without brackets, NULL for none. */
struct status {
	enum status_word word;
	const char *code, *text;
	bool begun; /* the tagged line is written up to the end of its code */
};

/* How far a client has heard of changed annotations (metadata_tell.h). */
struct metadata_heard {
	uint64_t since; /* modseq; 0: it begins to listen */
	int64_t rest;   /* not 0: all entries of mailboxes from rest - 1 on are to be told, since the journal was forgotten */
};

struct command {
	uint64_t began_ns; /* when its line was there */
	struct op op; /* while it is with the lane, the op owns the command */
	const struct command_row *row;
	struct arena arena;
	struct request request;
	enum step (*step)(struct session *s, struct command *cmd); /* NULL: done */
	enum step (*input)(struct session *s, struct command *cmd, const struct reader_event *event);
	/* On a worker. */
	enum op_result (*run)(struct command *cmd, struct account *account);
	/* Gives up what belongs to the account: on the lane, at the command's end; NULL when there is nothing. */
	void (*release)(struct command *cmd);
	/* Frees the rest of `state`; NULL when there is none. */
	void (*finish)(struct command *cmd);
	void *state; /* the handler's */
	struct lane *lane; /* a reference, from the first op on: the account's, */
	bool in_directory; /* or the directory's */
	struct view *view; /* the session's, on loan to the op */
	struct buf out;
	struct status status;
	bool quick;  /* its op reads memory only: it may run where it is, when the lane rests */
	bool here;   /* it does: then it says OP_AGAIN, and has done nothing, where it would need more than memory */
	bool more;   /* the worker has a further slice to run, once the output has room */
	bool open;   /* a response has begun to leave that this command must finish, or the connection is closed */
	bool broken; /* it cannot be finished: the connection is closed */
	bool telling; /* and that slice only goes on telling what changed in the mailbox */
	bool told;   /* the view has moved on by what `out` says */
	bool expunged; /* it removed messages */
	bool in_pieces; /* what a slice of it changed stands, whatever becomes of the next */
	bool partly;    /* and there was such a slice */
	bool held;   /* there are expunges that could not be told */
	bool unread; /* its literals have not all come: nothing is told with it yet (RFC 9051 7.5.1) */
	unsigned dialect; /* DIALECT_*: the session's when the command began */
	struct watchlist *watchlist; /* the session's, on loan to the op; NULL: NOTIFY was not used */
	uint64_t own_modseq;     /* of its op, which changed something */
	bool begun;              /* what others did before it was told, to a client that uses NOTIFY */
	bool is_update;          /* nobody's command: it tells what changed while none runs, and has no tagged line */
	bool tells_metadata;     /* changes of annotations are told with it */
	struct metadata_heard metadata_heard;
	long message_bytes_max;
	int progress_s; /* between what it tells of how far it is; 0: nothing (progress.h) */
	uint64_t progress_due_us; /* the next time; 0: it has not had its first slice */
	bool seven_bit_headers; /* of the messages it adds (RFC 9755 4) */
};

struct command *command_create(void);
/* Ends a command that no op holds: by way of its lane, when it has something to release there. */
void command_dispose(struct command *cmd);

void command_ok(struct command *cmd, const char *code, const char *text);
/* For a code too long to be held: writes the tagged OK up to "[".  The code follows, and the session ends the line. */
void command_begin_ok(struct command *cmd, struct buf *out);
void command_no(struct command *cmd, const char *code, const char *text);
void command_bad(struct command *cmd, const char *text);
/* OK for STORE_OK; else the NO that a client may see, which depends on the code alone. */
void command_store_error(struct command *cmd, enum store_err err);
/* What the parser says of its text. */
void command_parse_error(struct command *cmd, enum parse_status status, const struct parse_error *error);
/* A code with arguments, made in the arena. */
const char *command_code(struct command *cmd, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Finds the mailbox that was named on the wire; false: the status is set, [NONEXISTENT] or `missing_code`. */
bool command_mailbox(struct command *cmd, struct account *a, struct span wire, const char *missing_code, int64_t *out);
/* The request's set as UIDs of the view; false: the status is set. */
bool command_set(struct command *cmd, struct uidset *out);

/* One STATUS line with the items the request wants. */
MUST_USE enum store_err status_write(struct command *cmd, struct account *a, int64_t mailbox, const char *name);
/* The same with these STATUS_*. */
MUST_USE enum store_err status_write_items(struct command *cmd, struct account *a, int64_t mailbox, const char *name,
					   uint32_t items);

/* NO [METADATA MAXSIZE n]: the largest value that is taken. */
void metadata_too_large(struct command *cmd);
/* A METADATA line with the values of a mailbox's entries, NIL for those that are not there (RFC 5464 4.4.1). */
MUST_USE enum store_err metadata_write(struct command *cmd, struct account *a, int64_t mailbox, const char *name,
				       const struct metadata_names *entries);

/* Makes a command that is nobody's a FETCH of these messages, which sets no \Seen; takes over the set.  `items` outlive
 * it.  Then session_op() with fetch_run(). */
void fetch_prepare(struct command *cmd, const struct fetch_request *items, struct uidset *set);
enum op_result fetch_run(struct command *cmd, struct account *a);

/* The handlers, by file. */
enum step cmd_append(struct session *s, struct command *cmd);
enum step cmd_replace(struct session *s, struct command *cmd);
enum step cmd_authenticate(struct session *s, struct command *cmd);
enum step cmd_login(struct session *s, struct command *cmd);
enum step cmd_starttls(struct session *s, struct command *cmd);
enum step cmd_unauthenticate(struct session *s, struct command *cmd);
enum step cmd_compress(struct session *s, struct command *cmd);
enum step cmd_copy(struct session *s, struct command *cmd);
enum step cmd_move(struct session *s, struct command *cmd);
enum step cmd_expunge(struct session *s, struct command *cmd);
enum step cmd_fetch(struct session *s, struct command *cmd);
enum step cmd_idle(struct session *s, struct command *cmd);
enum step cmd_list(struct session *s, struct command *cmd);
enum step cmd_status(struct session *s, struct command *cmd);
enum step cmd_create(struct session *s, struct command *cmd);
enum step cmd_delete(struct session *s, struct command *cmd);
enum step cmd_rename(struct session *s, struct command *cmd);
enum step cmd_subscribe(struct session *s, struct command *cmd);
enum step cmd_capability(struct session *s, struct command *cmd);
enum step cmd_enable(struct session *s, struct command *cmd);
enum step cmd_id(struct session *s, struct command *cmd);
enum step cmd_logout(struct session *s, struct command *cmd);
enum step cmd_getmetadata(struct session *s, struct command *cmd);
enum step cmd_setmetadata(struct session *s, struct command *cmd);
enum step cmd_quota(struct session *s, struct command *cmd);
enum step cmd_namespace(struct session *s, struct command *cmd);
enum step cmd_noop(struct session *s, struct command *cmd);
enum step cmd_notify(struct session *s, struct command *cmd);
enum step cmd_search(struct session *s, struct command *cmd);
enum step cmd_select(struct session *s, struct command *cmd);
enum step cmd_sort(struct session *s, struct command *cmd);
enum step cmd_thread(struct session *s, struct command *cmd);
enum step cmd_uidbatches(struct session *s, struct command *cmd);
enum step cmd_close(struct session *s, struct command *cmd);
enum step cmd_unselect(struct session *s, struct command *cmd);
enum step cmd_store(struct session *s, struct command *cmd);

#endif
