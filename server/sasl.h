/*
 * libsasl2, as Roost uses it.  The mechanisms are the library's plugins; the accounts are ours: an auxprop plugin
 * inside the process hands out SCRAM secrets, and SASL_CB_SERVER_USERDB_CHECKPASS compares passwords with the stored
 * hash, because the library's own comparison wants clear text.  Of the library's
 * configuration files only the one is read that ours names, and of its plugins only those of sasl_library.c are loaded.
 *
 * Which back end verifies a user's password (struct auth_config) is known once the user is: our directory and saslauthd are
 * asked by us; for sql and ldapdb the library asks its own plugin, and compares.
 *
 * A master user logs in as another one: by the authorization identity of its mechanism (RFC 4616, RFC 5802), or, where a client
 * cannot say that, as "other*master" with the master's password.
 */
#ifndef SERVER_SASL_H
#define SERVER_SASL_H

#include "server/auth_pool.h"
#include "server/peers.h"
#include "server/tls_peer.h"

#include <sasl/sasl.h>

struct sasl_library;

/* Once a process, before any exchange, while no other thread runs.  NULL when the library, a mechanism, or a plugin that the
 * configuration asks for is missing; the reason is logged.  `config` outlives it. */
struct sasl_library *sasl_library_open(const struct config *config);
/* Takes NULL. */
void sasl_library_close(struct sasl_library *library);

enum sasl_status {
	SASL_STATUS_MORE,           /* send the challenge and step with the answer */
	SASL_STATUS_OK,             /* exchange->account and ->address are who it is */
	SASL_STATUS_FAILED,         /* wrong password, unknown user, or no sense in the answer: all look the same */
	SASL_STATUS_NOT_AUTHORIZED, /* the password is right, but not for acting as the other one */
	SASL_STATUS_EXPIRED,        /* an app password that was right, until some time ago */
	SASL_STATUS_HELD,           /* too many failed before it (abuse.h): nothing was looked at but whether it is an app password */
	SASL_STATUS_UNAVAILABLE     /* the directory or the library failed; try again later */
};

/* What an exchange knows of its connection: copied, since it goes to other threads. */
struct sasl_link {
	bool tls;                         /* it is protected */
	struct peer_key from;             /* for abuse.h */
	bool exempt;                      /* failures from there are not counted */
	char remote[48];                  /* its address, for app passwords that are good from some networks only */
	const char *default_domain;       /* of names without one; "": there is none.  Outlives the exchange */
	struct tls_bindings bindings;     /* for SCRAM */
	struct tls_identities identities; /* for EXTERNAL */
};

/* One login attempt.  Zeroed at first; moves between threads, and is used by one at a time. */
struct sasl_exchange {
	sasl_conn_t *conn;
	sasl_callback_t callbacks[5];
	struct auth_worker *worker; /* while a step runs */
	const struct sasl_link *link;
	const char *mechanism;      /* NULL: LOGIN the command */
	enum auth_verdict verdict;  /* what the directory said */
	bool not_authorized, held, expired;
	bool is_device; /* an app password was right: nobody guesses one, so it is held by nobody's guesses */
	bool master_of_all; /* with a target: the user may log in as anybody */
	uint64_t tried; /* of the password that was wrong (abuse.h); 0: it was none */
	sasl_channel_binding_t binding;
	const struct auth_config *backend; /* the user's; NULL: the directory */
	char iterations[8];                /* of SCRAM, as an option of the library's */
	char user[ADDRESS_MAX + 1];    /* whose password it is, for the log; cut when it is long */
	char target[ADDRESS_MAX + 1];  /* as whom that one wants to be logged in; "": as itself */
	char address[ADDRESS_MAX + 1]; /* who is logged in; "" until it is certain */
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	struct credential credential; /* what the password was */
};

struct sasl_bytes {
	const char *ptr; /* NULL: none, which differs from empty */
	unsigned len;
};

/* All three on a thread of the auth pool.  `challenge` lives until the next call; `mechanism` is one that sasl.c knows,
 * static; `link` outlives the exchange. */
MUST_USE enum sasl_status sasl_exchange_start(struct sasl_exchange *x, struct auth_worker *worker, const char *mechanism,
					      const struct sasl_link *link, struct sasl_bytes initial,
					      struct sasl_bytes *challenge);
MUST_USE enum sasl_status sasl_exchange_step(struct sasl_exchange *x, struct auth_worker *worker,
					     struct sasl_bytes answer, struct sasl_bytes *challenge);
/* LOGIN: a user and a password as they are. */
MUST_USE enum sasl_status sasl_exchange_password(struct sasl_exchange *x, struct auth_worker *worker,
						 const struct sasl_link *link, const char *user, struct sasl_bytes password);
/* As soon as the outcome is known, or the client gave up.  Any thread. */
void sasl_exchange_finish(struct sasl_exchange *x);

#endif
