/* A command as an op: the request, the view lent to it, and the bytes it answers with. */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "protocol/arena.h"
#include "protocol/imap/request.h"
#include "server/op.h"
#include "server/view.h"
#include "storage/account.h"

enum { OUT_CHUNK = 262144 };

struct append_message {
	char *data;
	size_t len;
	uint32_t flags;
	struct span keywords;
	bool has_date;
	int64_t date;
	int32_t zone_min;
};

struct command_op {
	struct op op;
	struct arena arena;
	struct buf text; /* the command as it came; the request points into it */
	struct request request;
	struct view *view, *new_view; /* moved from and to the session */
	struct buf out;
	bool close_view, more;
	bool broken; /* a body failed after its {n} had left: the connection must close */
	/* FETCH, between slices */
	struct uidset set, seen_changed;
	bool resolved, missing;
	uint32_t next;
	size_t item;
	int64_t literal_content;
	uint64_t literal_at, literal_left;
	/* APPEND */
	struct append_message *messages;
	size_t messages_n;
	/* LOGIN */
	char account[40], address[256];
	bool login_ok;
	long message_bytes_max;
};

/* On a worker. */
enum op_result command_run(struct op *op, struct account *account);
void command_destroy(struct command_op *c);
/* "tag OK text" and the like. */
void command_tagged(struct command_op *c, const char *text);
void command_store_error(struct command_op *c, enum store_err err);
/* Finds a mailbox named on the wire; answers NO itself. */
bool command_mailbox(struct command_op *c, struct account *a, struct span wire, int64_t *id, const char *missing);

bool run_mailbox(struct command_op *c, struct account *a); /* cmd_mailbox.c: names, LIST, STATUS */
bool run_select(struct command_op *c, struct account *a);
bool run_message(struct command_op *c, struct account *a); /* cmd_message.c: STORE, COPY, MOVE, EXPUNGE, APPEND */
bool run_fetch(struct command_op *c, struct account *a);
bool run_search(struct command_op *c, struct account *a);

/* deliver.c: a message (CRLF) becomes a content and a new message of a mailbox.  Inside an op. */
MUST_USE enum store_err deliver_message(struct account *a, int64_t mailbox, const struct append_message *messages,
					size_t n, uint32_t *first_uid);
/* Bare LF becomes CRLF; the result is heap. */
char *deliver_normalise(struct span in, size_t *len);

#endif
