/*
 * A connection: bytes in, bytes out, TLS invisible above it; it knows no IMAP.  It lives on its loop, and everything
 * here is called on that loop only.
 *
 * Output: write short texts to conn_out(), move an op's output with conn_move(), and call conn_flush() once at the end
 * of a turn.  Before making more, ask conn_has_room().
 * Input: c->in holds what came and was not consumed (buf_drop()); conn_set_reading(false) is the back-pressure.
 * Work: conn_submit() sends an op to an account's lane; its done() comes back here with the connection, or with NULL
 * when it is gone.  When a connection closes, its ops that still wait are skipped.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "server/config.h"
#include "server/op.h"
#include "server/outq.h"

#include <uthash.h>

struct tls_stream;

enum {
	OUT_HIGH = 262144, /* output that waits: at and above it conn_has_room() says no */
	OUT_LOW = 65536,   /* below it on_drained() is called */
	IN_HIGH = 131072
};

/* Why a connection is asked for its last words. */
enum conn_end { CONN_END_STOPPING, CONN_END_IDLE, CONN_END_STALLED };

/* What uses a connection: an IMAP or an LMTP session.  Callbacks record a fact and call its pump; they may call
 * conn_close(), nothing they call frees the connection. */
struct conn_user {
	void (*on_accept)(struct conn *c);  /* makes c->session, writes the greeting */
	void (*on_data)(struct conn *c);    /* c->in has grown, or the peer has sent its last byte */
	void (*on_drained)(struct conn *c); /* there is room again after conn_has_room() said no */
	/* The server ends the connection: writes the last words, where the protocol allows any at this point of the
	 * output.  No op is in flight. */
	void (*on_ending)(struct conn *c, enum conn_end why);
	void (*on_closed)(struct conn *c); /* the last call: frees c->session */
};

enum conn_state {
	CONN_OPEN,
	CONN_ENDING, /* what is queued still leaves; nothing is read */
	CONN_CLOSED  /* its handle closes; the memory goes with the last callback */
};

struct conn {
	struct loop *loop;
	uint64_t id; /* never used twice on its loop */
	const struct listen_config *listener;
	const struct conn_user *user;
	void *session; /* the user's */
	struct buf in;
	enum conn_state state;
	/* Private. */
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	struct outq out;
	size_t writing; /* bytes handed to libuv */
	struct tls_stream *tls;
	struct op *flight; /* ops that have not come back */
	uint64_t last_serial;
	bool reading, peer_ended, wants_room, goodbye_due;
	UT_hash_handle hh;
};

/* Takes over `fd`, a connected stream socket. */
void conn_create(struct loop *loop, int fd, const struct listen_config *listener, const struct conn_user *user);
/* NULL: gone, or closing. */
struct conn *conn_find(struct loop *loop, uint64_t id);
/* The session may start what comes next: it is neither closed nor ending. */
bool conn_is_open(const struct conn *c);

/* Where output is written; valid until the next call of a conn function. */
struct buf *conn_out(struct conn *c);
void conn_write_text(struct conn *c, const char *text);
/* Moves a chunk of output behind what is queued: `from` is empty afterwards. */
void conn_move(struct conn *c, struct buf *from);
/* False: the peer does not keep up; stop making output until on_drained().  Flushes first, so false is final. */
bool conn_has_room(struct conn *c);
/* Starts sending what is queued. */
void conn_flush(struct conn *c);

void conn_set_reading(struct conn *c, bool on);
/* The peer will send nothing more (it may still read): when all its input is consumed and answered, the connection
 * closes by itself. */
bool conn_peer_ended(const struct conn *c);

/* Becomes the TLS server, or with no certificate nothing happens and false is returned.  What was read before is
 * forgotten: it was pipelined in the clear, perhaps by somebody else (RFC 9051 6.2.1).  Call it after conn_flush() of the
 * answer to STARTTLS, and consume nothing of c->in afterwards. */
bool conn_start_tls(struct conn *c);
bool conn_is_secure(const struct conn *c);
/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; "none" without TLS. */
const char *conn_tls_version(const struct conn *c);
const char *conn_tls_cipher(const struct conn *c);

/* Sends the op to the lane; the caller holds a reference to it until done(). */
void conn_submit(struct conn *c, struct lane *lane, struct op *op);
/* For op.c: a letter came back. */
void conn_deliver(struct loop *loop, struct op *op);

/* Now, whatever waits; deferred frees only. */
void conn_close(struct conn *c);
/* Once everything queued was sent. */
void conn_close_later(struct conn *c);
/* The server stops: the last words once no op is in flight, then conn_close_later(). */
void conn_stop(struct conn *c);

#endif
