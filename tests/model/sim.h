/* One simulation: a server's account, its clients, the arrays, and a stream of chances that all come from the seed. */
#ifndef TESTS_MODEL_SIM_H
#define TESTS_MODEL_SIM_H

#include "tests/model/client.h"
#include "tests/model/oracle.h"
#include "tests/model/wire.h"

/* What clients do.  A kept seed means what it meant when it was found, so its level stays with it. */
enum level {
	LEVEL_PLAIN, /* RFC 3501 and MOVE */
	LEVEL_SYNC,  /* CONDSTORE, QRESYNC, UIDONLY, NOTIFY, METADATA; pruning and jumps */
	LEVEL_PARTS, /* CATENATE, REPLACE, PARTIAL */
	LEVEL_ALL = LEVEL_PARTS
};

enum { CLIENTS_MAX = 5, LOOPS = 2, TRACE_LINES = 300, TRACE_BYTES = 240, SIZES_MAX = 4096 };

struct sim {
	uint64_t seed, random;
	enum level level;
	char store[64]; /* the directory */
	struct server server;
	struct loop loops[LOOPS];
	struct lane *lane; /* a reference */
	struct client clients[CLIENTS_MAX];
	int clients_n;
	uint32_t weights[4]; /* how often: a client sends, a worker has a turn, a letter comes, a client reads */
	struct oracle oracle; /* after the last op */
	uint64_t epoch;       /* changes of it */
	struct sim_names names;
	int64_t values[PLACES][ENTRIES]; /* of annotations, as numbers that are never used again; 0: none */
	int64_t last_value;
	uint64_t messages_modseq[BOXES]; /* of the last change of its messages */
	bool pruned;          /* the history, and with it annotations that nobody was told of */
	bool jumped;          /* nobody is told of the modseqs that this gives */
	uint32_t next_size;   /* of the next message: no two are alike */
	uint32_t sizes[BOXES][SIZES_MAX];      /* by UID: what each message is, also when it is gone */
	int brought_by[BOXES][SIZES_MAX];      /* by UID: 1 + the client that added it */
	int recent_owner[BOXES][SIZES_MAX];    /* by UID: 1 + the client's selection that was told \Recent, 0 for none */
	int selections;       /* ever */
	bool verbose;
	char trace[TRACE_LINES][TRACE_BYTES];
	unsigned traced;
};

/* Below n, n > 0. */
uint32_t sim_below(struct sim *s, uint32_t n);
/* True once in n. */
bool sim_once(struct sim *s, uint32_t n);
void sim_trace(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Prints the seed and the trace, and ends the process. */
_Noreturn void sim_fail(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
