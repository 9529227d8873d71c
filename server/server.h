/* The running server: what its threads share.  Everything here is set before they start, or has its own lock. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/config.h"
#include "server/accounts.h"
#include "server/counters.h"
#include "server/loop.h"

struct abuse;
struct auth_pool;
struct conn_user;
struct crash_handlers;
struct domain_table;
struct peers;
struct sasl_library;
struct sessions;
struct supervisor;
struct tls;
struct workers;

struct server {
	struct config config;
	struct listen_config admin_listen; /* of the admin socket; connections point to it */
	struct loop *loops;
	struct crash_handlers *crashes;
	struct workers *workers;
	struct accounts *accounts;
	struct peers *peers;
	struct sessions *sessions;
	struct counters counters;
	struct domain_table *domains; /* NULL: not by domain (metrics_domains) */
	struct abuse *abuse;
	const struct conn_user *const *users; /* by protocol: what serves a connection */
	struct sasl_library *sasl;
	struct auth_pool *auth;
	struct tls *tls; /* NULL without certificates */
	/* Of a daemon; NULL in a command. */
	const char *config_path;
	struct supervisor *supervisor;
	uv_async_t *look; /* for the main loop: at the certificates */
	uv_mutex_t reloading;
	int lock;        /* on the store */
	bool is_running;
};

/* Takes the store's lock and starts everything but listeners.  NULL, with the reason printed, when that fails.
 * `config` and what it points to outlive the server. */
struct server *server_open(const struct config *config);
/* Ends connections, finishes what runs, closes the store.  Takes NULL. */
void server_close(struct server *s);
/* Any thread: reload_run(), one at a time, and a look at the certificates. */
bool server_reload(struct server *s, void (*each)(void *ctx, const char *option, bool taken), void *ctx);
/* The daemon, from reading its configuration to SIGTERM; returns the exit code. */
int server_run(const char *config_path);
extern const struct conn_user session_user, lmtp_user, admin_user;

#endif
