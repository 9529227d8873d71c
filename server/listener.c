#include "server/listener.h"

#include "server/conn.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/peers.h"
#include "server/proxy.h"
#include "server/server.h"
#include "server/supervisor.h"
#include "server/trouble.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTS_A_TURN = 64, REST_MS = 1000 };

struct listener {
	uv_poll_t poll;
	int fd;
	bool inherited; /* a supervisor's, who opens and removes it */
	const struct listen_config *config;
	struct listeners *all;
};

struct listeners {
	struct server *server;
	uv_loop_t *loop;
	uv_timer_t rest; /* out of descriptors: nothing is accepted until it fires */
	bool resting, refused_logged;
	size_t n;
	struct listener each[];
};

struct accepted {
	struct letter letter;
	int fd;
	const struct listen_config *config;
	struct conn_peer peer;
};

static void deliver_accepted(struct letter *letter, struct loop *loop)
{
	struct accepted *m = container_of(letter, struct accepted, letter);
	if (loop->stopping) {
		loop_uncount(loop);
		peers_leave(loop->server->peers, m->peer.key, false);
		close(m->fd);
	} else {
		conn_create(loop, m->fd, m->config, m->config->proxies.n ? &proxy_user : loop->server->users[m->config->protocol],
			    &m->peer);
	}
	free(m);
}

void listener_describe(struct conn_peer *peer, const struct sockaddr *address, const struct networks *trusted)
{
	struct network_address network;
	network_address_of(address, &network);
	*peer = (struct conn_peer){.trusted = networks_have(trusted, &network)};
	if (!peer->trusted)
		peer->key = peer_key_of(address);
	bool is_v4 = memcmp(network.bytes, (const unsigned char[12]){[10] = 0xff, [11] = 0xff}, 12) == 0;
	bool is_ip = address->sa_family == AF_INET || address->sa_family == AF_INET6;
	if (!is_ip || !inet_ntop(is_v4 ? AF_INET : AF_INET6, network.bytes + (is_v4 ? 12 : 0), peer->text, sizeof(peer->text)))
		snprintf(peer->text, sizeof(peer->text), "local");
}

static struct loop *least_busy(struct server *server)
{
	struct loop *best = &server->loops[0];
	for (int i = 1; i < server->config.loops; i++)
		if (atomic_load_explicit(&server->loops[i].conns_n, memory_order_relaxed) <
		    atomic_load_explicit(&best->conns_n, memory_order_relaxed))
			best = &server->loops[i];
	return best;
}

/* Takes the descriptor over, whatever the answer. */
static enum peers_answer hand_out(struct server *server, int fd, const struct listen_config *config,
				  const struct conn_peer *peer)
{
	enum peers_answer answer = peers_enter(server->peers, peer->key);
	if (answer != PEERS_WELCOME) {
		close(fd);
		return answer;
	}
	struct accepted *m = xcalloc(1, sizeof(*m));
	m->letter.deliver = deliver_accepted;
	m->fd = fd;
	m->config = config;
	m->peer = *peer;
	struct loop *loop = least_busy(server);
	loop_count(loop); /* from here on, so that a burst spreads */
	loop_post(loop, &m->letter);
	return answer;
}

void listener_attach(struct server *server, int fd, const struct listen_config *config)
{
	struct conn_peer peer;
	listener_describe(&peer, &(struct sockaddr){.sa_family = AF_UNIX}, &server->config.trusted);
	(void)hand_out(server, fd, config, &peer);
}

/* Where proxies are expected nobody else may come; theirs is the address of many, until they have said whose. */
static bool may_be_proxy(const struct listen_config *config, const struct sockaddr_storage *address, struct conn_peer *peer)
{
	struct network_address from;
	if (!config->proxies.n)
		return true;
	network_address_of((const struct sockaddr *)address, &from);
	peer->key = (struct peer_key){{0}};
	peer->trusted = true;
	return networks_have(&config->proxies, &from);
}

static void take_socket(const struct listener *l, int fd, const struct sockaddr_storage *address)
{
	struct conn_peer peer;
	const char *refused = NULL;
	listener_describe(&peer, (const struct sockaddr *)address, &l->all->server->config.trusted);
	if (!may_be_proxy(l->config, address, &peer)) {
		refused = "not one of proxy_networks";
		close(fd);
	} else {
		enum peers_answer answer = hand_out(l->all->server, fd, l->config, &peer);
		refused = answer == PEERS_WELCOME ? NULL : peers_answer_text(answer);
	}
	/* Said once in a row: a flood must not fill the log. */
	if (refused && !l->all->refused_logged)
		log_event(LOG_WARNING, "connection_refused", log_text("peer", peer.text), log_text("reason", refused));
	l->all->refused_logged = refused != NULL;
}

static void on_listener_readable(uv_poll_t *poll, int status, int events);

