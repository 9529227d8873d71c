#include "server/admin_client.h"

#include "server/admin_frame.h"
#include "server/server.h"
#include "server/listener.h"
#include "server/trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	int fd;
	struct config config;  /* of the server in this process */
	struct server *server; /* NULL: a daemon is at the other end */
	struct buf in;
};

static int complain(const char *what)
{
	trouble_errno(what, errno);
	return ADMIN_EXIT_FAILED;
}

/* The daemon's socket; -1 with errno when nobody listens there. */
static int connect_daemon(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

/* No daemon: the server, without listeners, in this process. */
static bool start_server(struct client *c)
{
	static const struct listen_config here = {.protocol = PROTOCOL_ADMIN, .path = ""};
	int pair[2];
	c->config.loops = c->config.auth_threads = 1;
	c->config.workers = 2;
	c->config.listens_n = c->config.tls_n = 0;
	c->server = server_open(&c->config);
	if (!c->server)
		return false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 || fcntl(pair[1], F_SETFL, O_NONBLOCK) != 0) {
		complain("socketpair");
		return false;
	}
	c->fd = pair[0];
	listener_attach(c->server, pair[1], &here);
	return true;
}

static bool client_open(struct client *c, const struct config *config)
{
	*c = (struct client){.config = *config};
	buf_init(&c->in, 4 * (ADMIN_FRAME_MAX + ADMIN_FRAME_HEAD));
	c->fd = connect_daemon(config->admin_socket);
	if (c->fd >= 0)
		return true;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return start_server(c);
	trouble_errno(config->admin_socket, errno);
	return false;
}

static void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	server_close(c->server);
	buf_finish(&c->in);
}

static bool send_all(struct client *c, struct buf *out)
{
	size_t sent = 0;
	while (sent < out->len) {
		ssize_t n = send(c->fd, out->data + sent, out->len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		sent += (size_t)n;
	}
	buf_reset(out);
	return true;
}

static void add_pair(struct buf *body, const char *name, const char *value)
{
	buf_add(body, name, strlen(name) + 1);
	buf_add(body, value, strlen(value) + 1);
}

static bool send_request(struct client *c, const struct admin_call *call)
{
	struct buf body, out;
	buf_init(&body, ADMIN_FRAME_MAX);
	buf_init(&out, 2 * ADMIN_FRAME_MAX);
	add_pair(&body, ADMIN_VERSION, call->verb->name);
	for (size_t i = 0; i < ADMIN_PARAMS_MAX; i++)
		if (call->values[i])
			add_pair(&body, call->verb->params[i].name, call->values[i]);
	if (call->password)
		add_pair(&body, "password", call->password);
	errno = E2BIG;
	if (!body.failed)
		admin_frame_add(&out, ADMIN_REQUEST, buf_span(&body));
	bool ok = !body.failed && send_all(c, &out);
	buf_finish(&body);
	buf_finish(&out);
	return ok;
}

/* Standard input, all of it.  The server takes it in as fast as it can. */
static bool send_input(struct client *c, int input)
{
	struct buf out;
	char *chunk = xmalloc(ADMIN_FRAME_MAX);
	buf_init(&out, 2 * ADMIN_FRAME_MAX);
	ssize_t n;
	bool ok = true;
	while (ok && (n = read(input, chunk, ADMIN_FRAME_MAX)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		ok = n > 0;
		if (ok)
			admin_frame_add(&out, ADMIN_BODY, span_make(chunk, (size_t)n));
		ok = ok && send_all(c, &out);
	}
	if (ok)
		admin_frame_add(&out, ADMIN_END, span_make("", 0));
	ok = ok && send_all(c, &out);
	free(chunk);
	buf_finish(&out);
	return ok;
}

static void take_row(const struct admin_call *call, struct span body)
{
	struct admin_field fields[ADMIN_FIELDS_MAX];
	size_t n = 0;
	while (n < ADMIN_FIELDS_MAX && admin_frame_text(&body, &fields[n].key) &&
	       admin_frame_text(&body, &fields[n].value) && *fields[n].value) {
		fields[n].type = *fields[n].value++;
		n++;
	}
	if (call->on_row)
		call->on_row(call->ctx, fields, n);
}

static int take_done(const struct admin_call *call, struct span body)
{
	int code = body.len ? (unsigned char)body.ptr[0] : ADMIN_EXIT_FAILED;
	struct span text = span_after(body, 1);
	if (text.len && code)
		trouble("%.*s", (int)text.len, text.ptr);
	else if (text.len && !call->quiet)
		printf("%.*s\n", (int)text.len, text.ptr);
	return code;
}

/* Reads more; false when the other end is gone. */
static bool receive(struct client *c)
{
	char *to = buf_reserve(&c->in, ADMIN_FRAME_MAX);
	ssize_t n;
	while (to && (n = recv(c->fd, to, ADMIN_FRAME_MAX, 0)) < 0 && errno == EINTR)
		;
	if (!to || n <= 0)
		return false;
	c->in.len += (size_t)n;
	return true;
}

static int converse(struct client *c, const struct admin_call *call)
{
	if (!send_request(c, call))
		return complain("the request");
	for (;;) {
		struct admin_frame frame;
		bool broken;
		if (!admin_frame_read(buf_span(&c->in), &frame, &broken)) {
			errno = 0;
			if (!broken && receive(c))
				continue;
			trouble("the daemon hung up%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
			return ADMIN_EXIT_FAILED;
		}
		if (frame.type == ADMIN_DONE)
			return take_done(call, frame.body);
		if (frame.type == ADMIN_ROW)
			take_row(call, frame.body);
		else if (frame.type == ADMIN_READY && !send_input(c, call->input))
			return complain("standard input");
		buf_drop(&c->in, frame.size);
	}
}

int admin_client_call(const struct config *config, const struct admin_call *call)
{
	struct client c;
	int code = client_open(&c, config) ? converse(&c, call) : ADMIN_EXIT_FAILED;
	client_close(&c);
	return code;
}
