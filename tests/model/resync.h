/*
 * The client's side of CONDSTORE and QRESYNC (RFC 7162): what it keeps of a mailbox over the end of a connection, and how
 * that becomes the mailbox again.  A client keeps only what is whole: every message with its UID and flags, and the
 * modseq up to which that is so, by the rules of section 6.
 */
#ifndef TESTS_MODEL_RESYNC_H
#define TESTS_MODEL_RESYNC_H

#include "tests/model/oracle.h"

struct client;

struct known {
	uint32_t uid;  /* 0: not told */
	uint32_t flags;
	uint64_t modseq; /* 0: not told, or older than the flags */
	bool has_flags;
	unsigned got;  /* GOT_*, of the running FETCH */
	bool due;      /* NOTIFY is to fetch it */
};

/* A mailbox as it is kept. */
struct kept {
	uint32_t uidvalidity;
	uint64_t modseq; /* 0: nothing is kept */
	struct known *v; /* heap, owned */
	uint32_t n;
};
void kept_finish(struct kept *k);

/* choose.c: the parameter of SELECT, if something is kept of the mailbox. */
void resync_ask(struct client *c);
/* A status response's codes: HIGHESTMODSEQ, UIDVALIDITY. */
void resync_code(struct client *c, const char *text);
/* "VANISHED ..." */
void resync_vanished(struct client *c, const char *text);
/* SELECT has ended well: what was kept and what was told become one. */
void resync_end_select(struct client *c);
/* After each tagged response with a mailbox selected: the modseq the client is at, and what it can keep. */
void resync_end_command(struct client *c);

#endif
