/* A connection: bytes in, bytes out, TLS invisible above it.  Lives on its loop; freed after its handle closed. */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "protocol/buf.h"
#include "server/config.h"
#include "server/loop.h"

#include <openssl/ssl.h>

enum { OUT_HIGH = 262144, OUT_LOW = 65536, IN_HIGH = 131072 };

/* What uses a connection: the IMAP session or the LMTP session.  Callbacks record a fact and call its pump. */
struct conn_user {
	void (*on_data)(struct conn *c);    /* c->in has grown */
	void (*on_drained)(struct conn *c); /* output fell below OUT_LOW */
	void (*on_closed)(struct conn *c);  /* the last call: free c->session */
	const char *goodbye;
};

struct conn {
	struct conn *next, **link;
	struct loop *loop;
	uint64_t id;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	const struct listen_config *listener;
	const struct conn_user *user;
	void *session;
	struct buf in, out; /* plain bytes */
	size_t writing;     /* bytes handed to libuv */
	SSL *ssl;
	BIO *net_in, *net_out;
	bool closing, closed, reading, ended, close_when_drained;
};

/* Takes over `fd`. */
void conn_create(struct loop *loop, int fd, const struct listen_config *listener);
void conn_write_text(struct conn *c, const char *text);
/* Starts writing what is in c->out. */
void conn_flush(struct conn *c);
/* Output that waits, in bytes. */
size_t conn_pending(const struct conn *c);
void conn_set_reading(struct conn *c, bool on);
/* Bytes read before are forgotten (RFC 9051 6.2.1). */
void conn_start_tls(struct conn *c, SSL_CTX *ctx);
void conn_close(struct conn *c);
/* After everything was written. */
void conn_close_later(struct conn *c);
struct conn *conn_find(struct loop *loop, uint64_t id);

#endif
