/*
 * The limits of the server: every size, count and time that a client or an operator could stretch.  limits.c says what
 * each is for; docs/limits.md is that table, and a test proves that it is.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include "protocol/buf.h"

enum {
	/* Connections. */
	LIMIT_CONNECTIONS = 65536,
	LIMIT_CONNECTIONS_STRANGERS = 16384,
	LIMIT_CONNECTIONS_ADDRESS = 1000,
	LIMIT_BACKLOG = 1024,
	LIMIT_LISTENERS = 64,
	LIMIT_LOOPS = 64, /* a bit each in the lanes' masks */
	LIMIT_WORKERS = 1024,
	/* Bytes of one connection. */
	LIMIT_OUT_HIGH_BYTES = 262144,
	LIMIT_OUT_LOW_BYTES = 65536,
	LIMIT_IN_HIGH_BYTES = 131072,
	LIMIT_IN_BYTES = 1048576,
	LIMIT_TLS_AHEAD_BYTES = 65536,
	LIMIT_DEFLATE_AHEAD_BYTES = 65536,
	/* Times of one connection. */
	LIMIT_HANDSHAKE_S = 30,
	LIMIT_STRANGER_IDLE_S = 60,
	LIMIT_STRANGER_S = 300,
	LIMIT_IDLE_S = 1800,
	LIMIT_LMTP_IDLE_S = 600,
	LIMIT_PULSE_SPREAD = 4,
	LIMIT_PROBE_S = 1,
	LIMIT_DEFLATE_REST_S = 3,
	LIMIT_STALLED_S = 300,
	LIMIT_ENDING_S = 30,
	LIMIT_LINGER_S = 5,
	LIMIT_STOP_MS = 2000,
	/* Lanes and accounts. */
	LIMIT_ACCOUNTS_OPEN = 16384,
	LIMIT_ACCOUNTS_BYTES = 1073741824,
	LIMIT_TURN_US = 10000,
	LIMIT_TRANSACTION_US = 3000,
	/* IMAP sessions. */
	LIMIT_BAD_COMMANDS = 50,
	LIMIT_SESSION_TURNS = 32,
	LIMIT_SLICE_BYTES = 131072,
	LIMIT_SLICE_US = 5000,
	LIMIT_QUICK_BYTES = 8192,
	LIMIT_QUICK_MESSAGES = 256,
	LIMIT_BATCH_MESSAGES = 100000,
	LIMIT_JOURNAL_ROWS = 1000,
	LIMIT_MODIFIED_RANGES = 32768,
	LIMIT_APPEND_MESSAGES = 1000,
	LIMIT_APPEND_CHUNK_BYTES = 65536,
	LIMIT_APPEND_UNSTORED_BYTES = 131072,
	LIMIT_APPEND_UNSTORED_MESSAGES = 32,
	LIMIT_FIELDS_HEADER_BYTES = 1048576,
	LIMIT_SAVED_RANGES = 32768,
	LIMIT_UIDBATCHES_MIN = 500,
	LIMIT_UIDBATCHES_ROUNDS = 16,
	/* LMTP. */
	LIMIT_LMTP_LINE_BYTES = 4096, /* as protocol/lmtp/parse.h has them */
	LIMIT_LMTP_PATH_BYTES = 1000,
	LIMIT_LMTP_ERRORS = 50,
	LIMIT_LMTP_TURNS = 64,
	LIMIT_LMTP_RECIPIENTS = 1000,
	LIMIT_LMTP_COPIES = 4,
	LIMIT_LMTP_CHUNK_BYTES = 65536,
	LIMIT_LMTP_MEMORY_BYTES = 262144,
};

struct limit {
	const char *name;
	uint64_t value;
	const char *unit;
	const char *reason;
};

extern const struct limit limits[];
extern const size_t limits_n;

/* docs/limits.md, whole. */
void limits_write(struct buf *out);

#endif
