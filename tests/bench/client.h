/*
 * A blocking IMAP client for benchmarks: it must cost far less than the server it measures, so it reads in
 * large pieces, skips literals by their counts and keeps nothing unless asked.  One thread.  Any failure of the
 * connection or a wrong answer ends the program with a message: a benchmark has no use for half a result.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client {
	const char *name; /* of the server, for messages */
	int fd;
	unsigned tag;
	char *in;
	size_t at, len, cap;
};

/* What one command was answered. */
struct answer {
	uint64_t untagged;   /* responses */
	uint64_t bytes;      /* on the wire */
	uint64_t digest;     /* of all FETCH responses in a normal form, see client_digest() */
	char text[256];      /* the tagged line behind the tag */
};

void client_open(struct client *c, const char *name, int port);
void client_close(struct client *c);
void client_login(struct client *c, const char *user, const char *pass);
/* Sends `line` with a tag and CRLF and reads to its tagged response, which must be OK.  No digest: it is timed. */
void client_command(struct client *c, const char *line, struct answer *out);
/* The same with a digest: it takes a FETCH response as a set of items, FLAGS as a set without \Recent, and a string
 * as its bytes however it was sent, so that two servers that say the same have the same digest. */
void client_digest(struct client *c, const char *line, struct answer *out);
/* The same, but a NO is let pass: for CREATE of what may exist. */
void client_try(struct client *c, const char *line);
void client_send(struct client *c, const void *bytes, size_t len);
/* Reads one line (without CRLF) into `line`, NUL-terminated and cut at `size`. */
void client_line(struct client *c, char *line, size_t size);

double bench_now(void); /* seconds, monotonic */
void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
