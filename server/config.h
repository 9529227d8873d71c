/* The configuration file: one table of options, errors with file and line, nothing half-configured. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

enum protocol { PROTOCOL_IMAP, PROTOCOL_IMAPS, PROTOCOL_LMTP };

struct listen_config {
	enum protocol protocol;
	const char *address; /* with port, or NULL with path */
	int port;
	const char *path;
	bool cleartext_login;
};

struct tls_config {
	const char *certificate, *key;
};

struct config {
	const char *store, *hostname;
	int loops, workers;
	bool fsync_always;
	long message_bytes_max;
	int auth_threads, auth_queue_max, password_cost, scram_iterations, login_delay_ms, login_failures_max;
	struct listen_config *listens;
	size_t listens_n;
	struct tls_config *tls;
	size_t tls_n;
	void *parsed; /* owns the strings */
};

/* Reads `path`; what is wrong is printed with file and line, and false returned. */
bool config_read(const char *path, struct config *out);
void config_finish(struct config *c);

#endif
