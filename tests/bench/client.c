#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20 };

void bench_die(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

double bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void client_open(struct client *c, const char *name, int port)
{
	*c = (struct client){.name = name, .fd = socket(AF_INET, SOCK_STREAM, 0)};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		bench_die("%s: cannot connect to port %d: %s", name, port, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->cap = READ_BYTES;
	c->in = malloc(c->cap);
	if (!c->in)
		bench_die("out of memory");
	char line[512];
	client_line(c, line, sizeof(line));
	if (strncmp(line, "* OK", 4) != 0)
		bench_die("%s: greeting: %s", name, line);
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c->in);
	c->in = NULL;
}

void client_send(struct client *c, const void *bytes, size_t len)
{
	const char *p = bytes;
	while (len) {
		ssize_t n = write(c->fd, p, len);
		if (n <= 0)
			bench_die("%s: write: %s", c->name, strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

static void fill(struct client *c)
{
	if (c->at) {
		memmove(c->in, c->in + c->at, c->len - c->at);
		c->len -= c->at;
		c->at = 0;
	}
	if (c->len == c->cap) {
		c->cap *= 2;
		c->in = realloc(c->in, c->cap);
		if (!c->in)
			bench_die("out of memory");
	}
	ssize_t n = read(c->fd, c->in + c->len, c->cap - c->len);
	if (n <= 0)
		bench_die("%s: the connection ended: %s", c->name, n ? strerror(errno) : "closed");
	c->len += (size_t)n;
}

/* One response with its literals: offsets from c->at; *text_len without the last line end. */
static size_t response(struct client *c, size_t *text_len)
{
	size_t at = 0;
	for (;;) {
		const char *nl;
		size_t scanned = at;
		while (!(nl = memchr(c->in + c->at + scanned, '\n', c->len - c->at - scanned))) {
			scanned = c->len - c->at;
			fill(c);
		}
		const char *base = c->in + c->at, *end = nl;
		if (end > base + at && end[-1] == '\r')
			end--;
		at = (size_t)(nl - base) + 1;
		*text_len = (size_t)(end - base);
		if (end == base || end[-1] != '}')
			return at;
		const char *digit = end - 1;
		uint64_t n = 0, unit = 1;
		while (digit > base && digit[-1] >= '0' && digit[-1] <= '9') {
			n += (uint64_t)(*--digit - '0') * unit;
			unit *= 10;
		}
		if (unit == 1 || digit == base || digit[-1] != '{')
			return at;
		at += n;
		while (c->len - c->at < at)
			fill(c);
	}
}

void client_line(struct client *c, char *line, size_t size)
{
	size_t len, total = response(c, &len);
	size_t keep = len < size - 1 ? len : size - 1;
	memcpy(line, c->in + c->at, keep);
	line[keep] = '\0';
	c->at += total;
}

static char upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
}

static uint64_t hash(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u ^ n, word;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	for (; n; n--, p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	return h ^ h >> 32;
}

struct scan {
	const char *at, *end;
};

/* A list is the sum of its members' digests when it is a set (`depth` 0, FLAGS), else their order counts. */
static uint64_t value(struct scan *s, bool is_set);

static uint64_t string(struct scan *s)
{
	if (*s->at == '{') {
		char *behind;
		size_t n = strtoul(s->at + 1, &behind, 10);
		const char *from = behind + 3; /* }CRLF */
		if (from + n > s->end)
			bench_die("a literal passes the response's end");
		s->at = from + n;
		return hash(from, n);
	}
	char small[1024], *to = small;
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++) {
		if (*s->at == '\\')
			s->at++;
		if (to < small + sizeof(small))
			*to++ = upper(*s->at); /* parameter names are given in any case */
	}
	s->at++;
	return hash(small, (size_t)(to - small));
}

static uint64_t value(struct scan *s, bool is_set)
{
	if (s->at >= s->end)
		bench_die("a response ends too early");
	if (*s->at == '"' || *s->at == '{')
		return string(s);
	if (*s->at == '(') {
		uint64_t sum = 7;
		s->at++;
		while (s->at < s->end && *s->at != ')') {
			if (*s->at == ' ')
				s->at++;
			const char *from = s->at;
			uint64_t v = value(s, false);
			bool recent = s->at - from == 7 && strncasecmp(from, "\\Recent", 7) == 0;
			if (is_set)
				sum += recent ? 0 : v * 31;
			else
				sum = (sum ^ v) * 0x9e3779b97f4a7c15u;
		}
		s->at++;
		return sum;
	}
	char atom[128];
	size_t n = 0;
	while (s->at < s->end && *s->at != ' ' && *s->at != '(' && *s->at != ')') {
		if (n < sizeof(atom))
			atom[n++] = upper(*s->at);
		/* A section's brackets hold spaces and lists. */
		if (*s->at++ == '[') {
			while (s->at < s->end && s->at[-1] != ']')
				s->at++;
			return hash(atom, n);
		}
	}
	return hash(atom, n);
}

/* "n FETCH (item value ...)" behind "* ": items are a set of pairs; other responses count by number alone. */
static uint64_t digest_of(const char *text, size_t len)
{
	struct scan s = {text, text + len};
	uint64_t number = strtoul(text, NULL, 10), sum = number * 0x100000001b3u;
	const char *word = memchr(text, ' ', len);
	if (!word || (size_t)(text + len - word) < 9 || memcmp(word, " FETCH (", 8) != 0)
		return 0;
	s.at = word + 8;
	while (s.at < s.end && *s.at != ')') {
		if (*s.at == ' ')
			s.at++;
		bool flags = s.end - s.at > 6 && memcmp(s.at, "FLAGS ", 6) == 0;
		uint64_t name = value(&s, false);
		s.at++;
		sum += (name ^ value(&s, flags)) * 0x9e3779b97f4a7c15u;
	}
	return sum ^ sum >> 31;
}

static bool run(struct client *c, const char *line, struct answer *out, bool digests)
{
	char tag[24], text[1 << 16];
	int tag_len = snprintf(tag, sizeof(tag), "b%u ", ++c->tag);
	int n = snprintf(text, sizeof(text), "%s%s\r\n", tag, line);
	client_send(c, text, (size_t)n);
	*out = (struct answer){0};
	for (;;) {
		size_t len, total = response(c, &len);
		const char *r = c->in + c->at;
		out->bytes += total;
		if (len > (size_t)tag_len && memcmp(r, tag, (size_t)tag_len) == 0) {
			snprintf(out->text, sizeof(out->text), "%.*s", (int)(len - (size_t)tag_len), r + tag_len);
			c->at += total;
			return strncmp(out->text, "OK", 2) == 0;
		}
		out->untagged++;
		if (digests && len > 2)
			out->digest += digest_of(r + 2, len - 2);
		c->at += total;
	}
}

void client_command(struct client *c, const char *line, struct answer *out)
{
	if (!run(c, line, out, false))
		bench_die("%s: %.60s: %s", c->name, line, out->text);
}

void client_digest(struct client *c, const char *line, struct answer *out)
{
	if (!run(c, line, out, true))
		bench_die("%s: %.60s: %s", c->name, line, out->text);
}

void client_try(struct client *c, const char *line)
{
	struct answer a;
	run(c, line, &a, false);
}

void client_login(struct client *c, const char *user, const char *pass)
{
	char line[256];
	struct answer a;
	snprintf(line, sizeof(line), "LOGIN %s %s", user, pass);
	client_command(c, line, &a);
}
