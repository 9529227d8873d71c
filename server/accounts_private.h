/* For the files that make up the accounts: accounts.c and accounts_look.c. */
#ifndef SERVER_ACCOUNTS_PRIVATE_H
#define SERVER_ACCOUNTS_PRIVATE_H

#include "server/accounts.h"
#include "server/crash_point.h"
#include "server/lane.h"
#include "server/room.h"

#include <pthread.h>

struct accounts {
	uv_mutex_t mutex;
	struct lane *lanes; /* by id */
	struct lane *directory;
	struct workers *workers;
	struct loop *loops;
	const char *store;
	bool fulltext;
	struct room room;
	struct store_env env;
	struct db_image image; /* env.account_image */
	struct crash_point crash_point; /* env.ctx */
	atomic_ullong syncs;
	struct held *held;
	struct settings *settings;
	struct tally *tally;
	struct warner *warner; /* NULL: nobody is warned */
	struct converting *converting; /* NULL: nothing is converted */
	struct lane *behind;        /* lanes whose use is to be recorded */
	bool recording;             /* an op that does so is on its way */
	struct lane *open; /* least recently used first */
	size_t open_n, open_max, bytes;
	/* The thread that looks around. */
	pthread_t looker;
	uv_cond_t look;
	bool has_looker, stopping;
};

static inline uint64_t accounts_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* Asks each, and gives the reference to it up. */
void accounts_request_all(struct lane **lanes, size_t n, enum lane_chore chore);
/* The thread; `arg` is the accounts. */
void *accounts_look_around(void *arg);
/* The last records, when no op comes any more. */
void accounts_record_all(struct accounts *accounts);

#endif
