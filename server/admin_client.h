/*
 * The command's end of the admin protocol.  When a daemon runs it is reached by its socket; when none does, the same
 * server is started in this process, without listeners and under the store's lock, and spoken to over a socket pair.
 * Either way the verb runs in the server, by the same function.
 */
#ifndef SERVER_ADMIN_CLIENT_H
#define SERVER_ADMIN_CLIENT_H

#include "server/admin.h"
#include "server/config.h"

struct admin_field {
	const char *key, *value;
	char type; /* 's', 'n' or 'b', see admin_frame.h */
};

enum { ADMIN_FIELDS_MAX = 40 };

struct admin_stream;

struct admin_call {
	const struct admin_verb *verb;
	const char *values[ADMIN_PARAMS_MAX]; /* by place in verb->params; NULL: not given */
	const char *password;                 /* for ADMIN_PASSWORD */
	int input;                            /* for ADMIN_INPUT: read to its end, unless there is a `feed` */
	bool quiet;                           /* standard output is for the rows alone */
	void (*on_row)(void *ctx, const struct admin_field *fields, size_t n);
	void *ctx;
	/* Gives the input, by admin_stream_write() until that says false; false: it cannot go on, which it has said. */
	bool (*feed)(void *stream_ctx, struct admin_stream *to);
	/* For what the verb gives out: a piece of it.  False: it cannot be kept, which it has said. */
	bool (*on_body)(void *stream_ctx, struct span bytes);
	/* When it has ended well, before what there is to say is printed; false: it failed after all, which it has said. */
	bool (*on_end)(void *stream_ctx);
	void *stream_ctx;
};

/* Some of the input.  Rows that come meanwhile are given to on_row.  False: the server takes no more of it. */
bool admin_stream_write(struct admin_stream *to, struct span bytes);

/* Does it; what there is to say is printed.  Returns the exit code. */
int admin_client_call(const struct config *config, const struct admin_call *call);

#endif
