#include "server/auth_saslauthd.h"

#include "server/limits.h"
#include "server/log.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PART_MAX = 1024 };

struct question {
	size_t len;
	unsigned char bytes[4 * (2 + PART_MAX)];
};

static void add_part(struct question *q, const char *text, size_t len)
{
	invariant(len <= PART_MAX && q->len + 2 + len <= sizeof(q->bytes));
	q->bytes[q->len++] = (unsigned char)(len >> 8);
	q->bytes[q->len++] = (unsigned char)len;
	memcpy(q->bytes + q->len, text, len);
	q->len += len;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = LIMIT_BACKEND_S};
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
		  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
		  connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	if (!ok && fd >= 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* True once all of it went out. */
static bool send_all(int fd, const unsigned char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static bool receive_all(int fd, unsigned char *bytes, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = recv(fd, bytes + got, len - got, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EPIPE : errno;
			return false;
		}
		got += (size_t)n;
	}
	return true;
}

/* Only its first two bytes count; the text that follows is for people. */
static bool receive_answer(int fd, char out[2])
{
	unsigned char head[2], text[PART_MAX] = "";
	if (!receive_all(fd, head, sizeof(head)))
		return false;
	size_t len = (size_t)head[0] << 8 | head[1];
	if (!receive_all(fd, text, len < sizeof(text) ? len : sizeof(text)))
		return false;
	memcpy(out, text, 2);
	return true;
}

enum auth_verdict auth_saslauthd_check(const char *socket_path, const char *address, const char *password, size_t len)
{
	const char *domain = address_domain(address);
	struct question q = {.len = 0};
	char answer[2] = "";
	if (len > PART_MAX)
		return AUTH_WRONG;
	add_part(&q, address, (size_t)(domain - 1 - address));
	add_part(&q, password, len);
	add_part(&q, "imap", 4);
	add_part(&q, domain, strlen(domain));
	int fd = connect_to(socket_path);
	bool ok = fd >= 0 && send_all(fd, q.bytes, q.len) && receive_answer(fd, answer);
	const char *reason = ok ? "it gives no sense" : strerror(errno);
	ok = ok && (memcmp(answer, "OK", 2) == 0 || memcmp(answer, "NO", 2) == 0);
	OPENSSL_cleanse(&q, sizeof(q));
	if (fd >= 0)
		close(fd);
	if (!ok) {
		log_event(LOG_ERROR, "auth_backend_failed", log_text("backend", "saslauthd"), log_text("socket", socket_path),
			  log_text("reason", reason));
		return AUTH_UNKNOWN_YET;
	}
	return answer[0] == 'O' ? AUTH_RIGHT : AUTH_WRONG;
}
