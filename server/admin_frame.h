/*
 * The admin protocol's frames, between a command and the server it speaks to, over a local socket.  A frame is a type
 * (one byte), the length of what follows (four, most significant first), and that.
 *
 *	command                                      server
 *	REQUEST  version, verb, then name and value of each argument
 *	                                             READY         the verb wants standard input
 *	BODY     a piece of it, any number
 *	END      that was all of it
 *	                                             ROW           key and value, any number
 *	                                             BODY          a piece of what the verb gives out
 *	                                             DONE          exit code (one byte), what to say
 *
 * Texts in REQUEST and ROW end with a NUL each.  A ROW's value begins with its type: 's' text, 'n' number, 'b' "true" or
 * "false".  One request a connection.  After DONE the server closes.
 */
#ifndef SERVER_ADMIN_FRAME_H
#define SERVER_ADMIN_FRAME_H

#include "protocol/buf.h"

#define ADMIN_VERSION "roost-admin-1"

enum admin_frame_type {
	ADMIN_REQUEST = 'Q',
	ADMIN_READY = 'R',
	ADMIN_BODY = 'B',
	ADMIN_END = 'E',
	ADMIN_ROW = 'W',
	ADMIN_DONE = 'D'
};

enum { ADMIN_FRAME_HEAD = 5, ADMIN_FRAME_MAX = 65536 /* of what follows the head */ };

struct admin_frame {
	enum admin_frame_type type;
	struct span body; /* in the buffer it was read from */
	size_t size;      /* with the head */
};

void admin_frame_add(struct buf *out, enum admin_frame_type type, struct span body);
/* The frame at the beginning of `in`, if all of it is there.  False: not yet, or with *out_broken set, never. */
bool admin_frame_read(struct span in, struct admin_frame *out, bool *out_broken);
/* Takes the next text of a frame's body; false: there is none, or it does not end. */
bool admin_frame_text(struct span *body, const char **out);

#endif