static void set_accepting(struct listeners *all, bool on)
{
	for (size_t i = 0; i < all->n; i++) {
		if (on)
			uv_poll_start(&all->each[i].poll, UV_READABLE, on_listener_readable);
		else
			uv_poll_stop(&all->each[i].poll);
	}
}

static void on_rest_over(uv_timer_t *rest)
{
	struct listeners *all = rest->data;
	all->resting = false;
	set_accepting(all, true);
}

static void start_rest(struct listeners *all, int error)
{
	if (all->resting)
		return;
	all->resting = true;
	log_event(LOG_ERROR, "accept_failed", log_text("error", strerror(error)), log_number("rest_ms", REST_MS));
	set_accepting(all, false);
	uv_timer_start(&all->rest, on_rest_over, REST_MS, 0);
}

static void on_listener_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	(void)status, (void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage address = {0};
		socklen_t len = sizeof(address);
		int fd = accept4(l->fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			take_socket(l, fd, &address);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			start_rest(l->all, errno);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* --- Opening. --- */

/* Fills the address; its length, or 0: it is not one. */
static socklen_t make_address(const struct listen_config *c, struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){0};
	struct sockaddr_un *un = (struct sockaddr_un *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	if (c->path) {
		if (strlen(c->path) >= sizeof(un->sun_path))
			return 0;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, c->path, strlen(c->path) + 1);
		return sizeof(*un);
	}
	if (inet_pton(AF_INET, c->address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)c->port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, c->address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)c->port);
		return sizeof(*in6);
	}
	return 0;
}

static void fail(const struct listen_config *c, int error)
{
	char what[200];
	if (c->path)
		snprintf(what, sizeof(what), "listening on %s", c->path);
	else
		snprintf(what, sizeof(what), "listening on %s port %d", c->address, c->port);
	trouble_errno(what, error);
}

static int open_socket(const struct listen_config *c, bool *inherited)
{
	struct sockaddr_storage address;
	socklen_t len = make_address(c, &address);
	if (len == 0) {
		if (c->path)
			trouble("listening on %s: the path is too long for a socket", c->path);
		else
			trouble("listening on %s: an IPv4 or IPv6 address is expected", c->address);
		return -1;
	}
	int handed = supervisor_take_socket(&address);
	*inherited = handed >= 0;
	if (handed >= 0)
		return handed;
	struct stat st;
	/* The store's lock is held: a socket that lies there is a dead server's. */
	if (c->path && lstat(c->path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(c->path);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	if (fd >= 0 && !c->path)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd >= 0 && address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* The umask is 077, so at first nobody else can use what bind() makes; the admin socket stays so.  Delivery agents run as other
	 * users: the directory decides who comes that far. */
	mode_t mode = c->protocol == PROTOCOL_ADMIN ? 0600 : 0666;
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && (!c->path || chmod(c->path, mode) == 0) &&
		  listen(fd, LIMIT_BACKLOG) == 0;
	if (!ok) {
		fail(c, errno);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

struct listeners *listeners_open(struct server *server, uv_loop_t *loop)
{
	const struct config *config = &server->config;
	struct listeners *all = xcalloc(1, sizeof(*all) + (config->listens_n + 1) * sizeof(all->each[0]));
	all->server = server;
	all->loop = loop;
	uv_timer_init(loop, &all->rest);
	all->rest.data = all;
	for (size_t i = 0; i <= config->listens_n; i++) {
		struct listener *l = &all->each[i];
		l->config = i < config->listens_n ? &config->listens[i] : &server->admin_listen;
		l->all = all;
		l->fd = open_socket(l->config, &l->inherited);
		if (l->fd < 0) {
			listeners_close(all);
			uv_run(loop, UV_RUN_DEFAULT);
			listeners_destroy(all);
			return NULL;
		}
		uv_poll_init(loop, &l->poll, l->fd);
		l->poll.data = l;
		all->n++;
	}
	size_t taken = 0;
	for (size_t i = 0; i < all->n; i++)
		taken += all->each[i].inherited;
	if ((int)taken != supervisor_sockets())
		log_event(LOG_WARNING, "sockets_not_used", log_number("handed", supervisor_sockets()),
			  log_number("used", (int64_t)taken), log_text("reason", "no listen section has their address"));
	return all;
}

void listeners_start(struct listeners *all)
{
	set_accepting(all, true);
}

void listeners_close(struct listeners *all)
{
	uv_close((uv_handle_t *)&all->rest, NULL);
	for (size_t i = 0; i < all->n; i++) {
		uv_close((uv_handle_t *)&all->each[i].poll, NULL);
		close(all->each[i].fd);
		if (all->each[i].config->path && !all->each[i].inherited)
			unlink(all->each[i].config->path);
	}
}

void listeners_destroy(struct listeners *all)
{
	free(all);
}
