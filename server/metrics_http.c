#include "server/metrics_http.h"

#include "server/limits.h"
#include "server/metrics.h"
#include "server/trouble.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAGE_MAX = LIMIT_METRICS_BYTES, ADDRESS_TEXT_MAX = 64 };

struct metrics_http {
	const struct server *server;
	struct MHD_Daemon *daemon;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "": a port */
};

static bool parse_port(const char *text, in_port_t *out)
{
	char *end;
	unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (n == 0 || n > 65535 || *end)
		return false;
	*out = htons((uint16_t)n);
	return true;
}

/* The length of the address; 0: it is none, or not one of this machine's alone. */
static socklen_t parse(const char *where, struct sockaddr_storage *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(where, ':');
	*out = (struct sockaddr_storage){0};
	if (*where == '/') {
		un->sun_family = AF_UNIX;
		int n = snprintf(un->sun_path, sizeof(un->sun_path), "%s", where);
		return (size_t)n < sizeof(un->sun_path) ? sizeof(*un) : 0;
	}
	char address[ADDRESS_TEXT_MAX];
	if (!colon || (size_t)(colon - where) >= sizeof(address))
		return 0;
	snprintf(address, sizeof(address), "%.*s", (int)(colon - where), where);
	if (strcmp(address, "[::1]") == 0) {
		in6->sin6_family = AF_INET6;
		in6->sin6_addr = in6addr_loopback;
		return parse_port(colon + 1, &in6->sin6_port) ? sizeof(*in6) : 0;
	}
	in->sin_family = AF_INET;
	bool is_loopback = inet_pton(AF_INET, address, &in->sin_addr) == 1 && ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return is_loopback && parse_port(colon + 1, &in->sin_port) ? sizeof(*in) : 0;
}

bool metrics_http_is_address(const char *where)
{
	struct sockaddr_storage address;
	return parse(where, &address) != 0;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type, struct buf *page)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(page->len, page->data, MHD_RESPMEM_MUST_COPY);
	buf_finish(page);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	enum MHD_Result result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **request)
{
	const struct metrics_http *m = ctx;
	bool is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	struct buf page;
	(void)version, (void)upload;
	if (!*request) { /* the library calls again once the whole request is there */
		*request = (void *)(uintptr_t)1;
		return MHD_YES;
	}
	*upload_size = 0;
	buf_init(&page, PAGE_MAX);
	if (!is_get || strcmp(url, "/metrics") != 0) {
		buf_add_text(&page, "GET /metrics is what there is.\n");
		return answer(connection, is_get ? MHD_HTTP_NOT_FOUND : MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", &page);
	}
	metrics_write(m->server, &page);
	if (page.failed) { /* half of it would be read as all of it */
		buf_finish(&page);
		buf_init(&page, PAGE_MAX);
		buf_add_text(&page, "This is too much for a page: too many domains.\n");
		return answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain", &page);
	}
	return answer(connection, MHD_HTTP_OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", &page);
}

static int listen_at(const struct sockaddr_storage *address, socklen_t len)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	const char *path = address->ss_family == AF_UNIX ? ((const struct sockaddr_un *)address)->sun_path : NULL;
	struct stat st;
	if (fd < 0)
		return -1;
	if (path && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	if (!path)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)address, len) == 0 && (!path || chmod(path, 0660) == 0) &&
	    listen(fd, LIMIT_METRICS_CONNECTIONS) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

struct metrics_http *metrics_http_open(const struct server *server, const char *where)
{
	struct sockaddr_storage address;
	socklen_t len = parse(where, &address);
	int fd = len ? listen_at(&address, len) : -1;
	if (fd < 0) {
		trouble_errno("listening for metrics", len ? errno : EINVAL);
		return NULL;
	}
	struct metrics_http *m = xcalloc(1, sizeof(*m));
	m->server = server;
	if (*where == '/')
		snprintf(m->path, sizeof(m->path), "%s", where);
	m->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, m,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_METRICS_CONNECTIONS,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LIMIT_METRICS_S, MHD_OPTION_END);
	if (!m->daemon) {
		trouble("metrics: the HTTP library does not start");
		close(fd);
		metrics_http_close(m);
		return NULL;
	}
	return m;
}

void metrics_http_close(struct metrics_http *m)
{
	if (!m)
		return;
	if (m->daemon)
		MHD_stop_daemon(m->daemon);
	if (m->path[0])
		unlink(m->path);
	free(m);
}
