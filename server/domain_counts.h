/*
 * What happened since the start, by domain, for who wants it so (`metrics_domains`): relaxed atomics, any thread.  A domain's
 * counts stay where they are until the server ends, so whoever has found them may keep them.
 *
 * Only domains of ours have some: those there are at the start, and from then on those that somebody logs in to or mail is
 * delivered to.  What strangers name adds none.
 */
#ifndef SERVER_DOMAIN_COUNTS_H
#define SERVER_DOMAIN_COUNTS_H

#include "storage/directory.h"

#include <stdatomic.h>
#include <uthash.h>

enum domain_counter {
	DOMAIN_LOGINS,
	DOMAIN_LOGINS_FAILED, /* and those that were held */
	DOMAIN_COMMANDS,
	DOMAIN_COMMANDS_NO,
	DOMAIN_COMMANDS_BAD,
	DOMAIN_COMMAND_US, /* from line to answer, but for IDLE; their sum */
	DOMAIN_BYTES_IN,
	DOMAIN_BYTES_OUT,
	DOMAIN_DELIVERIES,
	DOMAIN_DELIVERIES_DEFERRED,
	DOMAIN_DELIVERIES_REFUSED,
	DOMAIN_RECIPIENTS_UNKNOWN,
	DOMAIN_COUNTERS_N
};

struct domain_counts {
	char name[ADDRESS_DOMAIN_MAX + 1];
	atomic_ullong each[DOMAIN_COUNTERS_N];
	UT_hash_handle hh;
};

struct domain_table;

/* With the domains of `d`, which is not kept.  NULL: that failed. */
struct domain_table *domain_table_create(struct directory *d);
/* Takes NULL, as the others do: where nobody wants it. */
void domain_table_destroy(struct domain_table *t);
/* Of a domain that is ours; makes them when it is new. */
struct domain_counts *domain_table_get(struct domain_table *t, const char *domain);
/* Of what a stranger says, which may be no address at all.  NULL: its domain is none of ours, or nothing has happened in it since
 * it was added. */
struct domain_counts *domain_table_find(struct domain_table *t, const char *address);
/* With the table locked. */
void domain_table_each(struct domain_table *t, void (*each)(void *ctx, struct domain_counts *counts), void *ctx);

/* Takes NULL for `counts`. */
static inline void domain_count(struct domain_counts *counts, enum domain_counter which, uint64_t n)
{
	if (counts)
		atomic_fetch_add_explicit(&counts->each[which], n, memory_order_relaxed);
}

#endif
