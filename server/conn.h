/*
 * A connection: bytes in, bytes out, TLS and compression invisible above it; it knows no IMAP.  It lives on its loop, and everything
 * here is called on that loop only.
 *
 * Output: write short texts to conn_out(), move an op's output with conn_move(), and call conn_flush() once at the end
 * of a turn.  Before making more, ask conn_has_room().
 * Input: c->in holds what came and was not consumed (buf_drop()); conn_set_reading(false) is the back-pressure.
 * Time: a peer that sends nothing, or takes nothing of what waits for it, is ended; see limits.h.  conn_admit() says that
 * it is no stranger any more.
 * Work: conn_submit() sends an op to an account's lane; its done() comes back here with the connection, or with NULL
 * when it is gone.  When a connection closes, its ops that still wait are skipped.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "server/config.h"
#include "server/limits.h"
#include "server/op.h"
#include "server/outq.h"
#include "server/peers.h"

#include <uthash.h>

struct deflate_stream;
struct domain_counts;
struct tls_stream;

enum { OUT_HIGH = LIMIT_OUT_HIGH_BYTES, OUT_LOW = LIMIT_OUT_LOW_BYTES, IN_HIGH = LIMIT_IN_HIGH_BYTES };

/* Who is at the other end. */
struct conn_peer {
	struct peer_key key;
	char text[46]; /* an IPv4 or IPv6 address, or "local" */
	bool trusted;  /* one address for many people: trusted_networks */
};

/* Why a connection is asked for its last words. */
enum conn_end {
	CONN_END_STOPPING, /* the server stops */
	CONN_END_IDLE,     /* the client has sent nothing for too long */
	CONN_END_KICKED    /* somebody wants it to end */
};

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
	/* Nothing was sent for as long as conn_set_pulse() says; NULL where that is not used. */
	void (*on_pulse)(struct conn *c);
};

enum conn_state {
	CONN_OPEN,
	CONN_ENDING,    /* what is queued still leaves; nothing is read */
	CONN_LINGERING, /* everything has left; what still comes is thrown away until the peer closes */
	CONN_CLOSED     /* its handle closes; the memory goes with the last callback */
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
	struct deflate_stream *deflate; /* NULL: nothing is compressed */
	bool resting;                   /* all of it that can rest does, since the last byte */
	uint64_t unrested_s;            /* when it could not rest, since there was output */
	size_t bare;                    /* of `out`: what leaves as it is, since it was written before */
	struct buf packed;              /* input that waits to be decompressed: `in` has no room for what it makes */
	struct op *flight; /* ops that have not come back */
	uint64_t last_serial;
	enum conn_end goodbye;   /* why, while goodbye_due */
	const char *why;         /* it ends: static text, of the first cause; NULL: it does not, or nobody said */
	uint64_t bytes_in, bytes_out; /* on the wire; and so much of it is in the server's counters */
	uint64_t counted_in, counted_out;
	struct domain_counts *domain; /* and of this domain; NULL: of none */
	bool pack_ended; /* the peer has finished its compressed stream: `packed` holds what came behind it */
	bool reading, peer_ended, wants_room, goodbye_due, admitted, yielding;
	unsigned held; /* conn_hold_open() less conn_let_go() */
	struct conn_peer peer;
	struct wheel_item deadline;
	unsigned idle_s;                   /* how long it may be silent */
	unsigned pulse_s;
	/* When it connected, began TLS, last sent something, last took something of a queue, was last sent something. */
	uint64_t since_s, handshake_s, heard_s, took_s, said_s;
	size_t untaken;                    /* bytes libuv held when took_s was set */
	uv_shutdown_t shutdown;
	UT_hash_handle hh;
};

/* Takes over `fd`, a connected stream socket, and its place among the peers and in loop_count(). */
void conn_create(struct loop *loop, int fd, const struct listen_config *listener, const struct conn_user *user,
		 const struct conn_peer *peer);
/* For proxy.c, once `used` bytes of c->in were read: `user` begins with what is behind them, as with a new connection. */
void conn_hand_over(struct conn *c, const struct conn_user *user, size_t used);
/* NULL: gone, or closing. */
struct conn *conn_find(struct loop *loop, uint64_t id);
/* The session may start what comes next: it is neither closed nor ending. */
bool conn_is_open(const struct conn *c);
/* The peer has proved who it is, or need not: it is counted as a stranger no more, and may be silent for `idle_s`. */
void conn_admit(struct conn *c, unsigned idle_s);
/* From now on its bytes are that domain's (server/domain_counts.h), too; NULL: nobody's. */
void conn_count_for(struct conn *c, struct domain_counts *domain);
/* From now on on_pulse() is called after each `silence_s` in which nothing was sent; 0: no more. */
void conn_set_pulse(struct conn *c, unsigned silence_s);
/* For the log: the peer's address. */
const char *conn_peer(const struct conn *c);

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
/* The session has more to do by itself, and lets the loop's others go first: on_data() comes again, soon. */
void conn_yield(struct conn *c);
/* An answer is on its way to the session otherwise than in an op (a login): a peer that has ended its side still gets it.
 * Once it is there and used, conn_let_go(). */
void conn_hold_open(struct conn *c);
void conn_let_go(struct conn *c);
/* The peer will send nothing more (it may still read): when all its input is consumed and answered, the connection
 * closes by itself. */
bool conn_peer_ended(const struct conn *c);

/* Becomes the TLS server, or with no certificate nothing happens and false is returned.  What was written before leaves
 * in the clear.  What was read before is forgotten: it was pipelined in the clear, perhaps by somebody else (RFC 9051
 * 6.2.1); consume nothing of c->in afterwards. */
bool conn_start_tls(struct conn *c);
bool conn_is_secure(const struct conn *c);
/* NULL: there is none, or its handshake goes on. */
const struct tls_stream *conn_tls(const struct conn *c);
/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; "none" without TLS. */
const char *conn_tls_version(const struct conn *c);
const char *conn_tls_cipher(const struct conn *c);

/* From now on both ways are compressed (RFC 4978; server/deflate.h); what was written before leaves as it is.  `early` and
 * then c->in, which were read already, are the first of the peer's compressed bytes; consume nothing of c->in before. */
void conn_start_deflate(struct conn *c, struct span early);
bool conn_is_deflated(const struct conn *c);
/* What was written before still leaves compressed, and nothing after it.  The same holds of what the peer sends: bytes
 * behind the end of its stream (a last block, or in its next packet) are plain. */
void conn_stop_deflate(struct conn *c);

/* Sends the op to the lane; the caller holds a reference to it until done(). */
void conn_submit(struct conn *c, struct lane *lane, struct op *op);
/* For op.c: a letter came back. */
void conn_deliver(struct loop *loop, struct op *op);

/* At once, whatever waits.  The memory goes later: `c` stays valid for the caller. */
void conn_close(struct conn *c);
/* Once everything queued was sent: then close_notify, the end of the stream, and a moment in which input is thrown
 * away, since closing with input unread would destroy the last words on their way (RFC 1122 4.2.2.13). */
void conn_close_later(struct conn *c);
/* The server, or somebody, ends it: the last words once no op is in flight, then conn_close_later(). */
void conn_stop(struct conn *c, enum conn_end why);
/* Why it ends, for the log; the first to say so is right. */
static inline void conn_note_end(struct conn *c, const char *why)
{
	if (!c->why)
		c->why = why;
}
/* For loop.c: the deadline has come; another one may be set. */
void conn_on_due(struct conn *c);

#endif
