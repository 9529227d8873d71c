/* Start and stop: configuration, TLS, lanes, loops, listeners; signals end it.  The main loop only accepts. */
#include "server/server.h"

#include "protocol/base.h"
#include "server/auth_pool.h"
#include "server/conn.h"
#include "server/sasl.h"
#include "server/store_lock.h"
#include "server/trouble.h"
#include "server/tls.h"
#include "server/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

struct listener {
	uv_poll_t poll;
	int fd;
	const struct listen_config *config;
	struct acceptor *acceptor;
};

struct acceptor {
	uv_loop_t uv;
	uv_signal_t signals[2];
	struct server *server;
	struct listener *listeners;
	size_t listeners_n;
	int next_loop;
	struct listen_config admin;
};

struct accepted {
	struct letter letter;
	int fd;
	const struct listen_config *config;
};

static void deliver_accepted(struct letter *letter, struct loop *loop)
{
	static const struct conn_user *const users[] = {[PROTOCOL_IMAP] = &session_user,
							[PROTOCOL_IMAPS] = &session_user,
							[PROTOCOL_LMTP] = &lmtp_user,
							[PROTOCOL_ADMIN] = &admin_user};
	struct accepted *m = container_of(letter, struct accepted, letter);
	if (loop->stopping)
		close(m->fd);
	else
		conn_create(loop, m->fd, m->config, users[m->config->protocol]);
	free(m);
}

void server_attach(struct server *s, int loop, int fd, const struct listen_config *config)
{
	struct accepted *m = xcalloc(1, sizeof(*m));
	m->letter.deliver = deliver_accepted;
	m->fd = fd;
	m->config = config;
	loop_post(&s->loops[loop], &m->letter);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	(void)status, (void)events;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct acceptor *a = l->acceptor;
	a->next_loop = (a->next_loop + 1) % a->server->config.loops;
	server_attach(a->server, a->next_loop, fd, l->config);
}

static int open_socket(const struct listen_config *c)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr *address = c->path ? (struct sockaddr *)&un : (struct sockaddr *)&in;
	socklen_t len = c->path ? sizeof(un) : sizeof(in);
	if (c->path) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", c->path);
		unlink(c->path);
	} else {
		in.sin_port = htons((uint16_t)c->port);
		if (inet_pton(AF_INET, c->address, &in.sin_addr) != 1)
			return -1;
	}
	int fd = socket(c->path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (c->protocol == PROTOCOL_ADMIN && fd >= 0 && fchmod(fd, 0600) != 0) /* what bind() makes has this mode */
		return -1;
	if (fd < 0 || bind(fd, address, len) != 0 || listen(fd, BACKLOG) != 0) {
		char what[200];
		int error = errno;
		if (c->path)
			snprintf(what, sizeof(what), "listening on %s", c->path);
		else
			snprintf(what, sizeof(what), "listening on %s port %d", c->address, c->port);
		trouble_errno(what, error);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void on_signal(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

static bool start_listeners(struct acceptor *a)
{
	const struct config *config = &a->server->config;
	a->listeners = xcalloc(config->listens_n + 1, sizeof(*a->listeners));
	a->admin = (struct listen_config){.protocol = PROTOCOL_ADMIN, .path = config->admin_socket};
	for (size_t i = 0; i <= config->listens_n; i++) {
		struct listener *l = &a->listeners[i];
		l->config = i < config->listens_n ? &config->listens[i] : &a->admin;
		l->acceptor = a;
		l->fd = open_socket(l->config);
		if (l->fd < 0)
			return false;
		a->listeners_n++;
		uv_poll_init(&a->uv, &l->poll, l->fd);
		l->poll.data = l;
		uv_poll_start(&l->poll, UV_READABLE, on_readable);
	}
	static const int numbers[] = {SIGTERM, SIGINT};
	for (size_t i = 0; i < countof(numbers); i++) {
		uv_signal_init(&a->uv, &a->signals[i]);
		uv_signal_start(&a->signals[i], on_signal, numbers[i]);
	}
	return true;
}

static void stop_listeners(struct acceptor *a, bool signals)
{
	for (size_t i = 0; i < a->listeners_n; i++) {
		uv_close((uv_handle_t *)&a->listeners[i].poll, NULL);
		close(a->listeners[i].fd);
		if (a->listeners[i].config->path)
			unlink(a->listeners[i].config->path);
	}
	for (size_t i = 0; signals && i < countof(a->signals); i++)
		uv_close((uv_handle_t *)&a->signals[i], NULL);
	uv_run(&a->uv, UV_RUN_DEFAULT);
	uv_loop_close(&a->uv);
	free(a->listeners);
}

static struct auth_pool *make_auth(struct server *s)
{
	const struct config *c = &s->config;
	struct auth_pool_config config = {.accounts = s->accounts,
					  .hostname = c->hostname,
					  .threads = c->auth_threads,
					  .queue_max = (size_t)c->auth_queue_max,
					  .cost = {c->password_cost, c->scram_iterations},
					  .failure_delay_ms = (unsigned)c->login_delay_ms,
					  .failures_max = (unsigned)c->login_failures_max};
	return auth_pool_create(&config);
}

struct server *server_open(const struct config *config)
{
	struct server *s = xcalloc(1, sizeof(*s));
	s->config = *config;
	s->lock = store_lock_open(config->store);
	s->loops = xcalloc((size_t)config->loops, sizeof(*s->loops));
	if (config->tls_n)
		s->tls = tls_open(config);
	s->has_sasl = s->lock >= 0 && (!config->tls_n || s->tls) && sasl_library_open();
	if (s->has_sasl) {
		s->workers = workers_create(config->workers);
		s->accounts = accounts_create(&s->config, s->workers, s->loops);
		s->auth = s->accounts ? make_auth(s) : NULL;
	}
	if (!s->auth) {
		server_close(s);
		return NULL;
	}
	for (int i = 0; i < config->loops; i++)
		loop_start(&s->loops[i], (unsigned)i, s);
	s->is_running = true;
	return s;
}

void server_close(struct server *s)
{
	if (!s)
		return;
	int running = s->is_running ? s->config.loops : 0;
	for (int i = 0; i < running; i++)
		loop_stop(&s->loops[i]);
	for (int i = 0; i < running; i++)
		loop_join(&s->loops[i]);
	if (s->is_running) {
		workers_stop(s->workers);
		auth_pool_stop(s->auth);
	}
	for (int i = 0; i < running; i++)
		loop_finish(&s->loops[i]);
	auth_pool_destroy(s->auth);
	if (s->has_sasl)
		sasl_library_close();
	workers_destroy(s->workers);
	accounts_destroy(s->accounts);
	tls_close(s->tls);
	free(s->loops);
	store_lock_close(s->lock);
	free(s);
}

static bool serve(struct server *s)
{
	struct acceptor a = {.server = s};
	invariant(uv_loop_init(&a.uv) == 0);
	bool ok = start_listeners(&a);
	if (ok) {
		printf("ready pid=%d\n", (int)getpid());
		fflush(stdout);
		uv_run(&a.uv, UV_RUN_DEFAULT);
	}
	stop_listeners(&a, ok);
	return ok;
}

int server_run(const char *config_path)
{
	struct config config;
	struct server *s = NULL;
	signal(SIGPIPE, SIG_IGN);
	bool ok = config_read(config_path, &config);
	if (ok && config.listens_n == 0) {
		trouble("%s: there is no listen section: nobody could connect", config_path);
		ok = false;
	}
	if (ok)
		s = server_open(&config);
	ok = s && serve(s);
	server_close(s);
	config_finish(&config);
	return ok ? 0 : 1;
}
