#include "server/supervisor.h"

#include "server/log.h"
#include "server/loop.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_SOCKET = 3 /* SD_LISTEN_FDS_START */, SOCKETS_MAX = 64 };

struct supervisor {
	struct server *server;
	uv_timer_t timer;
	int fd; /* -1: nobody listens */
	uint64_t watchdog_ms; /* 0: nobody watches */
	atomic_uint unanswered; /* loops that were asked, and have not turned yet */
};

static void tell(const struct supervisor *s, const char *text)
{
	if (s->fd >= 0 && send(s->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		log_event(LOG_WARNING, "supervisor_not_told", log_text("error", strerror(errno)));
}

/* A path, or with @ a name in the abstract namespace. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len < 2 || len >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
		return -1;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) != 0) {
		log_event(LOG_WARNING, "supervisor_not_told", log_text("error", strerror(errno)));
		close(fd);
		return -1;
	}
	return fd;
}

/* A number in the environment; 0: there is none. */
static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);
	char *end = NULL;
	errno = 0;
	unsigned long long n = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	return n && !*end && errno == 0 ? n : 0;
}

struct supervisor *supervisor_open(struct server *server, uv_loop_t *loop)
{
	struct supervisor *s = xcalloc(1, sizeof(*s));
	const char *path = getenv("NOTIFY_SOCKET");
	uint64_t pid = number_of("WATCHDOG_PID");
	s->server = server;
	s->fd = path ? connect_to(path) : -1;
	if (s->fd >= 0 && (pid == 0 || pid == (uint64_t)getpid()))
		s->watchdog_ms = number_of("WATCHDOG_USEC") / 1000;
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	uv_unref((uv_handle_t *)&s->timer);
	return s;
}

struct ask {
	struct letter letter;
	struct supervisor *supervisor;
};

static void deliver_ask(struct letter *letter, struct loop *loop)
{
	struct ask *m = container_of(letter, struct ask, letter);
	(void)loop;
	atomic_fetch_sub_explicit(&m->supervisor->unanswered, 1, memory_order_relaxed);
	free(m);
}

/* A loop that does not turn leaves its question unanswered, and then the watchdog hears nothing. */
static void on_watchdog(uv_timer_t *timer)
{
	struct supervisor *s = timer->data;
	if (atomic_load_explicit(&s->unanswered, memory_order_relaxed) != 0)
		return;
	tell(s, "WATCHDOG=1");
	for (int i = 0; i < s->server->config.loops; i++) {
		struct ask *m = xcalloc(1, sizeof(*m));
		m->letter.deliver = deliver_ask;
		m->supervisor = s;
		atomic_fetch_add_explicit(&s->unanswered, 1, memory_order_relaxed);
		loop_post(&s->server->loops[i], &m->letter);
	}
}

void supervisor_ready(struct supervisor *s)
{
	tell(s, "READY=1\nSTATUS=Serving");
	if (s->watchdog_ms)
		uv_timer_start(&s->timer, on_watchdog, 0, s->watchdog_ms / 3 + 1);
}

void supervisor_reloading(struct supervisor *s)
{
	struct timespec now;
	char text[80];
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	tell(s, text);
}

void supervisor_reloaded(struct supervisor *s)
{
	tell(s, "READY=1");
}

void supervisor_stopping(struct supervisor *s)
{
	uv_timer_stop(&s->timer);
	tell(s, "STOPPING=1\nSTATUS=Telling clients");
}

void supervisor_close(struct supervisor *s)
{
	uv_close((uv_handle_t *)&s->timer, NULL);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void supervisor_destroy(struct supervisor *s)
{
	free(s);
}

int supervisor_sockets(void)
{
	uint64_t n = number_of("LISTEN_FDS");
	if (number_of("LISTEN_PID") != (uint64_t)getpid())
		return 0;
	return n > SOCKETS_MAX ? SOCKETS_MAX : (int)n;
}

static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)a, *other = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a, *other6 = (const struct sockaddr_in6 *)b;
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return in->sin_port == other->sin_port && in->sin_addr.s_addr == other->sin_addr.s_addr;
	if (a->ss_family == AF_INET6)
		return in6->sin6_port == other6->sin6_port && memcmp(&in6->sin6_addr, &other6->sin6_addr, 16) == 0;
	return a->ss_family == AF_UNIX && strcmp(((const struct sockaddr_un *)a)->sun_path, ((const struct sockaddr_un *)b)->sun_path) == 0;
}

int supervisor_take_socket(const struct sockaddr_storage *address)
{
	for (int fd = FIRST_SOCKET; fd < FIRST_SOCKET + supervisor_sockets(); fd++) {
		struct sockaddr_storage its = {0};
		socklen_t len = sizeof(its);
		int type = 0, flags = fcntl(fd, F_GETFD), status = fcntl(fd, F_GETFL);
		socklen_t type_len = sizeof(type);
		/* Those that are ours already are closed on exec, which no handed one is. */
		if (flags < 0 || status < 0 || (flags & FD_CLOEXEC) || getsockname(fd, (struct sockaddr *)&its, &len) != 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 || type != SOCK_STREAM || !is_same(&its, address))
			continue;
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, status | O_NONBLOCK) == 0)
			return fd;
	}
	return -1;
}
