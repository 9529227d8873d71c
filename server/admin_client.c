#include "server/admin_client.h"

#include "server/admin_frame.h"
#include "server/server.h"
#include "server/listener.h"
#include "server/trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	int fd;
	struct config config;  /* of the server in this process */
	struct server *server; /* NULL: a daemon is at the other end */
	struct buf in;
	const struct admin_call *call;
	bool is_wanted; /* the server wants the input */
	bool over;      /* DONE has come, or what comes cannot be used */
	int code;       /* for the exit */
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
	c->config.listens_n = 0;
	c->config.certificates = NULL;
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

static int take_done(const struct client *c, struct span body)
{
	const struct admin_call *call = c->call;
	int code = body.len ? (unsigned char)body.ptr[0] : ADMIN_EXIT_FAILED;
	if (code == ADMIN_EXIT_DONE && call->on_end && !call->on_end(call->stream_ctx))
		return ADMIN_EXIT_FAILED;
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

/* Takes every frame that has come.  False: the conversation is over. */
static bool take_frames(struct client *c)
{
	struct admin_frame frame;
	bool broken = false;
	while (!c->over && admin_frame_read(buf_span(&c->in), &frame, &broken)) {
		if (frame.type == ADMIN_DONE) {
			c->code = take_done(c, frame.body);
			c->over = true;
		} else if (frame.type == ADMIN_ROW) {
			take_row(c->call, frame.body);
		} else if (frame.type == ADMIN_READY) {
			c->is_wanted = true;
		} else if (frame.type == ADMIN_BODY && c->call->on_body && !c->call->on_body(c->call->stream_ctx, frame.body)) {
			c->over = true; /* on_body has said why */
		}
		buf_drop(&c->in, frame.size);
	}
	return !c->over && !broken;
}

/* ---- the input ---- */

struct admin_stream {
	struct client *client;
	struct buf out;
};

/* Sends what is there, and hears what the server says meanwhile: it may be the end. */
static bool stream_send(struct admin_stream *s)
{
	struct client *c = s->client;
	while (s->out.len && !c->over) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLOUT};
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return false;
		if ((p.revents & (POLLIN | POLLHUP)) && (!receive(c) || !take_frames(c)))
			return false;
		if (c->over || !(p.revents & POLLOUT))
			continue;
		ssize_t n = send(c->fd, s->out.data, s->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return errno == EPIPE; /* its last words are still to be read */
		if (n > 0)
			buf_drop(&s->out, (size_t)n);
	}
	return !c->over;
}

bool admin_stream_write(struct admin_stream *s, struct span bytes)
{
	while (bytes.len) {
		size_t n = bytes.len < ADMIN_FRAME_MAX ? bytes.len : ADMIN_FRAME_MAX;
		admin_frame_add(&s->out, ADMIN_BODY, span_make(bytes.ptr, n));
		if (!stream_send(s))
			return false;
		bytes = span_after(bytes, n);
	}
	return true;
}

/* Standard input, all of it.  The server takes it in as fast as it can. */
static bool feed_from_file(struct admin_stream *s, int input)
{
	char *chunk = xmalloc(ADMIN_FRAME_MAX);
	bool goes_on = true;
	ssize_t n = 0;
	while (goes_on && ((n = read(input, chunk, ADMIN_FRAME_MAX)) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			goes_on = admin_stream_write(s, span_make(chunk, (size_t)n));
	free(chunk);
	if (n < 0)
		complain("standard input");
	return n >= 0;
}

static bool send_input(struct client *c)
{
	struct admin_stream s = {.client = c};
	buf_init(&s.out, 4 * ADMIN_FRAME_MAX);
	c->is_wanted = false;
	bool ok = c->call->feed ? c->call->feed(c->call->stream_ctx, &s) : feed_from_file(&s, c->call->input);
	if (ok && !c->over) {
		admin_frame_add(&s.out, ADMIN_END, span_make("", 0));
		stream_send(&s);
	}
	buf_finish(&s.out);
	return ok;
}

static int converse(struct client *c)
{
	if (!send_request(c, c->call))
		return complain("the request");
	while (take_frames(c)) {
		if (c->is_wanted && !send_input(c))
			return ADMIN_EXIT_FAILED;
		errno = 0;
		if (!c->over && !receive(c)) {
			trouble("the daemon hung up%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
			return ADMIN_EXIT_FAILED;
		}
	}
	return c->code;
}

int admin_client_call(const struct config *config, const struct admin_call *call)
{
	struct client c;
	int code = client_open(&c, config) ? ADMIN_EXIT_DONE : ADMIN_EXIT_FAILED;
	c.call = call;
	c.code = ADMIN_EXIT_FAILED;
	if (code == ADMIN_EXIT_DONE)
		code = converse(&c);
	client_close(&c);
	return code;
}
