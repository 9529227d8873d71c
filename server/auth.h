/*
 * How a connection proves who it is: LOGIN, and AUTHENTICATE with the mechanisms of the table in auth.c (RFC 3501
 * 6.2.2, 6.2.3; RFC 9051 6.2.2; RFC 4959 for initial responses).
 *
 * A `struct auth` lives beside a session, on its loop, until somebody is logged in.  Each answer is worked on in the
 * auth pool; the outcome comes back by `done`, on the loop.  After a failure `done` waits (2 s, doubling up to 16 s by
 * default) on a timer: the session reads nothing meanwhile, and no thread is held.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "protocol/buf.h"
#include "server/auth_pool.h"
#include "server/peers.h"

enum auth_status {
	AUTH_CHALLENGE, /* send "+ ", the challenge, CRLF; give the client's next line to auth_answer() */
	AUTH_OK,        /* account and address say who it is */
	AUTH_NO,        /* refused, with `code` and `text`; `cut`: too often, close then */
	AUTH_BAD        /* not what the protocol allows */
};

struct auth_result {
	enum auth_status status;
	struct span challenge; /* base64, may be empty */
	const char *code, *text; /* static; a response code of RFC 5530, or NULL */
	const char *account, *address;
	const char *master; /* whose password it was, when it was another's (server/sasl.h); else NULL */
	bool master_of_all; /* and who may be anybody's */
	const struct credential *credential; /* what the password was; of AUTH_OK */
	const char *capabilities_off;        /* what is set for the user; of AUTH_OK.  NULL and "": nothing */
	uint64_t endings; /* sessions_endings() before anything was looked up */
	bool cut;
}; /* what it points to lives until the function it was given to returns */

/* On the loop. */
typedef void auth_done_fn(void *ctx, const struct auth_result *result);

struct auth;
struct tls_stream;

struct auth_link {
	const char *remote; /* for the log; copied */
	uint64_t session;   /* the same */
	bool tls;           /* the link is protected */
	struct peer_key from; /* failures are counted by it, unless it is `exempt` */
	bool exempt;
	bool clear_allowed; /* the listener lets passwords through without TLS */
	const struct tls_stream *stream; /* NULL: there is no TLS; looked at during the call only */
	bool scram_off;                  /* a back end may be asked that does not know what SCRAM needs */
	const char *default_domain;      /* of users who give none; "": there is none.  Outlives the login */
};

/* The longest line auth_answer() takes; longer ones are refused with BAD. */
enum { AUTH_LINE_MAX = 16384 };

struct auth *auth_create(struct auth_pool *pool, struct loop *loop, auth_done_fn *done, void *ctx);
/* Any time; an answer in the pool's hands is dropped when it comes back, and `done` is not called.  Takes NULL. */
void auth_destroy(struct auth *a);

/* Whether a login may be tried on such a link (else LOGINDISABLED is listed, RFC 3501 6.2.3). */
bool auth_is_allowed(const struct auth_link *link);
/* The mechanisms that may be tried on it, strongest first, with a space between; "" for none. */
enum { AUTH_MECHANISMS_MAX = 128 };
const char *auth_mechanisms(const struct auth_link *link, char out[AUTH_MECHANISMS_MAX]);

/* Each of these either fills in `now` and returns true, or returns false and `done` is called later.  One at a time:
 * none may be called between false and `done`. */
/* `initial`: the response that came with the command ("=": an empty one, RFC 4959 3); ptr NULL for none. */
bool auth_start(struct auth *a, const struct auth_link *link, struct span mechanism, struct span initial,
		struct auth_result *now);
/* The client's line after a challenge, without its CRLF; "*" cancels.  ptr NULL: it was too long to be kept. */
bool auth_answer(struct auth *a, struct span line, struct auth_result *now);
bool auth_password(struct auth *a, const struct auth_link *link, struct span user, struct span password,
		   struct auth_result *now);

#endif
